"""What is told while Ansible works."""

import io

import pytest
from rich.console import Console

from silo.cli import progress
from silo.cli.progress import Progress


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def screen():
    return io.StringIO()


def told(screen, clock, tasks, last=None, terminal=False, rehearses=False):
    """What stands on the screen after `tasks`: name, seconds, host to result."""
    console = Console(file=screen, force_terminal=terminal, highlight=False, width=80)
    shown = Progress(last or {}, console, rehearses=rehearses)
    for name, seconds, results in tasks:
        shown({"_event": "v2_playbook_on_task_start", "task": {"name": name}})
        clock[0] += seconds
        shown({"_event": "v2_runner_on_ok", "task": {"name": name}, "hosts": results})
    shown({"_event": "v2_playbook_on_stats"})
    return screen.getvalue(), shown.seconds


def test_a_task_is_told_in_its_own_words_with_where_and_how_long(screen, clock):
    name = "swissphoto.silo.tenant : silo:stacks | Converge the stacks of this server"
    text, seconds = told(screen, clock, [(name, 8.9, {"silo1": {"changed": True}})], {name: 7.0})
    assert text == "changed  Converge the stacks of this server on silo1 (8.9 s, last time 7.0 s)\n"
    assert seconds == {name: 8.9}


IDLE = {"changes": [], "error": ""}


@pytest.mark.parametrize(
    ("tenants", "said"),
    [
        ({"anna": IDLE, "hans": {"changes": [{"what": "state", "action": "start"}], "error": ""}}, "for hans"),
        ({"anna": IDLE, "hans": IDLE}, "for anna, hans"),
        ({"anna": IDLE, "hans": {"changes": [], "error": "the disk is full"}}, "for hans"),
        ({f"t{number}": IDLE for number in range(9)}, "for t0, t1, t2, t3, t4 and 4 more"),
        ([{"name": "hans", "changed": True}], "for hans on anna"),
        (None, "on anna"),
        ("nonsense", "on anna"),
    ],
)
def test_whom_the_work_is_for_is_named_and_not_who_delegates_it(screen, clock, tenants, said):
    result = {"changed": True} | ({} if tenants is None else {"tenants": tenants})
    text, _seconds = told(screen, clock, [("Converge the stacks", 1, {"anna": result})])
    assert text == f"changed  Converge the stacks {said} (1.0 s)\n"


def test_what_a_plan_finds_would_change(screen, clock):
    tasks = [("Set the quota", 1, {"hans": {"changed": True}}), ("Look", 1, {"hans": {"changed": False}})]
    text, _seconds = told(screen, clock, tasks, rehearses=True)
    assert text == "would change  Set the quota on hans (1.0 s)\nas it is      Look on hans (1.0 s)\n"


def test_what_is_quick_and_changes_nothing_is_not_told(screen, clock):
    assert told(screen, clock, [("Read the policy", 0.1, {"silo1": {"changed": False}})])[0] == ""


def test_what_only_tells_is_not_told(screen, clock):
    name = "swissphoto.silo.tenant : quiet | Choose one tenant to speak for each NAS"
    assert told(screen, clock, [(name, 3, {"anna": {"changed": True}})])[0] == ""


def test_a_line_stays_a_line_where_nobody_watches(screen, clock):
    hosts = {f"tenant{number}": {"changed": True} for number in range(20)}
    assert told(screen, clock, [("Make the directories", 1, hosts)])[0].count("\n") == 1


def test_on_a_terminal_what_is_under_way_is_shown(screen, clock):
    text, _seconds = told(
        screen, clock, [("Make the disk", 1, {"silo1": {"changed": True}})], {"Make the disk": 4}, True
    )
    assert "Make the disk ... (last time 4 s)" in text

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


def told(screen, clock, tasks, last=None, terminal=False):
    """What stands on the screen after `tasks`: name, seconds, host to result."""
    shown = Progress(last or {}, Console(file=screen, force_terminal=terminal, highlight=False, width=80))
    for name, seconds, results in tasks:
        shown({"_event": "v2_playbook_on_task_start", "task": {"name": name}})
        clock[0] += seconds
        shown({"_event": "v2_runner_on_ok", "task": {"name": name}, "hosts": results})
    shown({"_event": "v2_playbook_on_stats"})
    return screen.getvalue(), shown.seconds


def test_a_task_is_told_in_its_own_words_with_where_and_how_long(screen, clock):
    name = "swissphoto.silo.tenant : silo:stacks | Converge the stacks of this server"
    text, seconds = told(screen, clock, [(name, 8.9, {"anna": {"changed": True}})], {name: 7.0})
    assert text == "changed  Converge the stacks of this server on anna (8.9 s, last time 7.0 s)\n"
    assert seconds == {name: 8.9}


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

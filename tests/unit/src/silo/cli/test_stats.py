"""What is used, on the command line: sorted, live, as CSV, since a day, and what does not go together."""

import csv
import io
import json

import pytest
from click.testing import CliRunner
from rich.console import Console
from rich.table import Table

from silo import cli
from silo.ansible import runner
from silo.ansible.contract import TaskId
from silo.capacity import GIB
from silo.cli import stats
from silo.cli.context import Context
from silo.reports import usage

from ..conftest import event


def tenant(name, **numbers):
    return usage.TenantUsage(name=name, server="silo1", desired="running", observed="running", **numbers)


ANNA = tenant("anna", memory_bytes=GIB, memory_limit_bytes=4 * GIB, cpu_cores=0.1, storage_bytes=None)
BEAT = tenant("beat", memory_bytes=GIB // 2, memory_limit_bytes=GIB, cpu_cores=0.9, storage_bytes=GIB)
TOTALS = usage.Totals(tenants=2, memory_bytes=3 * GIB // 2, memory_limit_bytes=5 * GIB)
USED = usage.Usage((ANNA, BEAT), TOTALS, ())
STEP = {"running_seconds": 3600, "cpu_microseconds": 1_000_000}
LEDGER = {"problem": "", "days": {}, "course": {"anna": {"0": STEP, "23": STEP}}}


@pytest.fixture
def silo(monkeypatch, path):
    """The command line; Ansible is not run."""
    monkeypatch.setattr(usage, "read", lambda _inventory: USED)
    monkeypatch.setattr(usage, "of", lambda _results: USED)
    asked = []

    def events(playbooks, _inventory, arguments=()):
        asked.append((playbooks, arguments[1], json.loads(arguments[3])))
        yield event(TaskId.LEDGER, {"silo1": LEDGER})

    monkeypatch.setattr(runner, "events", events)

    def run(*arguments):
        return CliRunner().invoke(cli.main, ["-i", str(path), *arguments], env={"COLUMNS": "200"})

    run.asked = asked
    return run


def order(result):
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    return sorted(("anna", "beat"), key=lambda name: next(i for i, line in enumerate(lines) if name in line))


@pytest.mark.parametrize(("key", "first"), [("name", "anna"), ("memory", "anna"), ("cpu", "beat"), ("storage", "beat")])
def test_sorted_by_what_is_asked(silo, key, first):
    assert order(silo("stats", "--sort", key))[0] == first


def test_each_against_its_limit_and_all_together(silo):
    output = silo("stats").output
    assert "1 GiB, 25% of 4 GiB" in output
    assert "512 MiB, 50% of 1 GiB" in output
    assert "1.5 GiB, 30% of 5 GiB" in output


def test_what_is_lent_is_shown_beside_the_promised_limit(silo, monkeypatch):
    lent = tenant("anna", memory_bytes=GIB, memory_limit_bytes=5 * GIB // 2, memory_burst_bytes=GIB // 2)
    monkeypatch.setattr(usage, "of", lambda _results: usage.Usage((lent,), TOTALS, ()))
    assert "1 GiB, 50% of 2 GiB, 512 MiB burst" in silo("stats").output


def test_who_watches_reads_what_is_missing(monkeypatch, path):
    away = usage.Usage((ANNA,), TOTALS, (), ("silo2 cannot be reached",))
    monkeypatch.setattr(usage, "read", lambda _inventory: away)
    table = stats._watched(Context(path, None, False), "name")
    shown = io.StringIO()
    Console(file=shown, width=400).print(table)
    assert "silo2 cannot be reached" in shown.getvalue()


def test_one_run_reads_what_is_now_and_the_last_day(silo):
    output = silo("stats").output
    ((playbook, tags, given),) = silo.asked
    assert (playbook, tags, given["ledger_course_hours"]) == ("read.yml", "stats,ledger", 24)
    (anna,) = [line for line in output.splitlines() if "anna" in line]
    assert "█" + 22 * " " + "█" in anna


@pytest.mark.parametrize(
    ("values", "line"),
    [((), ""), ((None,), " "), ((0.0, None), "▁ "), ((0.0, 1.0, 2.0), "▁▄█"), ((5.0,), "█")],
)
def test_bars(values, line):
    assert stats.bars(values) == line


def test_csv_has_a_line_each_and_nothing_for_what_is_unknown(silo):
    anna, beat = csv.DictReader(io.StringIO(silo("stats", "--csv").output))
    assert (anna["name"], anna["memory_bytes"], anna["storage_bytes"]) == ("anna", str(GIB), "")
    assert (beat["name"], beat["storage_bytes"]) == ("beat", str(GIB))
    assert next(iter(anna)) == "name"


def test_json(silo):
    found = json.loads(silo("stats", "--json").output)
    assert [one["name"] for one in found["tenants"]] == ["anna", "beat"]
    assert found["totals"]["memory_bytes"] == 3 * GIB // 2


def test_since_a_day_asks_the_ledger(silo):
    result = silo("stats", "--since", "2026-11-20")
    assert result.exit_code == 0, result.output
    ((playbook, tags, given),) = silo.asked
    assert (playbook, tags, given["ledger_first_day"]) == ("read.yml", "ledger", "2026-11-20")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--since", "tomorrow"), "since is 'tomorrow'; it must be a day such as"),
        (("--since", "7d", "--watch"), "--since and --watch exclude each other"),
        (("--watch", "5", "--csv"), "watch shows a table"),
        (("--watch", "0"), "0 is not in the range"),
        (("--sort", "colour"), "'colour' is not one of"),
    ],
)
def test_what_makes_no_sense_is_told(silo, arguments, sentence):
    result = silo("stats", *arguments)
    assert result.exit_code == 2
    assert sentence in " ".join(result.output.split())


class Watched:
    """Tables by number; the one who watches has enough of them after some."""

    def __init__(self, most):
        self.count, self.most = 0, most

    def __call__(self):
        self.count += 1
        if self.count > self.most:
            raise KeyboardInterrupt
        table = Table("look")
        table.add_row(f"number {self.count}")
        return table


@pytest.mark.parametrize("terminal", [True, False])
def test_watched_until_it_is_interrupted(terminal):
    stream, look = io.StringIO(), Watched(3)
    stats.follow(look, 0.01, Console(file=stream, force_terminal=terminal, width=80))
    assert all(f"number {number}" in stream.getvalue() for number in (1, 2, 3))


def test_interrupted_before_the_first_look_ends_it_too():
    stats.follow(Watched(0), 0.01, Console(file=io.StringIO(), force_terminal=True))


def test_top_has_the_busiest_first(silo, monkeypatch):
    shown = []
    monkeypatch.setattr(stats, "follow", lambda look, seconds: shown.append((look(), seconds)))
    assert silo("top", "2").exit_code == 0
    ((table, seconds),) = shown
    assert (str(list(table.columns[0].cells)[0]), seconds) == ("beat", 2.0)

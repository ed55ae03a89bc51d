"""What was used over some days, from the ledgers of several hosts; as table, JSON and CSV."""

import csv
import datetime
import io
import json

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.usage.amounts import Amounts
from click.testing import CliRunner

from silo import cli
from silo.ansible import runner
from silo.ansible.contract import TaskId
from silo.inventory import InventoryError
from silo.reports import report

from ..conftest import event

DAY = 86_400
GB_IN_KIB = 10**9 // 1024
HANS = {
    "running_seconds": DAY,
    "healthy_seconds": DAY // 2,
    "memory_kib_seconds": 3600 * GB_IN_KIB,
    "memory_peak_bytes": 10**9,
    "cpu_microseconds": 7200 * 10**6,
    "responses_bytes": 12345,
    "requests": 7,
}
STORED = {"storage_kib_seconds": 5 * 3600 * GB_IN_KIB, "storage_peak_bytes": 5 * 10**9}
SERVER = {
    "problem": "",
    "course": {},
    "days": {"2026-11-01": {"": HANS, "hans": HANS}, "2026-11-02": {"": HANS, "hans": HANS}},
}
NAS = {"problem": "", "course": {}, "days": {"2026-11-01": {"": STORED, "hans": STORED}}}
NOVEMBER = report.month("2026-11")


@pytest.fixture
def silo(monkeypatch, path):
    """The command line, whose runs of Ansible find what is in `ledgers`."""
    ledgers, asked = {"silo1": SERVER, "nas1": NAS}, []

    def events(playbook, _inventory, arguments=(), lock=None):
        tags, given = arguments[1], json.loads(arguments[3])
        asked.append((f"{playbook} {tags}", given))
        yield event(TaskId.LEDGER, ledgers)

    monkeypatch.setattr(runner, "events", events)

    def run(*arguments):
        return CliRunner().invoke(cli.main, ["-i", str(path), *arguments], env={"COLUMNS": "200"})

    run.ledgers, run.asked = ledgers, asked
    return run


def test_days_of_all_hosts_are_added_up():
    found = report.report(NOVEMBER, {"silo1": SERVER, "nas1": NAS})
    (hans,) = found.tenants
    assert found.problems == ()
    assert (hans.storage_gb_hours, hans.storage_peak_bytes) == (5.0, 5 * 10**9)
    assert (hans.memory_gb_hours, hans.memory_peak_bytes) == (2.0, 10**9)
    assert (hans.cpu_hours, hans.requests, hans.sent_bytes) == (4.0, 14, 24690)
    assert (hans.running_days, hans.uptime) == (2.0, 0.5)
    assert (found.whole.sent_bytes, found.whole.storage_gb_hours) == (24690, 5.0)


def test_a_ledger_from_which_something_is_missing_is_told():
    broken = {"problem": "", "days": {"2026-11-01": {"": HANS, "hans": {**HANS, "requests": 6}}}}
    (problem,) = report.report(NOVEMBER, {"silo1": broken}).problems
    assert problem == "silo1: requests of all tenants is 7 in the ledger, and their sum 6"


def test_where_nobody_counts_it_is_told():
    found = report.report(NOVEMBER, {})
    assert found.tenants == ()
    assert found.problems == ("no host has a ledger; the role accounting creates it",)


def test_a_host_without_a_ledger_is_named():
    missing = {"problem": "the ledger cannot be read: it is not there", "days": {}}
    found = report.report(NOVEMBER, {"silo1": SERVER, "silo2": missing})
    assert found.problems == ("silo2: the ledger cannot be read: it is not there",)
    assert [line.name for line in found.tenants] == ["hans"]


def test_the_course_of_the_last_hours():
    step = {"running_seconds": 3600, "cpu_microseconds": 1_500_000}
    ledgers = {"silo1": {"course": {"": {"0": step}, "hans": {"0": step, "2": {"running_seconds": 60}, "9": step}}}}
    assert report.course({TaskId.LEDGER: ledgers}, 3) == {"hans": [1.5, None, 0.0]}
    assert report.course({}, 3) == {}


def test_time_that_nobody_saw_is_no_outage():
    used = {"running_seconds": 100, "healthy_seconds": 60, "unseen_seconds": 40}
    assert report.line("hans", Amounts(**used)).uptime == 1.0


def test_who_never_should_run_has_no_uptime():
    assert report.line("hans", Amounts(stopped_seconds=DAY)).uptime is None


@pytest.mark.parametrize(("text", "last"), [("2026-11", 30), ("2028-02", 29), ("2026-12", 31)])
def test_a_month_ends_on_its_last_day(text, last):
    assert report.month(text).last.day == last


@pytest.mark.parametrize("text", ["2026-13", "2026-00", "26-11", "november", "2026-1", "2026-11-01", "", "0000-01"])
def test_a_wrong_month_is_named(text):
    with pytest.raises(InventoryError, match=f"month is '{text}'; it must be a year and a month such as 2026-11"):
        report.month(text)


def test_since_a_day_or_some_days_ago():
    today = datetime.date(2026, 11, 23)
    assert report.since("2026-11-20", today) == report.Period(datetime.date(2026, 11, 20), today)
    assert report.since("7d", today) == report.Period(datetime.date(2026, 11, 16), today)


@pytest.mark.parametrize("text", ["2026-11-24", "999999d", "yesterday", "-1d", "7", ""])
def test_a_wrong_since_is_named(text):
    with pytest.raises(InventoryError, match=f"since is '{text}'; it must be a day such as 2026-11-23"):
        report.since(text, datetime.date(2026, 11, 23))


def test_the_table_has_a_line_for_each_and_for_all(silo):
    result = silo("report", "--month", "2026-11")
    assert result.exit_code == 0, result.output
    hans, whole = (next(line for line in result.output.splitlines() if name in line) for name in ("hans", "all 1"))
    for words in ("5.0 GBh", "2.0 GBh", "4.00 h", "14", "2.0 d"):
        assert words in hans
        assert words in whole
    ((playbook, given),) = silo.asked
    assert (playbook, given["ledger_first_day"], given["ledger_last_day"]) == (
        "read.yml ledger",
        "2026-11-01",
        "2026-11-30",
    )


def test_json_has_the_whole_numbers_too(silo):
    found = json.loads(silo("report", "--month", "2026-11", "--json").output)
    assert found["amounts"]["hans"]["responses_bytes"] == found["whole"]["sent_bytes"] == 24690
    assert (found["first"], found["last"], found["problems"]) == ("2026-11-01", "2026-11-30", [])


def test_csv_has_a_line_each_below_the_names(silo):
    (row,) = csv.DictReader(io.StringIO(silo("report", "--month", "2026-11", "--csv").output))
    assert (row["name"], row["first"], row["sent_bytes"], row["uptime"]) == ("hans", "2026-11-01", "24690", "0.5")


def test_this_month_is_meant_where_none_is_named(silo):
    assert silo("report").exit_code == 0
    assert silo.asked[0][1]["ledger_first_day"] == datetime.date.today().strftime("%Y-%m-01")


def test_a_wrong_month_ends_with_2_and_asks_nobody(silo):
    result = silo("report", "--month", "2026-13")
    assert (result.exit_code, silo.asked) == (2, [])
    assert "month is '2026-13'; it must be a year and a month such as 2026-11" in result.output


def test_a_report_that_is_not_whole_ends_with_1_and_is_shown(silo):
    silo.ledgers.clear()
    result = silo("report", "--month", "2026-11")
    assert result.exit_code == 1
    assert "no host has a ledger" in result.output
    assert "all 0" in result.output

"""What is wrong is told once when it begins and once when it is over, to whom it concerns, and nothing is lost."""

import datetime
import json
import sqlite3

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from silo import cli
from silo.ansible import runner
from silo.ansible.contract import TaskId
from silo.notifications.letter import render_for_operator
from silo.reports import alerts
from silo.reports.alerts import Alert
from silo.tenants import TenantService

NOW = datetime.datetime(2026, 11, 23, 12, tzinfo=datetime.UTC)
SINCE = "2026-11-23T11:00:00Z"


def firing(name, since=SINCE, severity="warning", state="firing", value="8.5e-01", **labels):
    """An alert as Prometheus' API tells it."""
    return {
        "labels": {"alertname": name, "severity": severity, **labels},
        "annotations": {"summary": f"{name} of {labels.get('tenant', 'all')}.", "description": "Look there."},
        "state": state,
        "activeAt": since,
        "value": value,
    }


class Hosts:
    """What a run of read.yml finds with the tag alerts."""

    def __init__(self):
        self.alerts, self.silent, self.disabled = {"silo1": []}, set(), set()

    @property
    def results(self):
        answers = {
            host: {"json": {"data": {"alerts": found}}}
            for host, found in self.alerts.items()
            if host not in self.silent | self.disabled
        }
        names = {host: {"msg": host not in self.disabled} for host in self.alerts}
        return {TaskId.MONITORED: names, TaskId.ALERTS: answers}


def look(hosts, before=()):
    return alerts.crossings(list(before), alerts.wrong(hosts.results, before, NOW))


@pytest.fixture
def hosts():
    return Hosts()


def names(some):
    return [one.name for one in some]


def test_what_begins_is_new_once_and_then_it_is_over_once(hosts):
    hosts.alerts["silo1"] = [firing("TraefikDown")]
    first = look(hosts)
    assert (names(first.now), names(first.begun), first.ended) == (["TraefikDown"], ["TraefikDown"], ())
    second = look(hosts, first.now)
    assert (names(second.now), second.begun, second.ended) == (["TraefikDown"], (), ())
    hosts.alerts["silo1"] = []
    third = look(hosts, second.now)
    assert (third.now, third.begun, names(third.ended)) == ((), (), ["TraefikDown"])


def test_what_is_pending_is_nothing_yet(hosts):
    hosts.alerts["silo1"] = [firing("TraefikDown", state="pending")]
    assert look(hosts).now == ()


def test_the_worst_comes_first(hosts):
    hosts.alerts["silo1"] = [
        firing("A", severity="info"),
        firing("B", severity="critical"),
        firing("C", severity="odd"),
    ]
    assert [(one.name, one.severity) for one in look(hosts).now] == [
        ("B", "critical"),
        ("C", "warning"),
        ("A", "info"),
    ]


def test_a_host_that_is_silent_is_told_once_and_what_was_wrong_there_is_not_over(hosts):
    hosts.alerts = {"silo1": [firing("TraefikDown")], "nas1": []}
    first = look(hosts)
    hosts.silent = {"silo1"}
    second = look(hosts, first.now)
    assert (names(second.begun), second.ended) == ([alerts.SILENT], ())
    third = look(hosts, second.now)
    assert (third.begun, third.ended) == ((), ())
    hosts.silent = set()
    fourth = look(hosts, third.now)
    assert (fourth.begun, names(fourth.ended), names(fourth.now)) == ((), [alerts.SILENT], ["TraefikDown"])


def test_a_host_that_is_not_to_be_watched_is_not_silent(hosts):
    hosts.disabled = {"silo1"}
    assert look(hosts).now == ()


@pytest.mark.parametrize("answer", [None, [], {}, {"json": None}, {"json": {"data": {"alerts": [{}]}}}])
def test_an_answer_that_is_none_is_silence(answer):
    found = {TaskId.MONITORED: {"silo1": {"msg": True}}, TaskId.ALERTS: {"silo1": answer}}
    assert names(alerts.wrong(found, (), NOW)) == [alerts.SILENT]


@settings(max_examples=60)
@given(st.lists(st.sets(st.sampled_from(["a", "b", "c"])), max_size=12))
def test_no_more_letters_than_changes(steps):
    hosts, before, letters, changes, last = Hosts(), (), 0, 0, set()
    for step in steps:
        hosts.alerts["silo1"] = [firing(name) for name in sorted(step)]
        found = look(hosts, before)
        letters += bool(found.begun or found.ended)
        changes += step != last
        before, last = found.now, step
    assert letters == changes


def test_one_letter_tells_all(hosts):
    hosts.alerts["silo1"] = [firing("TraefikDown"), firing("TenantNotHealthy", tenant="hans", severity="critical")]
    rendered = render_for_operator(*alerts.letter(look(hosts)))
    assert rendered.subject == "TenantNotHealthy of hans. And 1 more."
    for words in ("critical, silo1: TenantNotHealthy of hans.", "warning, silo1: TraefikDown of all.", "Look there."):
        assert words in rendered.text
        assert words in rendered.html


def test_what_prometheus_says_breaks_no_line_and_no_page(hosts):
    hosts.alerts["silo1"] = [firing("A\r\nBcc: x@example.ch", tenant="<script>")]
    rendered = render_for_operator(*alerts.letter(look(hosts)))
    assert "\n" not in rendered.subject
    assert "\r" not in rendered.text
    assert "<script>" not in rendered.html


@pytest.fixture
def silo(monkeypatch, path, hosts):
    """The command line on an inventory with anna, whose quota is 100G and who reads German."""

    def events(_playbooks, _inventory, arguments=(), lock=None):
        for task, found in hosts.results.items():
            yield {"_event": "v2_runner_on_ok", "task": {"name": f"silo:{task} | Sentence"}, "hosts": found}

    monkeypatch.setattr(runner, "events", events)

    def run(*arguments):
        return CliRunner().invoke(cli.main, ["-i", str(path), *arguments], env={"COLUMNS": "200"})

    return run


def letters(path):
    with sqlite3.connect(path / ".silo" / "outbox.db") as database:
        rows = database.execute("SELECT event_id, recipient, body FROM letter ORDER BY event_id").fetchall()
    return [(event, recipient, body.decode() if body else "") for event, recipient, body in rows]


def test_the_operator_and_the_customer_get_one_letter_each(silo, hosts, path):
    hosts.alerts["silo1"] = [firing("TenantStorageFilling", tenant="anna"), firing("TraefikDown")]
    for _ in range(3):
        assert silo("alerts").exit_code == 0
    (operator, to_operator, said), (quota, to_anna, told) = letters(path)
    assert operator.startswith("alerts/operator/")
    assert (quota, to_anna) == (f"quota/anna/TenantStorageFilling@{SINCE}", "anna@example.ch")
    assert to_operator == "ops@swissphoto.ch"
    assert "TraefikDown of all." in said
    assert "Subject: Ihr Speicher ist fast voll" in told


def test_of_several_lines_that_are_crossed_at_once_the_highest_is_told(silo, hosts, path):
    hosts.alerts["silo1"] = [firing(name, tenant="anna", value="9.99e-01") for name in alerts.OF_QUOTA]
    silo("alerts")
    assert [event.split("/")[2] for event, _to, _body in letters(path) if event.startswith("quota/")] == [
        f"TenantStorageFull@{SINCE}"
    ]


def test_a_line_that_is_crossed_later_is_told_too(silo, hosts, path):
    hosts.alerts["silo1"] = [firing("TenantStorageFilling", tenant="anna")]
    silo("alerts")
    hosts.alerts["silo1"].append(firing("TenantStorageNearlyFull", tenant="anna", value="9.1e-01"))
    silo("alerts")
    assert len([event for event, _to, _body in letters(path) if event.startswith("quota/anna/")]) == 2


def test_whom_no_inventory_knows_gets_no_letter(silo, hosts, path):
    hosts.alerts["silo1"] = [firing("TenantStorageFull", tenant="stranger")]
    assert silo("alerts").exit_code == 0
    assert [to for _event, to, _body in letters(path)] == ["ops@swissphoto.ch"]


@pytest.mark.parametrize("value", ["+Inf", "-Inf", "NaN", "", "-1", "much"])
def test_a_number_that_is_none_costs_the_customers_letter_alone(silo, hosts, path, value):
    hosts.alerts["silo1"] = [firing("TenantStorageFull", tenant="anna", value=value)]
    assert silo("alerts").exit_code == 0
    assert [to for _event, to, _body in letters(path)] == ["ops@swissphoto.ch"]


def test_a_number_beyond_all_is_all_of_it(hosts, path):
    hosts.alerts["silo1"] = [firing("TenantStorageFull", tenant="anna", value="1e308")]
    ((_event, _tenant, letter),) = alerts.quota_letters(look(hosts), TenantService(path).tenants())
    assert letter.used == letter.limit == TenantService(path).tenant("anna").quota


def test_a_run_that_is_cut_off_before_it_remembers_doubles_nothing(silo, hosts, path, monkeypatch):
    hosts.alerts["silo1"] = [firing("TenantStorageFilling", tenant="anna")]
    with monkeypatch.context() as patch:
        patch.setattr(alerts.state, "write", lambda *_arguments: 1 / 0)
        assert isinstance(silo("alerts").exception, ZeroDivisionError)
    # The number moves on meanwhile, and the letters are those that are kept.
    hosts.alerts["silo1"] = [firing("TenantStorageFilling", tenant="anna", value="8.7e-01")]
    assert silo("alerts").exit_code == 0
    assert len(letters(path)) == 2


def test_nothing_is_told_or_remembered_in_a_dry_run(silo, hosts, path):
    hosts.alerts["silo1"] = [firing("TraefikDown")]
    for _ in range(2):
        assert "warning, silo1, new: TraefikDown" in silo("alerts", "--dry-run").output
    assert not (path / ".silo" / "alerts.json").exists()
    silo("alerts")
    assert len(letters(path)) == 1


def test_for_people_and_for_machines(silo, hosts):
    assert silo("alerts").output == "There are no alerts.\n"
    hosts.alerts["silo1"] = [firing("TraefikDown")]
    found = json.loads(silo("alerts", "--json").output)
    assert [one["name"] for one in found["begun"]] == ["TraefikDown"]
    hosts.alerts["silo1"] = []
    assert "over, silo1: TraefikDown of all." in silo("alerts").output


def test_a_memory_that_is_broken_is_begun_anew(tmp_path):
    for text in ("", "{", "[1]", '[{"host": "silo1"}]'):
        (tmp_path / "alerts.json").write_text(text)
        assert alerts.remembered(tmp_path / "alerts.json") == []


def test_an_alert_is_remembered_as_it_was(silo, hosts, path):
    hosts.alerts["silo1"] = [firing("TraefikDown", job="traefik")]
    silo("alerts")
    (one,) = alerts.remembered(path / ".silo" / "alerts.json")
    assert one == Alert(
        "silo1", "TraefikDown", SINCE, "warning", "TraefikDown of all.", "Look there.", "", "job=traefik", "8.5e-01"
    )

"""The log of one tenant: all sources in one order; one that is away, or damaged, is a sentence and not the end."""

import datetime
import json
import subprocess

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.common.text import printable
from click.testing import CliRunner

from silo import cli, notifications
from silo.ansible import runner
from silo.ansible.contract import TaskId
from silo.ansible.results import Answers
from silo.billing.inbox import Inbox
from silo.billing.state_store import StateStore
from silo.billing.stripe.events import Event
from silo.reports import timeline
from silo.tenants import TenantService

SENT = 1_795_456_800.0
RECORDS = [{"at": SENT - 60, "what": "container server started", "why": ""}]


@pytest.fixture
def git(path, monkeypatch):
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")

    def run(*arguments):
        who = ("-c", "user.name=Maria Muster", "-c", "user.email=maria@example.ch")
        subprocess.run(["git", *who, *arguments], cwd=path, check=True, capture_output=True)

    run("init", "-q")
    run("add", "-A")
    run("commit", "-q", "-m", "Take over anna\n\nShe was on the old server.")
    return run


@pytest.fixture
def server(monkeypatch):
    """What the server answers; `hosts` are those that do."""
    found = type("Server", (), {"hosts": {"silo1": {"records": RECORDS, "problems": []}}, "asked": [], "missing": {}})()

    def ask(_inventory, tag, arguments=()):
        found.asked.append((str(tag), list(arguments)))
        if isinstance(found.hosts, Exception):
            raise found.hosts
        return Answers({TaskId.RECORDS: found.hosts}, found.missing)

    monkeypatch.setattr(timeline, "ask", ask)
    return found


@pytest.fixture
def inbox(tmp_path):
    kept = Inbox(tmp_path / "inbox.db", lambda: SENT)
    kept.keep([Event(f"evt_{one}", "invoice.paid", 7.0, one, b"{}") for one in ("sub_anna", "sub_other", "sub_old")])
    kept.end("evt_sub_anna", "done", "anna runs: it is paid")
    kept.end("evt_sub_other", "done", "other runs")
    return kept


@pytest.fixture
def subscribed(path):
    file = path / "host_vars" / "anna" / "tenant.yml"
    file.write_text(file.read_text() + "tenant_subscription: sub_anna\n")


@pytest.fixture
def log(path, tmp_path):
    def run(*arguments):
        environment = {"COLUMNS": "100", "SILO_BILLING_INBOX": str(tmp_path / "inbox.db")}
        return CliRunner().invoke(cli.main, ["-i", str(path), "log", *arguments], env=environment)

    return run


def found(result):
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_all_sources_are_one_timeline(path, git, server, inbox, subscribed, log):
    git("commit", "-q", "-am", "Change tenant anna (subscription sub_old to sub_anna)")
    service = TenantService(path)
    anna = notifications.of_state("restored", "anna", "https://anna.swissphoto.ch", "", 1)
    service.outbox.enqueue("restored/anna/2026-11-24T12:00:00+00:00", "anna@example.ch", anna, "de")
    service.outbox.enqueue_for_operator("billing/operator/deleted/anna@2026", "ops@example.ch", "x", "y")
    service.outbox.enqueue_for_operator("billing/needs_attention/sub_anna/2026-11-24/7", "ops@example.ch", "x", "y")
    service.outbox.enqueue_for_operator("billing/operator/deleted/annabel@2026", "ops@example.ch", "x", "y")
    service.outbox.queue_notification("anna", "access")
    now = datetime.datetime.fromtimestamp(SENT, datetime.UTC)
    StateStore(service.state.folder).wait("sub_anna", "anna", "start", "small", now, "")
    alert = {"host": "silo1", "name": "TenantDown", "since": "2026-11-24T12:00:00Z", "severity": "critical"}
    service.state.alerts.write_text(json.dumps([{**alert, "summary": "anna does not answer.", "tenant": "anna"}]))
    answer = found(log("anna", "--json"))
    assert answer["problems"] == []
    entries = answer["entries"]
    assert [one["at"] for one in entries if one["at"]] == sorted(one["at"] for one in entries if one["at"])
    said = {(one["source"], one["who"], one["what"], one["why"]) for one in entries}
    assert {
        ("edit", "Maria Muster", "Take over anna", "She was on the old server."),
        ("edit", "Maria Muster", "Change tenant anna (subscription sub_old to sub_anna)", ""),
        ("stripe", "Stripe", "invoice.paid", "anna runs: it is paid"),
        ("stripe", "Stripe", "invoice.paid", "new"),
        ("letter", "silo", "waiting: the letter 'restored' to the customer", ""),
        ("letter", "silo", "waiting: the letter 'deleted' to the operator", ""),
        ("letter", "silo", "waiting: the letter 'needs_attention' to the operator", ""),
        ("letter", "silo", "waiting: the letter 'access' to the customer, which is not written yet", ""),
        ("order", "billing", "waiting: room to start, for plan small", ""),
        ("alert", "silo1", "still true: anna does not answer.", ""),
        ("server", "silo1", "container server started", ""),
    } == said
    assert server.asked == [("log", ["-e", "log_tenant=anna", "--limit", "silo1"])]
    # Neither an address nor the content of a letter.
    assert "anna@example.ch" not in json.dumps(answer)


def test_a_table_cuts_no_id_and_is_in_the_customers_time(git, server, inbox, subscribed, log):
    long = "evt_" + "x" * 150
    inbox.keep([Event(long, "invoice.paid", 7.0, "sub_anna", b"{}")])
    result = log("anna")
    assert result.exit_code == 0, result.output
    shown = "".join(result.stdout.split())
    assert long in shown
    assert "2026-11-2319:00:00" in shown


def test_it_is_bounded_and_the_newest_is_last(git, server, inbox, subscribed, log):
    result = log("anna", "-n", "1")
    assert "older entries are left out; -n shows more." in result.stderr
    answer = found(log("anna", "-n", "1", "--json"))
    assert len(answer["entries"]) == 1 and answer["left_out"] > 0
    day = datetime.datetime.now(datetime.UTC).date()
    recent = found(log("anna", "--since", "1d", "--json"))["entries"]
    assert all(one["at"] >= str(day - datetime.timedelta(days=2)) for one in recent)


def test_each_source_that_is_away_is_a_sentence_and_the_others_are_shown(path, server, subscribed, log):
    server.hosts = runner.RunError("the cable is out")
    service = TenantService(path)
    (service.state.folder / "billing.json").write_text("{")
    service.outbox.queue_notification("anna", "access")
    result = log("anna", "--json")
    answer = found(result)
    sentences = "\n".join(answer["problems"])
    assert "the history of the inventory cannot be read: it is in no git work tree" in sentences
    assert "the inbox of billing cannot be read: there is no inbox at" in sentences
    assert "the state of billing cannot be read: " in sentences
    assert "the records of the server cannot be read: the cable is out" in sentences
    assert len(answer["problems"]) == 4
    assert [one["source"] for one in answer["entries"]] == ["letter"]
    assert log("anna").stderr.count("Incomplete: ") == 4


def test_a_server_that_does_not_answer_and_a_part_that_it_cannot_read_are_named(git, server, log):
    server.hosts = {"silo1": {"records": RECORDS, "problems": ["the journal cannot be read"]}}
    assert found(log("anna", "--json"))["problems"] == ["silo1: the journal cannot be read"]
    server.hosts, server.missing = {}, {"silo1": "silo1 cannot be reached"}
    assert found(log("anna", "--json"))["problems"] == ["silo1 cannot be reached"]
    server.missing = {}
    (problem,) = found(log("anna", "--json"))["problems"]
    assert problem == "the records of the server cannot be read: silo1 does not answer; 'silo check' says why"


def test_a_tenant_whose_file_is_broken_has_a_log(path, git, server, log):
    (path / "host_vars" / "anna" / "tenant.yml").write_text("tenant_email: [otto\n")
    answer = found(log("anna", "--json"))
    assert "its settings cannot be read" in answer["problems"][0]
    assert "Take over anna" in [one["what"] for one in answer["entries"]]


def test_who_is_deleted_has_a_log_without_git_as_well(path, server, log, monkeypatch):
    service = TenantService(path, apply=False)
    service.remove("anna", by="Maria")
    service.trash.record(service.files.last_deleted("anna"), service.outbox, files=12, used=9000)
    entries = found(log("anna", "--json"))["entries"]
    said = [(one["who"], one["what"]) for one in entries if one["source"] == "deletion"]
    assert said == [("Maria", "it was deleted"), ("silo", "its data went to the trash")]


@pytest.mark.parametrize(
    ("name", "words"), [("anni", "Did you mean 'anna'?"), ("../anna", "this name cannot be used; it must have")]
)
def test_a_name_that_nobody_had_is_refused(server, log, name, words):
    result = log(name)
    assert result.exit_code == 2
    assert words in result.stderr


def test_what_others_wrote_acts_on_no_terminal(path, git, server, inbox, subscribed, log):
    server.hosts = {
        "silo1": {"records": [{"at": 7.0, "what": "\x1b[2J[bold]x", "why": "\u202e"}], "problems": ["\x1b"]}
    }
    git("commit", "-q", "--allow-empty-message", "-am", "evil \x1b]0;x\x07 \u202e")
    result = log("anna")
    assert result.exit_code == 0, result.output
    assert all(line == printable(line, 5000) for line in result.output.split("\n"))
    assert "\\x1b[2J[bold]x" in result.stdout

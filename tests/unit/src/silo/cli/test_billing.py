"""The commands around the inbox, and both services as the units start them, against a stand-in of Stripe."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests
import yaml
from click.testing import CliRunner

from silo import cli
from silo.billing.inbox import Inbox
from silo.billing.stripe import credentials
from silo.billing.stripe.events import PATH, Event
from silo.tenants import TenantService
from tests.stripe_api import Account, Server, signed
from tests.stripe_api.events import SECRET
from tests.stripe_api.server import KEY
from tests.unit.patience import PATIENCE


@pytest.fixture
def inbox(tmp_path):
    inbox = Inbox(tmp_path / "inbox.db", lambda: 1_795_456_800.0)
    inbox.keep([Event(f"evt_{number}", "invoice.paid", 7.0, "sub_1", b"{}") for number in range(3)])
    inbox.end("evt_0", "done", "hans runs")
    inbox.end("evt_1", "needs_attention", "price_9 is no plan of ours")
    return inbox


@pytest.fixture
def silo(path, tmp_path):
    def run(*arguments, **environment):
        environment = {"COLUMNS": "200", "SILO_BILLING_INBOX": str(tmp_path / "inbox.db"), **environment}
        return CliRunner().invoke(cli.main, ["-i", str(path), *arguments], env=environment)

    return run


@pytest.fixture
def keys(tmp_path, monkeypatch):
    monkeypatch.delenv(credentials.DIRECTORY, raising=False)
    given = {credentials.KEY_FILE: KEY, credentials.SECRETS_FILE: SECRET}
    for variable, text in given.items():
        file = tmp_path / variable.lower()
        file.touch(0o600)
        file.write_text(text)
        given[variable] = str(file)
    return given


def test_what_waits_and_what_needs_somebody_is_listed(silo, inbox):
    result = silo("billing", "events")
    assert result.exit_code == 0, result.output
    assert "evt_0" not in result.output
    assert "needs_attention" in result.output
    assert "price_9 is no plan of ours" in result.output


def test_each_state_by_its_name_for_machines(silo, inbox):
    found = json.loads(silo("billing", "events", "--state", "done", "--json").output)
    assert found == [
        {
            "id": "evt_0",
            "type": "invoice.paid",
            "subscription": "sub_1",
            "received": "2026-11-23T18:00:00+00:00",
            "state": "done",
            "attempts": 0,
            "message": "hans runs",
        }
    ]


def test_what_needs_attention_is_tried_again(silo, inbox):
    result = silo("billing", "retry", "evt_1")
    assert (result.exit_code, result.output) == (0, "Silo retries evt_1.\n")
    assert [row.id for row in inbox.due(9)] == ["evt_1"]


@pytest.mark.parametrize("event", ["evt_0", "evt_2", "evt_9"])
def test_only_what_needs_attention_or_failed_can_be_tried_again(silo, inbox, event):
    result = silo("billing", "retry", event)
    assert result.exit_code == 2
    assert f"event '{event}': it neither needs attention nor failed" in result.output


@pytest.mark.parametrize("arguments", [("events",), ("retry", "evt_1")])
def test_no_inbox_is_a_sentence(silo, arguments):
    result = silo("billing", *arguments)
    assert result.exit_code == 1
    assert "there is no inbox at" in result.output
    assert "Traceback" not in result.output


def test_all_that_is_not_set_up_is_listed_with_what_to_do(silo, path, keys):
    (path / "group_vars" / "all" / "billing.yml").write_text(
        yaml.safe_dump({"billing_plans": {"price_small": "small"}, "billing_host": "localhost:1"})
    )
    with Server(Account()) as stripe:
        stripe.account.sell("price_small", "Small")
        result = silo("billing", "check", SILO_STRIPE_API=stripe.url, **keys)
        found = json.loads(silo("billing", "check", "--json", SILO_STRIPE_API=stripe.url, **keys).stdout)["findings"]
    assert result.exit_code == 1
    states = {(one["id"], one["state"]) for one in found}
    assert {("keys", "ok"), ("prices", "ok"), ("portal", "wrong"), ("endpoint", "wrong"), ("intake", "wrong")} <= states
    assert "wrong    endpoint, https://localhost:1/stripe/webhook: Stripe has no endpoint" in result.output
    assert KEY not in result.output
    assert SECRET not in result.output


def test_stripe_that_is_away_hides_nothing_of_what_else_is_wrong(silo, path, tmp_path, keys):
    wrong = {"billing_host": "localhost:1", "billing_checkout_enabled": True, "billing_checkout_payment_pages": "x"}
    (path / "group_vars" / "all" / "billing.yml").write_text(yaml.safe_dump(wrong))
    with Server(Account()) as stripe:
        stripe.away = True
        result = silo("billing", "check", "--json", SILO_STRIPE_API=stripe.url, **keys)
    found = [(one["id"], one["state"]) for one in json.loads(result.stdout)["findings"]]
    assert result.exit_code == 1
    parts = ["key", "prices", "portal", "endpoint", "intake", "checkout"]
    assert {(part, "wrong") for part in parts} <= set(found)
    assert "billing_checkout_payment_pages is 'x'" in result.stdout


def test_without_keys_stripe_is_not_asked(silo, keys):
    result = silo("billing", "check", **dict.fromkeys(keys, "/nowhere"))
    assert result.exit_code == 1
    assert "/nowhere cannot be read" in result.output
    assert "endpoint" not in result.output


def test_an_event_comes_in_and_what_it_asks_for_is_told(path, tmp_path, keys):
    """Stripe does not know its subscription, so that nothing is guessed and the operator gets a letter."""
    (path / "group_vars" / "all" / "operator.yml").write_text(yaml.safe_dump({"letters_operator": "ops@example.ch"}))
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    common = [str(Path(sys.executable).with_name("silo")), "-i", str(path), "serve"]
    box = ["--inbox", str(tmp_path / "inbox.db")]
    inbox = Inbox(tmp_path / "inbox.db")
    about = {"id": "sub_of_nobody", "status": "active"}
    event = {"id": "evt_1", "type": "customer.subscription.updated", "created": 1, "data": {"object": about}}
    with Server(Account()) as stripe, (tmp_path / "said").open("wb") as said:
        running = [
            subprocess.Popen(
                [*common, *one, *box], env={**os.environ, **keys, "SILO_STRIPE_API": stripe.url}, stderr=said
            )
            for one in (["intake", "--port", str(port)], ["worker"])
        ]
        try:
            deadline = time.monotonic() + PATIENCE
            while inbox.tally().counts["needs_attention"] == 0 and time.monotonic() < deadline:
                body, headers = signed(event)
                try:
                    answer = requests.post(
                        f"http://127.0.0.1:{port}{PATH}", data=body, headers=headers, timeout=PATIENCE
                    )
                    assert answer.status_code == 200
                except requests.ConnectionError:
                    assert all(one.poll() is None for one in running), (tmp_path / "said").read_text()
                time.sleep(0.2)
        finally:
            for one in running:
                one.terminate()
                one.wait(PATIENCE)
    (row,) = inbox.rows()
    assert (row.state, "Stripe does not know subscription sub_of_nobody" in row.message) == ("needs_attention", True)
    (letter,) = TenantService(path).outbox.states()
    assert letter.startswith("billing/needs_attention/sub_of_nobody/")
    text = (tmp_path / "said").read_text()
    assert "evt_1 (customer.subscription.updated): needs attention" in text
    assert KEY not in text
    assert SECRET not in text

"""A customer who pays 10 francs a month for a small photo cloud, and whose payment fails on the first of December."""

import dataclasses
import datetime
import functools
import json
import shutil
import socket
from pathlib import Path

import pytest

from silo.ansible import runner
from silo.billing.model import BillingTenant, Case, Claim, Invoice, Subscription
from silo.billing.policy import BillingPolicy
from silo.billing.stripe.client import Client
from silo.inventory import document, editor, fleet_builder
from tests.stripe_api import Account, Direct, Server
from tests.stripe_api.server import KEY

from .world import PLANS, Machines, Post, Reader, World, write

ROOT = Path(__file__).parents[5]

FAILED = datetime.datetime(2026, 12, 1, 9, tzinfo=datetime.UTC)


class Customer:
    """What is known of one; `at` is days after the first payment that failed."""

    def __init__(self):
        begun = FAILED - datetime.timedelta(days=31)
        self.subscription = Subscription("sub_hans", "cus_hans", "active", ("price_small",), begun, "hans", "de")
        self.invoices = [Invoice("in_1", "paid", True, begun, begun)]
        self.tenant, self.holder, self.claims = BillingTenant("hans", "running", "small"), None, []
        self.policy = BillingPolicy({"price_small": "small", "price_large": "large"})

    @property
    def case(self):
        return Case(self.subscription, tuple(self.invoices), self.tenant, tuple(self.claims), self.holder)

    def says(self, **changes):
        self.subscription = dataclasses.replace(self.subscription, **changes)

    def holds(self, **changes):
        self.tenant = dataclasses.replace(self.tenant, **changes)

    def rules(self, **changes):
        self.policy = dataclasses.replace(self.policy, **changes)

    def fails(self, at=0, link="https://invoice.example/1", status="past_due"):
        self.says(status=status)
        when = FAILED + datetime.timedelta(days=at)
        self.invoices.append(Invoice(f"in_{len(self.invoices) + 1}", "open", True, when, when, link=link))

    def others(self, *invoices, **changes):
        """Somebody orders the same name anew: a subscription of another customer, which is paid."""
        other = {"id": "sub_9", "customer": "cus_9", "status": "active", **changes}
        self.claims.append(
            Claim(dataclasses.replace(self.subscription, **{"ended": None, "ends": None, **other}), invoices)
        )


@pytest.fixture
def hans():
    return Customer()


@pytest.fixture(scope="session")
def relay():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    post = Post(port)
    yield post
    post.controller.stop()


@pytest.fixture(scope="session")
def stripe():
    with Server(Account()) as server:
        yield server


def remembering(derive):
    known = {}

    def remembered(name, values):
        key = name, json.dumps(values, sort_keys=True)
        return known.get(key) or known.setdefault(key, derive(name, values))

    return remembered


@pytest.fixture
def companies_of(tmp_path_factory, monkeypatch, relay, stripe):
    """Make companies: each an inventory with the plans and nobody in it, and an account that sells them."""
    monkeypatch.setattr(editor, "Reader", Reader)
    # The same text reads the same, and makes the same tenant; a year has many days on which nothing is edited.
    monkeypatch.setattr(document, "read", functools.cache(document.read))
    monkeypatch.setattr(fleet_builder, "derive", remembering(fleet_builder.derive))

    def make():
        path = tmp_path_factory.mktemp("company") / "inv"
        shutil.copytree(ROOT / "tests" / "inventory", path)
        shutil.rmtree(path / "host_vars" / "anna")
        relay.letters.clear()
        relay.refuses = False
        sender = {"letters_relay_security": "none", "letters_sender": "photos@swissphoto.ch"}
        port = relay.controller.port
        write(path, letters_relay_host="127.0.0.1", letters_relay_port=port, billing_plans=PLANS, **sender)
        machines = Machines(path)
        monkeypatch.setattr(runner, "events", machines.events)
        stripe.account, stripe.away, stripe.before = Account(), False, lambda _path: None
        for price, plan in PLANS.items():
            stripe.account.sell(price, plan.title())
        return World(path, stripe.account, Client(KEY, http=Direct(stripe)), relay, machines)

    return make


@pytest.fixture
def company(companies_of):
    return companies_of()

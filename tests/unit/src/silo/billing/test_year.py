"""A year of thirty customers who pay, forget, come back, leave and change their minds; each day is looked at."""

import collections
import contextlib
import datetime
import random
import re
import sqlite3
import subprocess

import pytest

from silo.billing.tenant_lookup import NOTICE
from silo.tenants import TenantService

from .world import remember

CUSTOMERS, DAYS = 30, 365
NAMES = [f"kunde{number}" for number in range(CUSTOMERS)]
LANGUAGES = ("de", "fr", "it", "en")


class Life:
    """What one customer does, by chance; what should become of them is worked out here from their own doings alone.

    `other` is what they ordered anew by another checkout, with another customer at Stripe; `paid` is the last day on
    which it alone was paid, `seen` what there was of that.
    """

    def __init__(self, company, name, chance, seen):
        self.company, self.name, self.chance, self.seen = company, name, chance, seen
        self.subscription, self.other, self.plan, self.photos = "", "", "price_small", ""
        self.since = self.paid = self.state = None
        self.announced = set()

    @property
    def status(self):
        return self.company.account.subscriptions[self.subscription]["status"]

    @property
    def ends(self):
        """The first day on which it may be deleted."""
        ends = self.since + datetime.timedelta(days=30)
        return max(ends, self.paid + datetime.timedelta(days=15)) if self.paid else ends

    def live(self):
        account, chance = self.company.account, self.chance
        if self.other:
            self.live_with_two()
            return
        if self.state and (self.is_leaving() or self.owes_since(self.subscription)) and chance.random() < 0.03:
            self.other = self.company.order(self.name, self.plan)
            return
        if not self.subscription:
            if chance.random() < 0.05:
                language = chance.choice(LANGUAGES)
                self.subscription = self.company.order(self.name, self.plan, language)
            return
        broken = account.subscriptions[self.subscription]["customer"] in account.broken_cards
        if self.status == "canceled":
            if chance.random() < 0.01:
                account.mend_card(self.subscription)
                customer = account.subscriptions[self.subscription]["customer"]
                metadata = {"tenant": self.name, "language": "de"}
                if not self.purged():
                    self.subscription = account.subscribe(customer, self.plan, metadata)
        elif broken and chance.random() < 0.03:
            account.mend_card(self.subscription)
            if chance.random() < 0.8:
                account.pay(self.subscription)
        elif not broken and chance.random() < 0.008:
            account.break_card(self.subscription)
        elif chance.random() < 0.002:
            account.cancel(self.subscription, at_period_end=chance.random() < 0.5)
        elif chance.random() < 0.004:
            self.plan = chance.choice(["price_small", "price_medium", "price_large"])
            account.change(self.subscription, self.plan)

    def live_with_two(self):
        account, chance = self.company.account, self.chance
        pays = self.owes_since(self.other) is None
        if pays and self.state and chance.random() < 0.08:
            # The operator has read the letter.
            TenantService(self.company.path).change(self.name, subscription=self.other)
            if self.status != "canceled":
                account.cancel(self.subscription)
            self.subscription, self.other, self.paid = self.other, "", None
            self.seen["given to what is paid"] += 1
        elif chance.random() < 0.08:
            account.cancel(self.other)
            self.other = ""
        elif pays and chance.random() < 0.02:
            account.break_card(self.other)
        elif chance.random() < 0.02:
            account.mend_card(self.other)
            account.pay(self.other)
        elif self.status != "canceled" and chance.random() < 0.01:
            account.mend_card(self.subscription)
            account.pay(self.subscription)

    def is_leaving(self):
        known = self.company.account.subscriptions.get(self.subscription, {})
        return known.get("cancel_at_period_end") and known["status"] == "active"

    def purged(self):
        return any(
            deletion.name == self.name and deletion.purged
            for deletion in TenantService(self.company.path).files.deletion_records()
        )

    def owes_since(self, subscription):
        """Return since when something is owed for a subscription, by the account alone."""
        account = self.company.account
        if not subscription:
            return None
        since = [one["created"] for one in account.of(subscription) if one["status"] == "open" and one["attempted"]]
        if account.subscriptions[subscription]["status"] == "canceled":
            since.append(account.subscriptions[subscription]["ended_at"])
        return min(since, default=None)

    def check(self, tenants, announced):
        """Hold what is against what this customer did."""
        if not self.subscription:
            assert self.name not in tenants
            return
        machines, owes = self.company.machines, self.owes_since(self.subscription)
        today = self.company.account.time.date()
        spared = self.other and self.owes_since(self.other) is None
        if owes is None:
            assert tenants[self.name].state == machines.running[self.name] == "running", self.name
            assert tenants[self.name].settings["tenant_plan"] == self.plan.removeprefix("price_")
            self.since = self.paid = None
        elif spared and self.state:
            # Neither suspended nor deleted nor started: it is as it was.
            assert tenants[self.name].state == machines.running[self.name] == self.state, self.name
            assert announced.get(self.name, set()) == self.announced, self.name
            self.paid = today
            self.seen[f"{self.state} and paid by another"] += 1
        elif self.name in tenants:
            assert tenants[self.name].state == machines.running[self.name] == "suspended", self.name
            self.since = datetime.datetime.fromtimestamp(owes, datetime.UTC).date()
            assert today < self.ends, self.name
        else:
            assert self.name not in machines.running
            # Gone on the thirtieth day, or two weeks after another paid for it, and told three times before.
            told = {days for on, days in announced.get(self.name, ()) if on == self.ends}
            assert told == {14, 7, 1}, self.name
            if self.state and self.paid:
                self.seen["deleted after another paid for it"] += 1
        if self.name in machines.data:
            self.photos = self.photos or machines.data[self.name]
            assert machines.data[self.name] == self.photos, self.name
        self.state = tenants[self.name].state if self.name in tenants else None
        self.announced = announced.get(self.name, set())


def announced_in(outbox):
    found = {}
    for event, (state, _error) in outbox.states().items():
        if match := NOTICE.fullmatch(event):
            assert state == "sent"
            found.setdefault(match[1], set()).add((datetime.date.fromisoformat(match[2]), int(match[3])))
    return found


@pytest.fixture
def opened(company):
    """Keep the outbox open, as SQLite writes all back, and waits for the disk, when its last connection is closed."""
    with contextlib.closing(sqlite3.connect(TenantService(company.path).outbox.settings.outbox)) as database:
        yield database.execute("SELECT count(*) FROM letter").fetchall()


@pytest.mark.long("twenty seconds of edits, letters and looks; the histories have as many cases")
def test_a_year_of_thirty_customers(company, opened, monkeypatch):
    chance = random.Random(2026)
    company.set(billing_suspensions_per_day=30, billing_deletions_per_day=30, silo_memory_of_server="1T")
    git = ["git", "-C", str(company.path), "-c", "user.name=o", "-c", "user.email=o@example.ch"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "config", "maintenance.auto", "false"], check=True)
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-qm", "Begin"], check=True)
    remember(monkeypatch)
    # Late in the day, so that a day is over when it is looked at.
    company.account.advance(12 / 24)
    seen = collections.Counter()
    lives = [Life(company, name, chance, seen) for name in NAMES]
    for _day in range(DAYS):
        for life in lives:
            life.live()
        company.account.advance(1)
        events = company.events()
        some = [event for event in events for _again in range(chance.choice([0, 1, 1, 2]))]
        chance.shuffle(some)
        for event in some:
            company.take(event)
        repair = company.reconciliation().sweep()
        # The operator is asked about those whose name two subscriptions want, and about nobody else.
        assert {text.split(" ")[0] for text in repair.left} <= {life.name for life in lives if life.other}
        assert repair.later == ()
        edits = TenantService(company.path)
        tenants, announced = edits.tenants(), announced_in(edits.outbox)
        for life in lives:
            life.check(tenants, announced)
    messages = subprocess.run([*git, "log", "--format=%s"], check=True, capture_output=True, text=True).stdout.split(
        "\n"
    )
    count = {
        word: sum(bool(re.match(pattern, message)) for message in messages)
        for word, pattern in (
            ("created", "Create tenant"),
            ("suspended", "Suspend tenant"),
            ("started", "Start tenant"),
            ("changed", r"Change tenant \w+ \(plan"),
            ("deleted", "Delete tenant"),
            ("restored", "Restore tenant"),
        )
    }
    # The year had all of it, else it proves nothing.
    assert min(count.values()) > 0, count
    assert count["created"] >= 28
    assert set(seen) == {
        "running and paid by another",
        "suspended and paid by another",
        "given to what is paid",
        "deleted after another paid for it",
    }
    identities = [letter["Message-ID"] for letter in company.post.letters]
    assert len(identities) == len(set(identities))
    deleted = [letter for letter in company.post.letters if letter["Subject"] == "Ihre Foto-Cloud wurde gelöscht"]
    assert deleted
    status = subprocess.run([*git, "status", "--porcelain"], check=True, capture_output=True, text=True).stdout
    assert status == ""

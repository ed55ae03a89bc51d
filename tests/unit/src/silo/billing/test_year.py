"""A year of thirty customers who pay, forget, come back, leave and change their minds; each day is looked at."""

import datetime
import functools
import random
import re
import subprocess

from silo.billing.facts import NOTICE
from silo.billing.gateway import _subscription
from silo.edits import Edits
from silo.inventory import Inventory
from silo.inventory.folder import Folder
from silo.inventory.history import History

CUSTOMERS, DAYS = 30, 365
NAMES = [f"kunde{number}" for number in range(CUSTOMERS)]
LANGUAGES = ("de", "fr", "it", "en")


class Life:
    """What one customer does, by chance; what should become of them is worked out here from their own doings alone."""

    def __init__(self, company, name, chance):
        self.company, self.name, self.chance = company, name, chance
        self.subscription, self.plan, self.photos = "", "price_small", ""
        self.since = None

    @property
    def status(self):
        return self.company.account.subscriptions[self.subscription]["status"]

    def live(self):
        account, chance = self.company.account, self.chance
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

    def purged(self):
        return any(
            stone.name == self.name and stone.purged for stone in Edits(self.company.path).inventory.tombstones()
        )

    def owes_since(self):
        """Return since when this customer owes something, by the account alone."""
        account = self.company.account
        since = [
            one["created"] for one in account.of(self.subscription) if one["status"] == "open" and one["attempted"]
        ]
        if self.status == "canceled":
            since.append(account.subscriptions[self.subscription]["ended_at"])
        return min(since, default=None)

    def check(self, tenants, announced):
        """Hold what is against what this customer did."""
        if not self.subscription:
            assert self.name not in tenants
            return
        machines, owes = self.company.machines, self.owes_since()
        today = self.company.account.time.date()
        if owes is None:
            assert tenants[self.name].state == machines.running[self.name] == "running", self.name
            assert tenants[self.name].settings["tenant_plan"] == self.plan.removeprefix("price_")
            self.since = None
        elif self.name in tenants:
            assert tenants[self.name].state == machines.running[self.name] == "suspended", self.name
            self.since = datetime.datetime.fromtimestamp(owes, datetime.UTC).date()
            assert (today - self.since).days < 30, self.name
        else:
            assert self.name not in machines.running
            # Gone on the thirtieth day, and told three times before.
            gone = self.since + datetime.timedelta(days=30)
            assert {days for on, days in announced.get(self.name, ()) if on == gone} == {14, 7, 1}, self.name
        if self.name in machines.data:
            self.photos = self.photos or machines.data[self.name]
            assert machines.data[self.name] == self.photos, self.name


def announced_in(outbox):
    found = {}
    for event, (state, _error) in outbox.states().items():
        if match := NOTICE.fullmatch(event):
            assert state == "sent"
            found.setdefault(match[1], set()).add((datetime.date.fromisoformat(match[2]), int(match[3])))
    return found


def list_plainly(gateway):
    """List subscriptions as they are sent: to make objects of its library of them takes a third of the year."""
    ask = gateway._client.raw_request

    def subscriptions():
        found = ask("get", "/v1/subscriptions", status="all", limit=1000, expand=["data.customer"]).data
        assert not found["has_more"]
        return tuple(_subscription(one) for one in found["data"])

    gateway.subscriptions = subscriptions


def remember(monkeypatch):
    """Read the inventory once after each edit: most looks of a year find nothing new, and edits alone write there."""
    known = {}

    def forgetting(make):
        @functools.wraps(make)
        def forgets(*arguments):
            known.clear()
            return make(*arguments)

        return forgets

    def remembering(name, read):
        return lambda inventory: known.get(name) or known.setdefault(name, read(inventory))

    for name in ("make", "finish", "take_back"):
        monkeypatch.setattr(Folder, name, forgetting(getattr(Folder, name)))
    for name in ("look", "tenants", "tombstones"):
        monkeypatch.setattr(Inventory, name, remembering(name, getattr(Inventory, name)))
    # Who works here, which each look asks git for, stays the same.
    monkeypatch.setattr(History, "of", functools.cache(History.of))


def test_a_year_of_thirty_customers(company, monkeypatch):
    chance = random.Random(2026)
    company.set(billing_suspensions_per_day=30, billing_deletions_per_day=30, silo_memory_of_server="1T")
    git = ["git", "-C", str(company.path), "-c", "user.name=o", "-c", "user.email=o@example.ch"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "config", "maintenance.auto", "false"], check=True)
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-qm", "Begin"], check=True)
    remember(monkeypatch)
    list_plainly(company.gateway)
    # Late in the day, so that a day is over when it is looked at.
    company.account.advance(12 / 24)
    lives = [Life(company, name, chance) for name in NAMES]
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
        assert (repair.left, repair.later) == ((), ())
        edits = Edits(company.path)
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
    identities = [letter["Message-ID"] for letter in company.post.letters]
    assert len(identities) == len(set(identities))
    deleted = [letter for letter in company.post.letters if letter["Subject"] == "Ihre Foto-Cloud wurde gelöscht"]
    assert deleted
    status = subprocess.run([*git, "status", "--porcelain"], check=True, capture_output=True, text=True).stdout
    assert status == ""

"""A whole small company: an inventory, its machines, its relay and its account at Stripe, with one clock.

The inventory, its edits, the outbox and SMTP are real; Stripe's library asks the stand-in without a socket. The
machines are a list of what runs and what is stored; Ansible merges once for each plan, and what it made of a plan holds
for all tenants of it.
"""

from __future__ import annotations

import contextlib
import datetime
import email
import email.policy
import functools
import hashlib
import itertools
import json
from pathlib import Path

import yaml
from aiosmtpd.controller import Controller

from silo import notifications
from silo.ansible import runner
from silo.ansible.contract import TaskId
from silo.billing.compare import Comparison
from silo.billing.errors import NeedsAttention
from silo.billing.reconciler import Reconciler
from silo.billing.stripe.events import parse
from silo.capacity import GIB
from silo.inventory import InventoryEditor, InventoryError, fleet_builder, plans, reader
from silo.inventory.history import History
from silo.inventory.tenant_files import TenantFiles
from silo.inventory.transaction import Folder
from silo.notifications import TRUE_WHEN, WITH_LINK, of_state, with_link
from silo.tenants import TenantService

PLANS = {"price_small": "small", "price_medium": "medium", "price_large": "large"}
OPERATOR = "ops@swissphoto.ch"
WHEN = datetime.datetime(2027, 1, 1, tzinfo=datetime.UTC)
OWN = ("tenant_email", "tenant_index", "tenant_plan", "tenant_server", "tenant_nas", "tenant_file")


class Post:
    """A mail server that keeps what it takes, the oldest first."""

    def __init__(self, port):
        self.letters, self.refuses, self.knows_nobody = [], False, False
        self.controller = Controller(self, hostname="127.0.0.1", port=port)
        self.controller.start()

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802
        if self.refuses:
            return "451 later"
        if self.knows_nobody:
            return "550 no such user"
        self.letters.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        return "250 OK"

    def to(self, address):
        return [letter for letter in self.letters if letter["To"] == address]

    def subjects(self, address):
        return [letter["Subject"] for letter in self.to(address)]


@functools.cache
def read_yaml(text):
    return yaml.safe_load(text) or {}


def read_text(file):
    """As Ansible does, which ends with an error if a file is none of its."""
    try:
        text = file.read_text()
        read_yaml(text)
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise InventoryError(f"host_vars/{file.parent.name}/{file.name}: it cannot be read: {error}") from error
    return text


class Reader:
    """In place of Ansible: the files of a tenant, over what Ansible itself made of its plan."""

    learned = {}  # noqa: RUF012

    def __init__(self, root):
        self.root = root
        key = hashlib.sha256(b"".join(file.read_bytes() for file in sorted((root / "group_vars").rglob("*.yml"))))
        self.base, self.plans = self.learned.get(key.hexdigest()) or self.learned.setdefault(
            key.hexdigest(), self._learn()
        )

    def _learn(self):
        names = plans.names(self.root)
        with reader.Reader(self.root) as real:
            base = real.merge()
            files = fleet_builder.imagined(base, names, 900)
            plain = "tenant_email: nobody@example.ch\ntenant_quota: 1G\ntenant_index: 950\n"
            nas, server = base.groups["nas"][0], base.groups["servers"][0]
            files["imagined950"] = [plain + f"tenant_server: {server}\ntenant_nas: {nas}\n"]
            after = real.merge(files)
        by_plan = zip([*names, ""], files, strict=True)
        return base, {
            plan: {key: value for key, value in after.tenants[name].items() if key not in OWN} for plan, name in by_plan
        }

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        return

    def merge(self, tenants=None):
        texts = {
            file.parent.name: [read_text(file) for file in (file.with_name("overrides.yml"), file) if file.exists()]
            for file in self.root.glob("host_vars/*/tenant.yml")
        } | (tenants or {})
        nas, server = self.base.groups["nas"][0], self.base.groups["servers"][0]
        values = {}
        for name, files in texts.items():
            if files is None:
                continue
            own = {"tenant_server": server, "tenant_nas": nas}
            for text in files:
                own |= read_yaml(text)
            values[name] = self.plans[own.get("tenant_plan", "")] | own
        groups = {**self.base.groups, "tenants": sorted(values)}
        return reader.Merged(groups, values, self.base.hosts, {})


class Machines:
    """What runs and what is stored, as runs of Ansible make it. `fails` is a playbook that the network cuts off."""

    def __init__(self, path):
        self.path, self.fails, self.seen = path, "", []
        self.running, self.data, self.trash, self.used = {}, {}, {}, {}
        self.pool, self.links = 100 * 1024 * GIB, {}
        self._photos = itertools.count(1)
        self._links = itertools.count(1)

    def events(self, playbooks, _inventory, arguments=(), lock=None):
        names = [playbooks] if isinstance(playbooks, str) else list(playbooks)
        given = {arguments[place]: arguments[place + 1] for place in range(0, len(arguments) - 1, 2)}
        facts = yaml.safe_load(Path(given["-e"].removeprefix("@")).read_text()) if "-e" in given else {}
        limit = given["--limit"].split(",") if "--limit" in given else None
        for playbook in names:
            if playbook == self.fails:
                raise runner.RunError("the cable is out")
            self.seen.append((playbook, limit))
            kind = given["--tags"] if playbook == "read.yml" else playbook.removesuffix(".yml").replace("-", "_")
            yield from getattr(self, f"run_{kind}")(limit, facts)

    def _tenants(self, limit):
        found = TenantService(self.path).tenants()
        return [tenant for name, tenant in found.items() if limit is None or name in limit]

    def run_apply(self, limit, _facts):
        for tenant in self._tenants(limit):
            self.running[tenant.name] = tenant.state
            self.data.setdefault(tenant.name, f"photos {next(self._photos)}")
            if tenant.state == "absent":
                del self.running[tenant.name]
        yield from ()

    def run_letters(self, limit, _facts):
        edits = TenantService(self.path)
        for tenant in self._tenants(limit):
            for debt in edits.outbox.pending_notifications(tenant.name):
                if tenant.state == TRUE_WHEN[debt.kind]:
                    address = f"https://{tenant.host_name}"
                    if debt.kind in ("created", "access"):
                        # As in the role: a link lies there until its letter is kept, and is not made anew.
                        link = self.links.setdefault(tenant.name, f"{address}/silo/welcome/{next(self._links)}")
                        letter = with_link(debt.kind, tenant.name, address, link, WHEN)
                    else:
                        pay = debt.link or "https://swissphoto.ch/pay"
                        reason = tenant.settings.get("tenant_state_reason") or ""
                        letter = of_state(debt.kind, tenant.name, address, pay, tenant.quota, reason)
                    edits.outbox.enqueue(debt.event, tenant.email, letter, tenant.settings["tenant_language"])
                elif debt.kind in WITH_LINK:
                    continue
                edits.outbox.forget(debt.tenant, debt.kind)
                self.links.pop(tenant.name, None)
        edits.outbox.deliver()
        yield from ()

    def run_verify_changed(self, _limit, _facts):
        # Machines of a test keep what they promise.
        yield from ()

    def run_trash(self, _limit, facts):
        moved = {}
        for nas, tenants in facts["trash_uploads"].items():
            for one in tenants:
                key = one["name"], one["id"]
                if facts["trash_state"] == "trashed" and one["name"] in self.data:
                    self.trash[key] = self.data.pop(one["name"])
                if facts["trash_state"] == "restored" and key in self.trash:
                    self.data[one["name"]] = self.trash.pop(key)
                if facts["trash_state"] == "purged":
                    self.trash.pop(key, None)
                moved.setdefault(nas, {"tenants": []})["tenants"].append({"name": one["name"], "files": 7, "bytes": 9})
        servers = {server: {"tenants": []} for server in facts["trash_databases"]}
        yield event(TaskId.TRASH_FILES, servers)
        yield event(TaskId.TRASH_DATABASES, servers)
        yield event(TaskId.TRASH_UPLOADS, moved)

    def run_storage(self, _limit, _facts):
        nas = TenantService(self.path).inventory.fleet().promised
        for name in nas:
            tenants = {one: {"used": self.used.get(one, 0), "inodes": 1} for one in self.data}
            yield event(TaskId.QUOTAS, {name: {"pool": {"size": self.pool}, "tenants": tenants}})

    def run_list(self, limit, facts):
        yield from self.run_storage(limit, facts)
        services = {
            name: {kind: {"state": "running", "health": "healthy"} for kind in ("server", "database", "cache")}
            for name, state in self.running.items()
            if state == "running"
        }
        yield event(TaskId.STACKS, {"silo1": {"tenants": services}})


def event(task, hosts):
    lasted = dict.fromkeys(("start", "end"), "2026-01-01T00:00:00+00:00")
    named = {"name": f"silo:{task} | Sentence", "duration": lasted}
    return {"_event": "v2_runner_on_ok", "task": named, "hosts": hosts}


class World:
    """The company; `now` and all days are those of the account at Stripe."""

    def __init__(self, path, account, client, post, machines):
        self.path, self.account, self.client = path, account, client
        self.post, self.machines = post, machines
        self.delivered = 0

    def reconciler(self):
        return Reconciler(TenantService(self.path), self.client, clock=self.clock)

    def reconciliation(self):
        return Comparison(TenantService(self.path), self.client, self.clock)

    def clock(self):
        return self.account.time

    def order(self, name, price="price_small", language="de"):
        return self.account.order(name, f"{name}@example.ch", price, language)

    def take(self, event):
        """Do with an event what the worker does."""
        found = parse(json.dumps(event).encode())
        rules = self.reconciler()
        with contextlib.suppress(NeedsAttention):
            return rules.settle(found.subscription) if found.subscription else rules.consider(event)

    def events(self):
        """Return the events since the last call."""
        fresh, self.delivered = self.account.events[self.delivered :], len(self.account.events)
        return fresh

    def work(self):
        """Take all new events in their order."""
        for event in self.events():
            self.take(event)

    def days(self, number):
        """Let days go by, each with its events and one sweep; return what the sweeps left."""
        left = []
        for _day in range(number):
            self.account.advance(1)
            self.work()
            left += self.reconciliation().sweep().left
        return left

    def state(self, name):
        return TenantService(self.path).tenants()[name].state if (self.path / "host_vars" / name).exists() else None

    def set(self, **variables):
        write(self.path, **variables)


def write(path, **variables):
    """Write what the operator set, over the platform's policy."""
    file = path / "group_vars" / "all" / "relay.yml"
    file.write_text(yaml.safe_dump((yaml.safe_load(file.read_text()) if file.exists() else {}) | variables))


class Plain(dict):
    """An answer of Stripe as it is sent: the objects of its library would take a third of the time."""

    def to_dict(self):
        return self

    def auto_paging_iter(self):
        assert not self["has_more"]
        return map(Plain, self["data"])


def remember(monkeypatch):
    """Read an inventory once after each edit, for tests in which many days go by.

    Most looks of a year find nothing new, and from here on edits alone may write there.
    """
    known = {}

    def forgetting(make):
        @functools.wraps(make)
        def forgets(*arguments):
            known.clear()
            return make(*arguments)

        return forgets

    def remembering(name, read):
        def remembered(inventory):
            key = name, inventory.folder.root
            return known.get(key) or known.setdefault(key, read(inventory))

        return remembered

    for name in ("make", "finish", "take_back"):
        monkeypatch.setattr(Folder, name, forgetting(getattr(Folder, name)))
    kept = [(TenantFiles, name) for name in ("all", "deletion_records", "readable_deletions")]
    for owner, name in [(InventoryEditor, "look"), *kept]:
        monkeypatch.setattr(owner, name, remembering(name, getattr(owner, name)))
    # Who works here, which each look asks git for, stays the same; so does the outbox.
    monkeypatch.setattr(History, "of", functools.cache(History.of))
    monkeypatch.setattr(notifications, "Outbox", functools.cache(notifications.Outbox))
    monkeypatch.setattr("stripe._api_requestor._convert_to_stripe_object", lambda resp, **_context: Plain(resp.data))

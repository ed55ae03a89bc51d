"""What happened to one tenant, from all that is recorded already, in one order; a source that is away is a sentence."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import typing as t
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from ansible_collections.swissphoto.silo.plugins.module_utils.common.sizes import rough

from silo.ansible.contract import ReadTag, TaskId
from silo.ansible.results import ask
from silo.ansible.runner import RunError
from silo.billing.inbox import Inbox
from silo.billing.state_store import StateStore
from silo.billing.unreadable import FAULTS
from silo.identifiers import SUBSCRIPTION
from silo.inventory import DeletionRecord, InventoryError
from silo.inventory.errors import unknown_tenant
from silo.inventory.history import Commit
from silo.inventory.validation import check_name
from silo.notifications import ZONE
from silo.notifications.outbox import LetterRecord
from silo.reports import alerts
from silo.tenants import TenantService

# What each source has to say of a letter, by its state.
STATES = {
    "sent": "the relay accepted the letter",
    "failed": "silo gave up the letter",
    "sending": "the relay is being given the letter",
    "pending": "waiting: the letter",
}


@dataclasses.dataclass(frozen=True)
class Entry:
    """What happened, by whom and why. `at` has a zone; None is what is still to come, such as a letter that waits.

    `source` is where it is recorded: edit, deletion, stripe, order, letter, alert or server. `id` is that of the
    commit, the event or the letter, or empty.
    """

    at: datetime.datetime | None
    source: str
    who: str
    what: str
    why: str = ""
    id: str = ""


@dataclasses.dataclass(frozen=True)
class Timeline:
    """The entries, the oldest first; a sentence for each source that cannot be read; how many are left out."""

    entries: tuple[Entry, ...]
    problems: tuple[str, ...]
    left_out: int


@dataclasses.dataclass(frozen=True)
class Subject:
    """Whose log it is: the settings of the tenant, empty if it is deleted, and its former deletions."""

    name: str
    settings: Mapping[str, t.Any]
    deletions: Sequence[DeletionRecord]

    @property
    def paths(self) -> list[str]:
        """The paths in the inventory that are, or were, this tenant's."""
        indexes = {one.index for one in self.deletions} | {self.settings.get("tenant_index", 0)}
        folders = [f"retired/{index}-{self.name}" for index in sorted(indexes, key=str)]
        return [f"host_vars/{self.name}", *folders, *(f"{folder}.yml" for folder in folders)]


def read(
    service: TenantService, name: str, inbox: Callable[[], Inbox], *, since: datetime.date | None, limit: int
) -> Timeline:
    """Return the newest `limit` entries of a tenant since a day; raises InventoryError for a name that nobody had.

    `inbox` opens billing's; it is called only if the tenant has, or had, a subscription.
    """
    problems: list[str] = []

    def source(what: str, found: Callable[[], Iterable[Entry]]) -> list[Entry]:
        told: list[Entry] = []
        try:
            # One by one, so that what was read before a problem counts.
            told.extend(found())
        except FAULTS as error:
            problems.append(f"{what} cannot be read: {error}")
        return told

    subject = _subject(service, name, problems)
    entries = source("the history of the inventory", lambda: _edits(service, subject, limit))
    subscriptions = _subscriptions(subject, entries)
    if subscriptions:
        entries += source("the inbox of billing", lambda: _events(inbox(), subscriptions, limit))
    entries += source("the state of billing", lambda: _orders(service, name))
    entries += source("the outbox", lambda: _letters(service, {name, *subscriptions}, name))
    entries += source("the alerts", lambda: _alerts(service, name))
    entries += source("the records of the server", lambda: _records(service, subject, problems))
    first = since and datetime.datetime.combine(since, datetime.time(), ZONE)
    latest = datetime.datetime.max.replace(tzinfo=datetime.UTC)
    wanted = [one for one in entries if not (first and one.at and one.at < first)]
    wanted.sort(key=lambda one: (one.at or latest, one.source, one.what, one.id))
    return Timeline(tuple(wanted[-limit:]), tuple(problems), max(0, len(wanted) - limit))


def _subject(service: TenantService, name: str, problems: list[str]) -> Subject:
    check_name(name)
    settings: Mapping[str, t.Any] = {}
    deletions: Sequence[DeletionRecord] = ()
    known = service.files.folder.names("host_vars")
    try:
        file = service.files.document(name)
        settings = file.settings if file else {}
    except InventoryError as error:
        problems.append(f"its settings cannot be read: {error}")
    try:
        every = service.files.deletion_records()
        deletions = [one for one in every if one.name == name]
        known += [one.name for one in every]
    except InventoryError as error:
        problems.append(f"the deletion records cannot be read: {error}")
    if name not in known:
        raise unknown_tenant(name, known)
    return Subject(name, settings, deletions)


def _subscriptions(subject: Subject, entries: Iterable[Entry]) -> set[str]:
    """Return the subscriptions that pay, or paid, for a tenant; messages of commits name the former ones."""
    texts = [str(subject.settings.get("tenant_subscription", "")), *(one.subscription for one in subject.deletions)]
    texts += [one.what for one in entries]
    return {found for text in texts for found in SUBSCRIPTION.findall(text)}


def _edits(service: TenantService, subject: Subject, limit: int) -> Iterator[Entry]:
    history = service.inventory.history
    if history is not None and not history.is_product:
        yield from map(_commit, history.log(subject.paths, limit))
        return
    for one in subject.deletions:
        yield from _deletion(one)
    where = "it is in no git work tree" if history is None else "a clone of SwissPhoto Silo keeps none"
    raise InventoryError(f"{where}, so nobody can tell who edited what")


def _commit(one: Commit) -> Entry:
    return Entry(one.when, "edit", one.author, one.subject, " ".join(one.body.split()), one.id)


def _deletion(one: DeletionRecord) -> Iterator[Entry]:
    size = f"{one.files} files, {rough(one.used)}"
    for when, what, who, why in (
        (one.when, "it was deleted", one.by, ""),
        (one.trashed, "its data went to the trash", "silo", size),
        (one.purged, "its data was removed for good", "silo", ""),
        (one.freed, "others may have its name", "silo", ""),
    ):
        if when:
            yield Entry(_time(when), "deletion", who, what, why, f"{one.index}-{one.name}")


def _events(inbox: Inbox, subscriptions: Iterable[str], limit: int) -> Iterator[Entry]:
    for row in inbox.of(sorted(subscriptions), limit):
        why = row.message if row.state == "done" else f"{row.state.replace('_', ' ')}: {row.message}".removesuffix(": ")
        yield Entry(_moment(row.received), "stripe", "Stripe", row.type, why, row.id)


def _orders(service: TenantService, name: str) -> Iterator[Entry]:
    store = StateStore(service.state.folder)
    for order in store.waiting():
        if order.tenant == name:
            what = f"waiting: room to {order.step}, for plan {order.plan}"
            yield Entry(_time(order.since), "order", "billing", what, "", order.subscription)
    for hold in store.holds():
        if hold.tenant == name:
            what = f"waiting: {hold.step.replace('_', ' ')}"
            yield Entry(_time(hold.since), "order", "billing", what, hold.why, hold.subscription)
    for begun in store.begun().values():
        if begun.tenant == name:
            why = "it was interrupted; the worker completes it"
            yield Entry(None, "order", "billing", "waiting: a change", why, begun.subscription)


def _letters(service: TenantService, marks: set[str], name: str) -> Iterator[Entry]:
    """Yield the letters whose ids have one of `marks`, the name or a subscription; never what is in them."""
    if (outbox := service.outbox) is None:
        return
    for record in outbox.records():
        parts = record.event.split("/")
        if marks & {part.partition("@")[0] for part in parts[1:]}:
            yield _letter(record, parts)
    for pending in outbox.pending_notifications(name):
        what = f"waiting: the letter '{pending.kind}' to the customer, which is not written yet"
        yield Entry(_time(pending.since), "letter", "silo", what, "", pending.event)


def _letter(record: LetterRecord, parts: Sequence[str]) -> Entry:
    kind, recipient = parts[0], "customer"
    if kind == "billing":
        kind, recipient = next(part for part in parts[1:] if part != "operator"), "operator"
    what = f"{STATES.get(record.state, record.state)} '{kind}' to the {recipient}"
    at = _moment(record.ended) if record.ended is not None else None
    return Entry(at, "letter", "silo", what, record.error, record.event)


def _alerts(service: TenantService, name: str) -> Iterator[Entry]:
    for one in alerts.remembered(service.state.alerts):
        if one.tenant == name:
            yield Entry(_time(one.since), "alert", one.host, f"still true: {one.summary}", one.description, one.name)


def _records(service: TenantService, subject: Subject, problems: list[str]) -> Iterator[Entry]:
    server = _server(service, subject)
    arguments = ["-e", f"log_tenant={subject.name}", *(["--limit", server] if server else [])]
    answers = ask(service.path, ReadTag.LOG, arguments=arguments)
    problems += answers.missing.values()
    records = answers.results.get(TaskId.RECORDS, {})
    if server and server not in {*records, *answers.missing}:
        raise RunError(f"{server} does not answer; 'silo check' says why")
    for host, said in sorted(records.items()):
        problems += [f"{host}: {problem}" for problem in said["problems"]]
        for one in said["records"]:
            yield Entry(_moment(float(one["at"])), "server", host, str(one["what"]), str(one["why"]))


def _server(service: TenantService, subject: Subject) -> str:
    """Return the server of a tenant, or the one that had it; empty if nobody knows."""
    if written := str(subject.settings.get("tenant_server", "")):
        return written
    if subject.settings:
        # Where there is one server only, the policy says which.
        with contextlib.suppress(InventoryError):
            known = service.tenants().get(subject.name)
            return known.server if known else ""
    return max(subject.deletions, key=lambda one: one.when).server if subject.deletions else ""


def _moment(seconds: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)


def _time(text: str) -> datetime.datetime | None:
    """Return a time in ISO 8601, in UTC if it names no zone; None if it is none."""
    try:
        found = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=datetime.UTC)

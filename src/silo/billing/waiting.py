"""All that waits, in one list: for its turn, a lock, room, a name, a file, a machine, the relay or the operator.

It asks neither Stripe nor a machine. A source that cannot be read is a sentence beside the list, because an unreadable
file is one of the causes.
"""

from __future__ import annotations

import dataclasses
import datetime
import typing as t
from collections.abc import Callable, Iterable, Iterator, Mapping

from silo.billing import tenant_lookup
from silo.billing.inbox import Inbox, Row, State
from silo.billing.state_store import StateStore
from silo.billing.unreadable import FAULTS
from silo.notifications import TRUE_WHEN, WITH_LINK
from silo.tenants import TenantService

Kind = t.Literal["event", "order", "change", "decision", "deletion", "letter", "link"]
# The most events that are read, of which the newest are.
MOST = 1000
BY_ITSELF = "the worker looks at it every five minutes"
AT_NIGHT = "follow the cause; silo looks at it again every night, or at once with 'silo reconcile --fix'"


@dataclasses.dataclass(frozen=True)
class Waiting:
    """Something that waits.

    `number` names it: the id of an event, a subscription or a letter. `tenant` is whom it concerns, empty if that is
    unknown. `since` is None if nobody wrote it down; `again` is when silo tries again by itself, None if that has no
    time of its own. `ends` is a clause after "until", `step` what the operator does.
    """

    number: str
    kind: Kind
    tenant: str
    cause: str
    since: datetime.datetime | None
    ends: str
    again: datetime.datetime | None
    step: str


@dataclasses.dataclass(frozen=True)
class WaitingList:
    """What waits, the oldest first, and a sentence for each source that cannot be read."""

    waiting: tuple[Waiting, ...]
    problems: tuple[str, ...]


def read(service: Callable[[], TenantService], inbox: Callable[[], Inbox | None]) -> WaitingList:
    """Return what waits. `service` opens the inventory, `inbox` that of billing, None where there is none."""
    found: list[Waiting] = []
    problems: list[str] = []

    def source(what: str, look: Callable[[], Iterable[Waiting]]) -> None:
        try:
            # One by one, so that what was read before a problem counts.
            found.extend(look())
        except FAULTS as error:
            problems.append(f"{what} cannot be read: {error}")

    opened, names = _opened(service, problems)
    rows: list[Row] = []
    source("the inbox of billing", lambda: _events(inbox(), names, rows, problems))
    if opened:
        known = {row.subscription for row in rows}
        source("the state of billing", lambda: _kept(opened, known))
        source("the deletion records", lambda: _deletions(opened))
        source("the outbox", lambda: _letters(opened, names))
        source("the links that are owed", lambda: _owed(opened))
    latest = datetime.datetime.max.replace(tzinfo=datetime.UTC)
    found.sort(key=lambda one: (one.since or latest, one.kind, one.number))
    return WaitingList(tuple(found), tuple(problems))


def _opened(
    service: Callable[[], TenantService], problems: list[str]
) -> tuple[TenantService | None, Mapping[str, str]]:
    """Return the inventory, and the names of tenants by subscription, as far as they can be read."""
    names: dict[str, str] = {}
    opened = None
    try:
        opened = service()
        for deletion in opened.files.deletion_records():
            names[deletion.subscription] = deletion.name
        for name, file in opened.files.all().items():
            names[str(file.settings.get(tenant_lookup.SUBSCRIPTION, ""))] = name
    except FAULTS as error:
        problems.append(f"the inventory cannot be read: {error}")
    names.pop("", None)
    return opened, names


def _moment(seconds: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)


def _time(text: str) -> datetime.datetime | None:
    return datetime.datetime.fromisoformat(text) if text else None


def _events(inbox: Inbox | None, names: Mapping[str, str], rows: list[Row], problems: list[str]) -> Iterator[Waiting]:
    """Yield one entry for each queue key, and add its event to `rows`: one result settles all events of a key.

    More than MOST events add a sentence to `problems`, as the oldest are left out then.
    """
    keys: dict[str, list[Row]] = {}
    states: tuple[State, ...] = ("new", "needs_attention", "failed")
    for row in inbox.rows(states, MOST) if inbox else ():
        keys.setdefault(row.queue_key, []).append(row)
    if inbox and (count := sum(inbox.tally().counts[state] for state in states)) > MOST:
        text = f"{count} events of Stripe wait, and only the newest {MOST} are listed here"
        problems.append(f"{text}; 'silo billing events --limit {count}' lists all")
    for some in keys.values():
        # The newest is first. The oldest new one is next; without one, the newest of the others is looked at again.
        fresh = [row for row in some if row.state == "new"]
        row = fresh[-1] if fresh else some[0]
        rows.append(row)
        others = f" ({len(some) - 1} more events of {row.queue_key} wait with it)" if len(some) > 1 else ""
        at_once = f"'silo billing retry {row.id}' looks at it at once"
        step = {
            "new": "nothing: silo tries again by itself",
            "needs_attention": f"follow the cause; silo then goes on by itself within an hour; {at_once}",
            "failed": f"report it as a mistake of silo; after an update, {at_once}",
        }[row.state]
        yield Waiting(
            row.id,
            "event",
            names.get(row.subscription, ""),
            f"{row.message or 'it waits for its turn'}{others}",
            _moment(row.received),
            row.ends or ("its turn comes" if row.state == "new" else "what it names is corrected"),
            _moment(row.due) if row.due else None,
            step,
        )


def _kept(service: TenantService, known: Iterable[str]) -> Iterator[Waiting]:
    """Yield orders, steps and changes that wait; what needs attention by an event of `known` is yielded with that."""
    store, shown = StateStore(service.state.folder), set(known)
    for order in store.waiting():
        cause = f"no room to {order.step} it: {order.why}" if order.why else f"no room to {order.step} it"
        ends = f"there is room for plan {order.plan}" if order.plan else "there is room"
        step = f"add memory or storage, or remove what is not needed ('silo capacity'); {BY_ITSELF}"
        yield Waiting(order.subscription, "order", order.tenant, cause, _time(order.since), ends, None, step)
    for hold in store.holds():
        if hold.step == "needs_attention":
            if hold.subscription not in shown:
                yield Waiting(
                    *(hold.subscription, "decision", hold.tenant, hold.why),
                    *(_time(hold.since), hold.ends, None, AT_NIGHT),
                )
            continue
        step = "'silo dunning' lists them; 'silo dunning --release' agrees"
        if hold.step == "change":
            step = f"ask the customer to delete photos, or to keep the plan; {BY_ITSELF}"
        yield Waiting(
            *(hold.subscription, "decision", hold.tenant, hold.why),
            *(_time(hold.since), hold.ends, None, step),
        )
    for begun in store.begun().values():
        step = f"nothing: {BY_ITSELF}; 'silo apply {begun.tenant}' completes what is in the inventory"
        yield Waiting(
            *(begun.subscription, "change", begun.tenant, "a change was interrupted"),
            *(_time(begun.since), "it is completed", None, step),
        )


def _deletions(service: TenantService) -> Iterator[Waiting]:
    for one in service.unfinished():
        by_operator = one.reason in ("", "operator")
        step = f"'silo delete {one.name}' completes it" if by_operator else f"nothing: {BY_ITSELF}"
        ends = f"{one.nas} and {one.server or 'its server'} can be reached"
        yield Waiting(
            *(one.subscription or one.path, "deletion", one.name, "its data are not in the trash yet"),
            *(_time(one.when), ends, None, step),
        )


def _letters(service: TenantService, names: Mapping[str, str]) -> Iterator[Waiting]:
    """Yield letters that wait for the relay, that failed, or that are not written yet; never what is in them."""
    if (outbox := service.outbox) is None:
        return
    tenants = set(names.values()) | service.files.all().keys()
    step = "nothing: silo tries again by itself; 'silo letters --now' does so at once"
    for letter in outbox.waiting():
        tenant = next((part for part in letter.event.split("/")[1:] if part in tenants), "")
        cause = letter.error or "the relay was not asked yet"
        since = None if letter.since is None else _moment(letter.since)
        again = _moment(letter.due) if letter.due else None
        yield Waiting(letter.event, "letter", tenant, cause, since, "the relay accepts it", again, step)
    for lost in outbox.lost():
        kind, name, *_rest = lost.event.split("/")
        if kind in TRUE_WHEN and name not in tenants:
            continue
        address = f"'silo set {name} --email' corrects the address" if name in tenants else "correct the address"
        step = f"if the cause is the address, {address}; then write to the customer"
        if kind in WITH_LINK:
            step = f"'silo reset-access {name}' sends a new link; if the cause is the address, first {address}"
        cause = f"silo gave up the letter '{kind}': {lost.error}"
        since, tenant = _moment(lost.ended or 0.0), name if name in tenants else names.get(name, "")
        yield Waiting(lost.event, "letter", tenant, cause, since, "a later letter arrives", None, step)
    for pending in outbox.pending_notifications():
        yield _unwritten(service, pending.event, "letter", pending.tenant, pending.kind, _time(pending.since))


def _owed(service: TenantService) -> Iterator[Waiting]:
    for name, since in service.owed_links.all().items():
        yield _unwritten(service, f"link/{name}", "link", name, "created", _time(since))


def _unwritten(
    service: TenantService, number: str, kind: Kind, name: str, letter: str, since: datetime.datetime | None
) -> Waiting:
    """Return a letter or link that a run writes, once the tenant is in the state in which it is true."""
    what = "the one-time login link" if kind == "link" else f"the letter '{letter}'"
    file = service.files.all().get(name)
    if file is None:
        step = f"'silo undelete {name}' brings the tenant back; otherwise nothing"
        return Waiting(number, kind, name, f"{what} is for a deleted tenant", since, f"{name} is back", None, step)
    state, needed = str(file.settings.get("tenant_state", "running")), TRUE_WHEN[letter]
    if state != needed:
        cause, step = f"{what} is written once {name} is {needed}; it is {state}", f"'silo start {name}', if it may run"
        return Waiting(number, kind, name, cause, since, f"{name} is {needed}", None, step)
    step = f"'silo apply {name}' writes it; for a tenant of billing, the worker does so by itself"
    return Waiting(number, kind, name, f"{what} is not written yet", since, "an apply succeeds", None, step)

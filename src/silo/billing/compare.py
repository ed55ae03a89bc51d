"""Compare Stripe, the inventory and the machines, and correct the differences that silo can correct."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import hashlib
import json
import logging
import typing as t
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from silo import fleet
from silo.ansible.contract import ReadTag, TaskId
from silo.ansible.results import Answers, ask
from silo.billing import tenant_lookup
from silo.billing.customer_mail import CustomerMail
from silo.billing.decision import decide, today
from silo.billing.errors import NeedsAttention, TryLater
from silo.billing.model import (
    OF_STRIPE,
    PAID,
    TRASHED,
    BillingTenant,
    Case,
    Claim,
    Decision,
    Holder,
    Invoice,
    Step,
    Subscription,
)
from silo.billing.policy import BillingPolicy
from silo.billing.reconciler import Reconciler, billing_errors
from silo.billing.reconciler import clock as silo_clock
from silo.billing.standing import BESIDE
from silo.billing.state_store import Hold, StateStore
from silo.billing.stripe.client import EVENT_DAYS, Client
from silo.billing.stripe.events import WANTED, Event, parse
from silo.inventory import InventoryError
from silo.inventory.errors import shown
from silo.inventory.validation import Tenant
from silo.tenants import TenantService

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Difference:
    """A difference between Stripe, the inventory and the machines.

    `fix` says who resolves it: --fix does "settle" and "apply", the operator does the others. --fix also settles
    "needs_attention", which sends the letter to the operator and takes the order out of the queue for room.
    `subscription` and `tenant` are empty if the difference concerns none. If a decision waits for the operator, `ends`
    is until when, as a clause.
    """

    text: str
    fix: t.Literal["settle", "apply", "needs_attention", "operator"]
    subscription: str = ""
    tenant: str = ""
    ends: str = ""


def cases(known: tenant_lookup.TenantLookup, client: Client, policy: BillingPolicy) -> list[Case]:
    """Return each subscription with its unsettled invoices and its tenant, the oldest first.

    It makes five requests or more. Subscriptions in `known.problems` are left out.
    """
    unpaid = client.unpaid()
    listed = list(client.subscriptions())
    listed += _on_test_clocks(known.alive.keys() - {one.id for one in listed}, client)
    account = {one.id: one for one in sorted(listed, key=lambda one: (one.created, one.id))}
    for name, invoices in unpaid.items():
        # Of a tenant all count, as for an event: an old bill waits for the end of a later period that is paid.
        if name in account and (name in known.tenants or _needs_all(account[name], invoices)):
            unpaid[name] = client.invoices(name)
    return [_case(one, account, unpaid, known, policy) for one in account.values() if one.id not in known.problems]


def _on_test_clocks(names: Iterable[str], client: Client) -> Iterator[Subscription]:
    """Yield subscriptions that Stripe lists nowhere, because they have a test clock."""
    for name in names:
        with contextlib.suppress(NeedsAttention):
            yield client.subscription(name)


def _needs_all(subscription: Subscription, invoices: Iterable[Invoice]) -> bool:
    """Return whether what is unpaid depends on what was paid as well, although no tenant has it."""
    beside = any(one.cause in BESIDE or one.payment or one.status == "uncollectible" for one in invoices)
    return subscription.status in PAID or beside


def _case(
    subscription: Subscription,
    account: Mapping[str, Subscription],
    unpaid: Mapping[str, tuple[Invoice, ...]],
    known: tenant_lookup.TenantLookup,
    policy: BillingPolicy,
) -> Case:
    invoices, tenant = unpaid.get(subscription.id, ()), known.of(subscription.id)
    if tenant is None:
        holder = known.holders.get(subscription.name)
        return Case(subscription, invoices, holder=holder and _with_subscription(holder, account))
    claims = known.claims(tenant.name, subscription, account.values(), policy.plans)
    return Case(subscription, invoices, tenant, tuple(Claim(one, unpaid.get(one.id, ())) for one in claims))


def _with_subscription(holder: Holder, account: Mapping[str, Subscription]) -> Holder:
    return dataclasses.replace(holder, subscription=account.get(holder.linked))


def differences(
    found: Sequence[Case],
    known: tenant_lookup.TenantLookup,
    service: TenantService,
    policy: BillingPolicy,
    now: datetime.datetime,
) -> list[Difference]:
    """Return the differences between Stripe and the inventory, with interrupted changes; oldest subscription first."""
    begun = StateStore(service.state.folder).begun()
    result = []
    for case in found:
        decision = decide(case, policy, now)
        if one := _of(case, decision, service, now):
            result.append(one)
        elif change := begun.get(case.subscription.id):
            text = f"{change.tenant}: a change was interrupted"
            result.append(Difference(text, "settle", case.subscription.id, change.tenant))
    asked = {one.subscription for one in result}
    for deletion in service.unfinished():
        if deletion.subscription and deletion.subscription not in asked:
            text = f"{deletion.name}: its deletion was interrupted"
            result.append(Difference(text, "settle", deletion.subscription, deletion.name))
    result += [Difference(text, "operator", subscription) for subscription, text in known.problems.items()]
    clear = {case.subscription.id for case in found} | known.problems.keys()
    for subscription, name in sorted(known.alive.items(), key=lambda pair: pair[1]):
        if subscription not in clear:
            text = f"{name} belongs to {subscription}, which Stripe does not know; silo does not change it"
            result.append(Difference(text, "operator", subscription, name))
    return result


def _tomorrow(case: Case, now: datetime.datetime) -> datetime.date:
    return today(case.subscription.now or now) + datetime.timedelta(days=1)


def _is_operators(tenant: BillingTenant) -> bool:
    """Return whether the operator suspended a tenant for a reason that Stripe does not know."""
    return tenant.state == "suspended" and bool(tenant.reason) and tenant.reason not in OF_STRIPE


def _of(case: Case, decision: Decision, service: TenantService, now: datetime.datetime) -> Difference | None:
    """Return what the tenant of a subscription lacks, or None."""
    name = tenant_lookup.name_of(case.tenant, case.subscription.name)
    if decision.step is Step.NEEDS_ATTENTION:
        again: t.Literal["needs_attention", "operator"] = (
            "needs_attention" if decision.contest or case.holder or decision.parked else "operator"
        )
        return Difference(f"{name}: {decision.because}", again, case.subscription.id, name, decision.ends)
    if decision.step is not Step.NOTHING:
        text = f"{name}: {decision.step.value} is due: {decision.because}"
        return Difference(text, "settle", case.subscription.id, name)
    if case.tenant and decision.held and case.tenant.spared_until != _tomorrow(case, now):
        return Difference(f"{name}: {decision.because}", "settle", case.subscription.id, name)
    for note in decision.notes:
        if CustomerMail(service).misses(name, note):
            return Difference(f"{name}: {note.text}", "settle", case.subscription.id, name)
    by_choice = case.tenant and (case.tenant.state in ("stopped", "absent") or _is_operators(case.tenant))
    if by_choice and decision.clock is None and not decision.held:
        return Difference(f"{name}: {decision.because}", "operator", case.subscription.id, name)
    if case.tenant is None or case.tenant.state == TRASHED or service.outbox is None:
        return None
    notice, pay_by = decision.notice, decision.pay_by
    kind = "confirm_payment" if decision.confirm else "payment_failed"
    letter = notice and notice.event(name) or pay_by and f"{kind}/{name}/{pay_by}"
    if letter and letter not in service.outbox.states():
        return Difference(f"{name}: a letter is due: {decision.because}", "settle", case.subscription.id, name)
    return None


def of_machines(answers: Answers, tenants: Mapping[str, Tenant]) -> list[Difference]:
    """Compare the answers to read.yml, tag list, with the inventory: each tenant runs on its own server only."""
    runs = answers.results
    seen = {place: fleet.observed(services) for place, services in fleet.stacks(runs).items()}
    result = [Difference(text, "operator", "") for text in answers.missing.values()]
    answered = runs.get(TaskId.STACKS, {})
    for name, tenant in sorted(tenants.items()):
        if tenant.server not in answered:
            continue
        now = seen.pop((name, tenant.server), "absent")
        right = {"running": ("running",), "absent": ("absent",)}.get(tenant.state, ("stopped", "absent"))
        if now not in right:
            result.append(Difference(f"{name}: it must be {tenant.state}, but is {now}", "apply", "", name))
    strangers = [(name, server, state) for (name, server), state in sorted(seen.items()) if state != "absent"]
    return [_stranger(name, server, state, tenants.get(name)) for name, server, state in strangers] + result


def _stranger(name: str, server: str, state: str, tenant: Tenant | None) -> Difference:
    wanted = f"its server in the inventory is {tenant.server}" if tenant else "the inventory does not have it"
    return Difference(f"{name}: it is {state} on {server}, but {wanted}; silo does not change it", "operator", "", name)


def missed(client: Client, now: datetime.datetime, days: int = EVENT_DAYS) -> list[Event]:
    """Return the account's events of the last `days` days; the inbox ignores those that it already has."""
    since = now - datetime.timedelta(days=days)
    return [parse(json.dumps(event).encode()) for event in client.events(sorted(WANTED), since)]


@dataclasses.dataclass(frozen=True)
class Repair:
    """The result of a correction, one sentence each: `done`, `left` to the operator, and to be retried `later`."""

    done: tuple[str, ...]
    left: tuple[str, ...]
    later: tuple[str, ...]


class Comparison:
    """Compares Stripe, the inventory and the machines, and corrects differences by the same rules as an event."""

    def __init__(
        self, service: TenantService, client: Client, clock: Callable[[], datetime.datetime] = silo_clock
    ) -> None:
        """Change tenants through `service`; `clock` returns the time with a zone."""
        self._service, self._client, self._clock = service, client, clock

    def _reconciler(self) -> Reconciler:
        return Reconciler(self._service, self._client, clock=self._clock)

    def compare(self) -> list[Difference]:
        """Return the differences between Stripe and the inventory; raises TryLater, NeedsAttention."""
        service = self._service
        with billing_errors():
            known = tenant_lookup.read(service)
            policy = self._reconciler().policy
            found = cases(known, self._client, policy)
            return differences(found, known, service, policy, self._clock())

    def look(self) -> list[Difference]:
        """Return all differences, including those of the machines; raises TryLater, NeedsAttention."""
        found = self.compare()
        with billing_errors():
            service = self._service
            return found + of_machines(ask(service.path, ReadTag.LIST), service.tenants())

    def sweep(self) -> Repair:
        """Correct the differences between Stripe and the inventory; reads no machine."""
        return self.fix(self.compare())

    def fix(self, found: Sequence[Difference]) -> Repair:
        """Correct what silo can correct; notify the operator of the rest, once a month for the same differences."""
        done, left, later = [], [one.text for one in found if one.fix == "operator"], []
        holds = [self._hold(one, one.text, one.ends) for one in found if one.fix == "operator" and one.ends]
        for one in found:
            if one.fix in ("settle", "needs_attention"):
                try:
                    done.append(self._reconciler().settle(one.subscription).message)
                except NeedsAttention as error:
                    left.append(str(error))
                    holds.append(self._hold(one, str(error), error.ends))
                except TryLater as error:
                    later.append(str(error))
                except Exception as error:  # a mistake with one must not keep the next ones as they are
                    _log.exception("%s: it cannot be settled", one.subscription)
                    later.append(f"{one.text}; silo failed with {type(error).__name__}: {shown(str(error))}")
        StateStore(self._service.state.folder).renew(Step.NEEDS_ATTENTION.value, holds)
        self._prune()
        if names := [one.tenant for one in found if one.fix == "apply"]:
            try:
                with billing_errors():
                    self._service.apply(names)
                done.append(f"applied: {', '.join(names)}")
            except TryLater as error:
                later.append(str(error))
        if left:
            self._notify(left)
        return Repair(tuple(done), tuple(left), tuple(later))

    def _prune(self) -> None:
        """Forget the subscriptions that no tenant has, in the inventory or in the trash, and that wait for nothing."""
        files = self._service.files
        with contextlib.suppress(InventoryError, OSError):
            linked = {str(file.settings.get(tenant_lookup.SUBSCRIPTION, "")) for file in files.all().values()}
            linked |= {one.subscription for one in files.deletion_records() if not one.purged}
            StateStore(self._service.state.folder).prune(linked)

    def _hold(self, one: Difference, why: str, ends: str) -> Hold:
        since = self._clock().isoformat(timespec="seconds")
        return Hold(one.subscription, one.tenant, Step.NEEDS_ATTENTION.value, why, ends, since)

    def _notify(self, left: Sequence[str]) -> None:
        text = "\n".join(left) + "\n\n'silo reconcile' lists the differences at any time."
        # A lasting difference, such as a paid tenant that the operator stopped, is reported once a month.
        what = hashlib.sha256("\n".join(sorted(left)).encode()).hexdigest()[:16]
        event = f"billing/operator/reconciliation/{today(self._clock()):%Y-%m}/{what}"
        with billing_errors():
            CustomerMail(self._service).operator(event, "Stripe, inventory and machines differ", text)

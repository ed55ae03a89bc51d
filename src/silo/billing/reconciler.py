"""Settles one subscription: reads its current state, decides, checks the rate limits, acts and notifies.

It uses what Stripe says now, not what an event said, so it may be called late, twice and in any order. The next call
completes an interrupted one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import functools
import typing as t
from collections.abc import Callable, Iterator, Mapping

from silo.ansible.runner import RunError
from silo.billing import tenant_lookup
from silo.billing.checkout.letters import with_link
from silo.billing.customer_mail import CustomerMail
from silo.billing.decision import decide, today
from silo.billing.details import details
from silo.billing.errors import BillingError, NeedsAttention, NeedsAttentionReported, TryLater
from silo.billing.incidents import incident
from silo.billing.model import (
    ENDED,
    PAID,
    PURGED,
    TRASHED,
    Case,
    Claim,
    Contest,
    Decision,
    Holder,
    Step,
    Subscription,
)
from silo.billing.policy import BillingPolicy
from silo.billing.protocols import EventOutcome
from silo.billing.standing import lasts
from silo.billing.state_store import StateStore
from silo.billing.steps import Held, Steps
from silo.billing.stripe.client import Client
from silo.email_address import same
from silo.inventory import DeletionRecord, HostAwayError, InventoryBusyError, InventoryError, NameRefusedError
from silo.notifications import TRUE_WHEN, LetterError
from silo.state import BusyError
from silo.tenants import ApplyIncomplete, TenantService

INVENTORY_RIGHT = "the inventory is right again"
STATE = "tenant_state"
# The reasons of deletions that `silo apply` completes, because the operator began them.
BY_OPERATOR = ("", "operator")
# The most steps in one call, such as a restore and then another plan; more would be a loop.
STEPS = 5
DONE = {
    Step.CREATE: "runs",
    Step.RESTORE: "is back from the trash",
    Step.START: "runs again",
    Step.CHANGE: "has another plan",
    Step.EXPLAIN: "is suspended for another reason",
    Step.SUSPEND: "is suspended",
    Step.DELETE: "is deleted",
}


def clock() -> datetime.datetime:
    """Return the current time in UTC."""
    return datetime.datetime.now(datetime.UTC)


@contextlib.contextmanager
def billing_errors() -> Iterator[None]:
    """Convert errors of silo: those of the inventory into NeedsAttention, those that a retry may fix into TryLater."""
    try:
        yield
    except (InventoryBusyError, BusyError) as error:
        raise TryLater(str(error), ends="the other run has ended") from error
    except InventoryError as error:
        raise NeedsAttention(str(error), ends=INVENTORY_RIGHT) from error
    except (ApplyIncomplete, HostAwayError, RunError) as error:
        raise TryLater(str(error), ends="the server and the NAS can be reached, and an apply succeeds") from error
    except LetterError as error:
        raise TryLater(str(error), ends="the letter can be written") from error


class Reconciler:
    """Applies the rules to one inventory and one Stripe account. Make one for each event, because settings change."""

    def __init__(
        self, service: TenantService, client: Client, *, clock: Callable[[], datetime.datetime] = clock
    ) -> None:
        """Change tenants through `service`, as the command line does; `clock` returns the time with a zone."""
        self._service, self._client, self._clock = service, client, clock
        self._store = StateStore(self._service.state.folder)
        self._writer = CustomerMail(self._service)
        self._steps = Steps(service, client, lambda: self.policy, clock)
        self._last: tuple[Case, Decision] | None = None

    @functools.cached_property
    def policy(self) -> BillingPolicy:
        """The settings of this inventory; raises TryLater if they are invalid."""
        try:
            return BillingPolicy.of(self._service.policy.billing)
        except BillingError as error:
            raise TryLater(str(error)) from error

    def settle(self, subscription: str) -> EventOutcome:
        """Bring the tenant of a subscription to the state that Stripe requires now; raises TryLater, NeedsAttention."""
        with billing_errors(), self._store.locked(subscription):
            try:
                outcome = EventOutcome(self._settle(subscription))
            except InventoryBusyError:
                raise
            except (InventoryError, NeedsAttention) as error:
                # An order that needs attention must not block others in the queue for room.
                self._store.unqueue(subscription)
                raise self._parked(error) from error
            self._notify_broken(subscription)
            return outcome

    def _parked(self, error: InventoryError | NeedsAttention) -> NeedsAttention:
        """Tell the customer that a paid order needs attention, if the cause is the order's own; return the error.

        It has the details for the operator.
        """
        about = ""
        if self._last:
            case, decision = self._last
            about = details(case, decision)
            waits = case.tenant is None or case.tenant.state == PURGED or decision.parked
            # Of a mistake in the inventory, which keeps all orders waiting for a while, no customer need know.
            is_own = isinstance(error, (NeedsAttention, NameRefusedError))
            steps = (Step.CREATE, Step.NEEDS_ATTENTION)
            if waits and is_own and case.subscription.status in PAID and decision.step in steps:
                self._writer.parked(case.subscription)
        if isinstance(error, NeedsAttentionReported):
            return error
        ends = error.ends if isinstance(error, NeedsAttention) else INVENTORY_RIGHT
        return NeedsAttention(str(error), about, ends)

    def waiting(self) -> tuple[str, ...]:
        """Return the subscriptions for which something waits that no event of the inbox will settle, oldest first."""
        with billing_errors():
            store = self._store
            # What needs attention is looked at again with its event, or every night.
            holds = [one for one in store.holds() if one.step != Step.NEEDS_ATTENTION.value]
            found = [one.subscription for one in store.waiting()] + [one.subscription for one in holds]
            found += store.begun()
            found += [one.subscription for one in self._service.unfinished() if one.reason not in BY_OPERATOR]
            found += self._owing()
        return tuple(dict.fromkeys(filter(None, found)))

    def consider(self, event: Mapping[str, t.Any]) -> EventOutcome:
        """Process an event without a subscription: a dispute, a refund, a customer's new address.

        The operator gets a letter about each dispute and refund; they change no tenant.
        """
        kind, about = str(event.get("type", "")), event.get("data", {}).get("object", {})
        if kind == "customer.updated":
            return self._follow_address(event)
        if kind not in ("charge.dispute.created", "charge.refunded"):
            return EventOutcome(f"silo does not process {kind}")
        with billing_errors():
            payment = str(about.get("payment_intent") or "")
            customer, subscription = self._client.payer(payment) if payment else ("", "")
            known = tenant_lookup.read(self._service)
            letter = incident(kind, about, customer, subscription, known.alive.get(subscription, ""))
            self._writer.operator(f"billing/operator/{event.get('id')}", letter.subject, letter.text)
        return EventOutcome(f"the operator was notified: {letter.subject}")

    def _follow_address(self, event: Mapping[str, t.Any]) -> EventOutcome:
        """Give the tenants of a customer the address that Stripe has now, if the event says that it changed.

        Only then: an operator may have set another one, which must stay. Raises TryLater, NeedsAttention.
        """
        data = event.get("data", {})
        if "email" not in (data.get("previous_attributes") or {}):
            return EventOutcome("silo does not process customer.updated without another address")
        done: list[str] = []
        with billing_errors():
            known = tenant_lookup.read(self._service)
            for subscription in self._client.subscriptions(customer=str(data["object"]["id"])):
                with self._store.locked(subscription.id):
                    if name := known.alive.get(subscription.id):
                        done += self._move_letters(name, subscription, str(event.get("id", "")))
                    elif (tenant := known.tenants.get(subscription.id)) and tenant.state == TRASHED:
                        done += self._move_former(subscription, str(event.get("id", "")))
        return EventOutcome("; ".join(done) or "no tenant's address differs from it")

    def _move_letters(self, name: str, subscription: Subscription, event: str) -> list[str]:
        self._complete(subscription.id)
        if not subscription.email:
            raise NeedsAttention(f"{name} ({subscription.id}): its customer has no e-mail address at Stripe any more")
        if same(self._service.tenant(name).email, subscription.email):
            return []
        work = functools.partial(self._service.change, name, email=subscription.email, occasion=event)
        try:
            self._steps.recorded(subscription.id, name, work)
        except InventoryBusyError:
            raise
        except InventoryError as error:
            raise NeedsAttention(str(error), ends="the customer's address is corrected at Stripe") from error
        return [f"{name}: letters and login have the customer's new address"]

    def _move_former(self, subscription: Subscription, event: str) -> list[str]:
        """Give tenants in the trash the new address, which counts once they are restored."""
        moved = []
        for deletion in self._service.trash.kept():
            if deletion.subscription != subscription.id or not subscription.email:
                continue
            if not same(str(self._service.files.former(deletion).get("tenant_email", "")), subscription.email):
                self._service.move_former(deletion, subscription.email, event)
                moved.append(f"{deletion.name}: the customer's new address counts once it is restored")
        return moved

    def _notify_broken(self, subscription: str) -> None:
        """Notify the operator if verification of the changed tenant failed."""
        if not self._service.broken:
            return
        broken = [f"- {one.id} of {one.subject}: {one.message}" for one in self._service.broken]
        begin, end = f"{subscription} was applied, but verification failed:", "Run 'silo verify' for all checks."
        text = "\n".join([begin, "", *broken, "", end])
        event = f"billing/operator/broken/{subscription}@{today(self._clock())}"
        self._writer.operator(event, "Verification of a tenant failed", text)

    def _settle(self, name: str) -> str:
        self._complete(name)
        messages: list[str] = []
        for _again in range(STEPS):
            case, decision = self._read_and_decide(name)
            decision = with_link(decision, case, self._service.policy)
            tenant, called = case.tenant, tenant_lookup.name_of(case.tenant, case.subscription.name)
            try:
                self._do(case, decision)
            except Held as error:
                return "; ".join([*messages, str(error)])
            if decision.step not in (Step.CREATE, Step.START, Step.RESTORE, Step.CHANGE):
                self._store.unqueue(name)
            self._store.unhold(name, unless=decision.step.value)
            if decision.held:
                self._store.spare(name, self._today(case) + datetime.timedelta(days=1))
            for note in decision.notes:
                self._writer.note(called, note, details(case, decision))
            if tenant and tenant.state not in (TRASHED, PURGED) and decision.step is not Step.DELETE:
                messages += self._writer.customer(tenant.name, decision, self._now(case))
            if decision.step is Step.NOTHING:
                if owing := self._owing().get(name):
                    self._service.apply([owing])
                    messages.append(f"{owing} has got what was owed")
                return "; ".join([*messages, f"{called}: {decision.because}"])
            messages.append(f"{called} {DONE[decision.step]}: {decision.because}")
        return "; ".join(messages)

    def _read_and_decide(self, name: str) -> tuple[Case, Decision]:
        """Read the current state of a subscription and its tenant, and decide."""
        subscription = self._client.subscription(name)
        invoices = self._client.invoices(name)
        # Reading the inventory takes a second, so it is read once, for its tenants and its settings.
        known = tenant_lookup.read(self._service)
        case = Case(subscription, invoices, known.of(name))
        decision = self._decide(case)
        # Each needs more requests (one for each hundred subscriptions), so they are read only if they matter.
        if case.tenant and decision.takes_away:
            case = dataclasses.replace(case, claims=self._claims(case.tenant.name, subscription, known))
        elif decision.step is Step.CREATE and (holder := known.holders.get(subscription.name)):
            case = dataclasses.replace(case, holder=self._with_subscription(holder))
        else:
            return case, decision
        return case, self._decide(case)

    def _decide(self, case: Case) -> Decision:
        decision = decide(case, self.policy, self._clock())
        self._last = case, decision
        return decision

    def _now(self, case: Case) -> datetime.datetime:
        """Return the time that counts for a case: that of its test clock, if it has one."""
        return case.subscription.now or self._clock()

    def _today(self, case: Case) -> datetime.date:
        return today(self._now(case))

    def _claims(self, tenant: str, own: Subscription, known: tenant_lookup.TenantLookup) -> tuple[Claim, ...]:
        """Return the other subscriptions that claim a tenant, with their invoices.

        This lists all subscriptions, because Stripe's search index is delayed and does not exist in all regions.
        """
        listed = {one.id: one for one in self._client.subscriptions(ended=False)}
        if own.now:
            # Those of a test clock are in no other list.
            listed |= {one.id: one for one in self._client.subscriptions(ended=False, customer=own.customer)}
        claims = known.claims(tenant, own, listed.values(), self.policy.plans)
        return tuple(Claim(one, self._client.invoices(one.id)) for one in claims if one.status not in ENDED)

    def _with_subscription(self, holder: Holder) -> Holder:
        if not holder.linked:
            return holder
        return dataclasses.replace(holder, subscription=self._client.subscription(holder.linked))

    def _complete(self, name: str) -> None:
        """Complete a change that an earlier call began and did not finish."""
        for deletion in self._service.unfinished():
            if deletion.subscription != name:
                continue
            if self._is_claimed(deletion):
                self._service.undelete(deletion.id)
            else:
                self._steps.complete_deletion(deletion.name, self._client.subscription(name))
        if begun := self._store.begun().get(name):
            if begun.tenant in self._service.files.all():
                self._service.apply([begun.tenant])
            elif untold := self._untold(name, begun.tenant):
                self._steps.tell_deleted(untold, self._client.subscription(name))
        self._store.end(name)

    def _untold(self, subscription: str, tenant: str) -> DeletionRecord | None:
        """Return billing's last deletion of a tenant, of which the operator may not have heard; None for none."""
        found = [
            one
            for one in self._service.files.deletion_records()
            if (one.subscription, one.name) == (subscription, tenant) and one.trashed and one.reason not in BY_OPERATOR
        ]
        return max(found, key=lambda one: one.when, default=None)

    def _owing(self) -> dict[str, str]:
        """Return, by subscription, the tenants to which a run owes a letter or a link that is true now."""
        owed, files = self._service.owed(), self._service.files.all()
        found = {}
        for name in owed.keys() & files.keys():
            settings = files[name].settings
            true = {TRUE_WHEN.get(kind, "running") for kind in owed[name]}
            if (subscription := settings.get(tenant_lookup.SUBSCRIPTION)) and settings.get(STATE, "running") in true:
                found[str(subscription)] = name
        return found

    def _is_claimed(self, deletion: DeletionRecord) -> bool:
        """Return whether somebody has paid, or is paying, for a tenant whose deletion was cut off."""
        own = self._client.subscription(deletion.subscription)
        invoices = self._client.invoices(own.id)
        claims = self._claims(deletion.name, own, tenant_lookup.read(self._service))
        return any(lasts(one, self.policy, self._clock()) for one in (Claim(own, invoices), *claims))

    def _do(self, case: Case, decision: Decision) -> None:
        """Carry out one step; raises Held, NeedsAttention, and the errors of TenantService."""
        if decision.step is Step.NOTHING:
            return
        subscription, called = case.subscription, tenant_lookup.name_of(case.tenant, case.subscription.name)
        if decision.step is Step.DELETE:
            case, again = self._read_and_decide(subscription.id)
            if again.step is Step.NEEDS_ATTENTION:
                decision = again
            elif again.step is not Step.DELETE:
                raise Held(f"{called} is not deleted: {again.because}")
        if decision.step is Step.NEEDS_ATTENTION:
            text = f"{called} ({subscription.id}): {decision.because}"
            self._refer_to_operator(text, decision, self._today(case))
        self._steps.carry_out(case, decision, called)

    def _refer_to_operator(self, text: str, decision: Decision, day: datetime.date) -> t.NoReturn:
        if decision.contest is None:
            raise NeedsAttention(text, ends=decision.ends)
        self._spare(decision.contest, day)
        raise NeedsAttentionReported(text, ends=decision.ends)

    def _spare(self, contest: Contest, day: datetime.date) -> None:
        """Leave a tenant unchanged while others pay for it: withdraw letters that threaten it, notify the operator."""
        self._store.spare(contest.own.id, day + datetime.timedelta(days=1))
        self._writer.take_back(contest.tenant)
        self._writer.contested(contest)

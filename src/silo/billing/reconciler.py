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

from ansible_collections.swissphoto.silo.plugins.module_utils.common.sizes import size

from silo.admission import AdmissionError
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
    BillingTenant,
    Case,
    Claim,
    Contest,
    Decision,
    Holder,
    Reason,
    Step,
    Subscription,
)
from silo.billing.policy import BillingPolicy
from silo.billing.protocols import EventOutcome
from silo.billing.rate_limits import RateLimits
from silo.billing.standing import lasts
from silo.billing.state_store import StateStore
from silo.billing.stripe.client import Client
from silo.email_address import same
from silo.inventory import DeletionRecord, InventoryError
from silo.inventory.validation import check_new_name
from silo.languages import LANGUAGES
from silo.notifications import LetterError
from silo.state import BusyError
from silo.tenant.names import proposal
from silo.tenants import ApplyIncomplete, TenantService

BY = "billing, as nothing was paid"
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


class Held(BillingError):
    """A step must wait, for room or for the operator; the text is a sentence."""


@contextlib.contextmanager
def billing_errors() -> Iterator[None]:
    """Convert errors of silo: those of the inventory into NeedsAttention, those that a retry may fix into TryLater."""
    try:
        yield
    except InventoryError as error:
        raise NeedsAttention(str(error)) from error
    except (ApplyIncomplete, RunError, BusyError, LetterError) as error:
        raise TryLater(str(error)) from error


class Reconciler:
    """Applies the rules to one inventory and one Stripe account. Make one for each event, because settings change."""

    def __init__(
        self, service: TenantService, client: Client, *, clock: Callable[[], datetime.datetime] = clock
    ) -> None:
        """Change tenants through `service`, as the command line does; `clock` returns the time with a zone."""
        self._service, self._client, self._clock = service, client, clock
        self._store = StateStore(self._service.state.folder)
        self._writer = CustomerMail(self._service)
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
            except (InventoryError, NeedsAttention) as error:
                # An order that needs attention must not block others in the queue for room.
                self._store.unqueue(subscription)
                raise self._parked(error) from error
            self._notify_broken(subscription)
            return outcome

    def _parked(self, error: InventoryError | NeedsAttention) -> NeedsAttention:
        """Tell the customer that a paid order needs attention; return the error, with the details for the operator."""
        about = ""
        if self._last:
            case, decision = self._last
            about = details(case, decision)
            has_none = case.tenant is None or case.tenant.state == PURGED
            if has_none and case.subscription.status in PAID and decision.step in (Step.CREATE, Step.NEEDS_ATTENTION):
                self._writer.parked(case.subscription)
        if isinstance(error, NeedsAttentionReported):
            return error
        return NeedsAttention(str(error), about)

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
                if name := known.alive.get(subscription.id):
                    with self._store.locked(subscription.id):
                        done += self._move_letters(name, subscription, str(event.get("id", "")))
        return EventOutcome("; ".join(done) or "no tenant's address differs from it")

    def _move_letters(self, name: str, subscription: Subscription, event: str) -> list[str]:
        self._complete(subscription.id)
        if not subscription.email:
            raise NeedsAttention(f"{name} ({subscription.id}): its customer has no e-mail address at Stripe any more")
        if same(self._service.tenant(name).email, subscription.email):
            return []
        work = functools.partial(self._service.change, name, email=subscription.email, occasion=event)
        self._recorded(subscription.id, name, work)
        return [f"{name}: letters and login have the customer's new address"]

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
            if decision.held:
                self._store.spare(name, self._today(case) + datetime.timedelta(days=1))
            for note in decision.notes:
                self._writer.note(called, note, details(case, decision))
            if tenant and tenant.state not in (TRASHED, PURGED) and decision.step is not Step.DELETE:
                messages += self._writer.customer(tenant.name, decision, self._now(case))
            if decision.step is Step.NOTHING:
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
                self._service.delete(deletion.name, by=BY)
        if (begun := self._store.begun().get(name)) and begun in self._service.files.all():
            self._service.apply([begun])
        self._store.end(name)

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
        if decision.step in (Step.SUSPEND, Step.DELETE):
            self._check_rate_limit(decision, called, details(case, decision))
        work = functools.partial(self._work, case, decision)
        try:
            self._recorded(subscription.id, called, work)
        except AdmissionError as error:
            self._store.end(subscription.id)
            self._queue(subscription, called, decision, str(error))

    def _refer_to_operator(self, text: str, decision: Decision, day: datetime.date) -> t.NoReturn:
        if decision.contest is None:
            raise NeedsAttention(text)
        self._spare(decision.contest, day)
        raise NeedsAttentionReported(text)

    def _spare(self, contest: Contest, day: datetime.date) -> None:
        """Leave a tenant unchanged while others pay for it: withdraw letters that threaten it, notify the operator."""
        self._store.spare(contest.own.id, day + datetime.timedelta(days=1))
        self._writer.take_back(contest.tenant)
        self._writer.contested(contest)

    def _recorded(self, subscription: str, called: str, work: Callable[[], object]) -> None:
        """Do `work`, recorded as a change in progress, so that the next call completes it after an interruption."""
        self._store.begin(subscription, called)
        try:
            work()
        except (InventoryError, BillingError):
            # Nothing was changed, so there is nothing to complete.
            self._store.end(subscription)
            raise
        self._store.end(subscription)
        self._store.unqueue(subscription)

    def _work(self, case: Case, decision: Decision) -> None:
        subscription, tenant = case.subscription, case.tenant
        if case.holder:
            self._take_over(case.holder, subscription)
        elif tenant is None:
            self._create(subscription, decision)
        elif decision.step is Step.RESTORE:
            deletion = self._service.files.last_deleted(tenant.name)
            if deletion.subscription != subscription.id:
                raise NeedsAttention(
                    f"{tenant.name}: another tenant of this name was deleted later, so billing restores neither"
                )
            self._service.undelete(deletion.id)
        elif decision.step is Step.START:
            self._service.set_state(tenant.name, "running")
        elif decision.step is Step.CHANGE:
            self._change(tenant, decision)
        elif decision.step in (Step.SUSPEND, Step.EXPLAIN):
            self._suspend(case, tenant, decision)
        elif decision.step is Step.DELETE:
            self._delete(case, tenant, decision)

    def _suspend(self, case: Case, tenant: BillingTenant, decision: Decision) -> None:
        reason = decision.reason or Reason.UNPAID
        self._service.set_state(
            tenant.name, "suspended", link=decision.page, reason=reason.value, since=self._today(case)
        )

    def _create(self, subscription: Subscription, decision: Decision) -> None:
        name = subscription.name
        if not subscription.email:
            raise NeedsAttention(f"{name} ({subscription.id}): its customer has no e-mail address; add one at Stripe")
        wished = subscription.language if subscription.language in LANGUAGES else None
        given: dict[str, t.Any] = {"plan": decision.plan, "language": wished, "subscription": subscription.id}
        try:
            check_new_name(name)
        except InventoryError as error:
            raise NeedsAttention(f"{error}; {self._propose_name(subscription, given)}") from error
        former = self._former(subscription)
        before = [one for one in self._store.waiting() if one.plan == decision.plan and one.step == Step.CREATE.value]
        if before and before[0].subscription != subscription.id:
            # Refuse an invalid name now: otherwise it would wait for room, and appear in a letter.
            self._service.check_new(name, email=subscription.email, ordered=True, former=former, **given)
            raise AdmissionError(
                f"{before[0].tenant} comes first: it has waited for plan {decision.plan} since {before[0].since}"
            )
        self._service.create(name, email=subscription.email, ordered=True, former=former, **given)
        if subscription.language and wished is None:
            self._writer.language_unknown(subscription)

    def _propose_name(self, subscription: Subscription, given: Mapping[str, t.Any]) -> str:
        """Send the customer a name in place of one that cannot be, if there is one; return what the operator does."""
        near, fix = proposal(subscription.name), f"correct 'tenant' in the metadata of {subscription.id} at Stripe"
        try:
            if near:
                self._service.check_new(near, email=subscription.email, ordered=True, **given)
        except InventoryError:  # somebody has it, or one that looks like it
            near = ""
        if not near:
            return f"ask the customer for another name, and {fix}"
        self._writer.propose_name(near, subscription)
        return f"its customer was proposed {near!r}: once they agree, {fix}"

    def _former(self, subscription: Subscription) -> str:
        """Return the subscription of the deleted tenant with the ordered name, or "" if another customer had it."""
        record = self._service.reserved().get(subscription.name)
        if record is None or not record.subscription:
            return ""
        try:
            customer = self._client.subscription(record.subscription).customer
        except NeedsAttention:  # of another account, so of another customer
            return ""
        return record.subscription if customer == subscription.customer else ""

    def _take_over(self, holder: Holder, subscription: Subscription) -> None:
        """Link the tenant of an ended subscription to the new subscription of the same customer."""
        if holder.state == TRASHED:
            self._service.undelete(self._service.files.last_deleted(holder.name).id)
        self._service.change(holder.name, subscription=subscription.id)

    def _change(self, tenant: BillingTenant, decision: Decision) -> None:
        """Change the plan; if the data exceeds the new quota, notify the operator and raise Held."""
        plan = decision.plan
        offer = self._service.inventory.offers().get(plan)
        if offer is None:
            raise NeedsAttention(
                f"{tenant.name}: billing_plans names the plan {plan}, but group_vars has no plan_{plan}.yml"
            )
        if offer.quota < self._service.tenants()[tenant.name].quota:
            used = self._service.used(tenant.name)
            if used > offer.quota:
                text = (
                    f"{tenant.name} changed from {tenant.plan} to {plan} ({size(offer.quota)}), but stores "
                    f"{size(used)}. Silo changed nothing: the tenant keeps {tenant.plan} until it stores less."
                )
                event = f"billing/operator/downgrade/{tenant.name}/{plan}@{today(self._clock()):%Y-%m}"
                self._writer.operator(event, f"{tenant.name} stores more than the plan that was bought", text)
                raise Held(text)
        self._service.change(tenant.name, notify_customer=True, plan=plan)

    def _delete(self, case: Case, tenant: BillingTenant, decision: Decision) -> None:
        subscription, about = case.subscription, details(case, decision)
        reason = decision.reason or Reason.UNPAID
        deletion = self._service.delete(tenant.name, by=BY, reason=reason.value)
        self._writer.take_back(tenant.name)
        text = (
            f"{tenant.name} is deleted, because {decision.because}. Its {deletion.files} files "
            f"({size(deletion.used)}) are in the trash for {self._service.policy.trash_days} days; until then, "
            f"'silo undelete {tenant.name}' or a payment restores them.\n\n"
            f"Its subscription {subscription.id} is {subscription.status} at Stripe.\n\n{about}"
        )
        self._writer.operator(
            f"billing/operator/deleted/{tenant.name}@{deletion.when}", f"{tenant.name} is deleted", text
        )

    def _check_rate_limit(self, decision: Decision, called: str, about: str) -> None:
        limits = RateLimits(self._store, self.policy)
        if limits.admit(decision.step, called, today(self._clock())):
            return
        since = limits.reached().get(decision.step, "")
        variable = "billing_suspensions_per_day" if decision.step is Step.SUSPEND else "billing_deletions_per_day"
        what = "suspended" if decision.step is Step.SUSPEND else "deleted"
        text = (
            f"{called} must be {what}, because {decision.because}, but {variable} allows no more on this day. No "
            f"further tenant is {what} until you agree. 'silo dunning' lists them: if none of them has paid, "
            f"'silo dunning --release' lets the next ones pass.\n\n{about}"
        )
        self._writer.operator(
            f"billing/operator/rate_limit/{decision.step.value}@{since}", "Billing reached a daily limit", text
        )
        raise Held(f"{called}: the rate limit {variable} is reached; {decision.because}")

    def _queue(self, subscription: Subscription, called: str, decision: Decision, why: str) -> None:
        order = self._store.wait(subscription.id, called, decision.step.value, decision.plan, self._clock())
        self._writer.waits(order, subscription, why)
        raise Held(f"{called} waits for room to {decision.step.value}: {why}")

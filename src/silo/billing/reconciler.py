"""One subscription and its tenant, brought to what they should be: read, decide, check the rate limits, act, notify.

It looks at what Stripe says now, not at what an event said, so it may be called late, twice, and in any order; what was
cut off is brought to its end by the next call.
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
from silo.billing.customer_mail import CustomerMail
from silo.billing.decision import decide, today
from silo.billing.errors import BillingError, NeedsAttention, NeedsAttentionReported, TryLater
from silo.billing.model import (
    PAID,
    PURGED,
    TRASHED,
    BillingTenant,
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
from silo.billing.rate_limits import RateLimits
from silo.billing.state_store import StateStore
from silo.billing.stripe.client import Client
from silo.inventory import InventoryError
from silo.notifications import LetterError
from silo.notifications.letter import LOCALES
from silo.state import BusyError
from silo.tenants import ApplyIncomplete, TenantService

BY = "billing, as nothing was paid"
# Paid, found in the trash, brought back, given another plan: more in a row would be a circle.
STEPS = 5
DONE = {
    Step.CREATE: "runs",
    Step.RESTORE: "is back from the trash",
    Step.START: "runs again",
    Step.CHANGE: "has another plan",
    Step.SUSPEND: "is suspended",
    Step.DELETE: "is deleted",
}


def clock() -> datetime.datetime:
    """Return the time."""
    return datetime.datetime.now(datetime.UTC)


class Held(BillingError):
    """Something that is right and not done now: it waits for room, or for the operator; the text is a sentence."""


@contextlib.contextmanager
def sentences() -> Iterator[None]:
    """Sort what the library raises into what may go better later, and what needs the operator."""
    try:
        yield
    except InventoryError as error:
        raise NeedsAttention(str(error)) from error
    except (ApplyIncomplete, RunError, BusyError, LetterError) as error:
        raise TryLater(str(error)) from error


class Reconciler:
    """The rules over one inventory and one account at Stripe; opened anew for each event, as policies change."""

    def __init__(
        self, service: TenantService, client: Client, *, clock: Callable[[], datetime.datetime] = clock
    ) -> None:
        """Change tenants by `service`, as the command line does; `clock` gives the time with a zone."""
        self._service, self._client, self._clock = service, client, clock
        self._store = StateStore(self._service.state.folder)
        self._writer = CustomerMail(self._service)

    @functools.cached_property
    def policy(self) -> BillingPolicy:
        """The rules of this inventory; raises TryLater where they are wrong."""
        try:
            return BillingPolicy.of(self._service.policy.billing)
        except BillingError as error:
            raise TryLater(str(error)) from error

    def settle(self, subscription: str) -> EventOutcome:
        """Bring the tenant of a subscription to what Stripe says now; raises TryLater, NeedsAttention."""
        with sentences(), self._store.locked(subscription):
            try:
                outcome = EventOutcome(self._settle(subscription))
            except (InventoryError, NeedsAttention):
                # Who waits for the operator holds up nobody who waits for room.
                self._store.made(subscription)
                raise
            self._notify_broken(subscription)
            return outcome

    def consider(self, event: Mapping[str, t.Any]) -> EventOutcome:
        """Notify the operator of a dispute or a refund; no tenant is changed."""
        kind, about = str(event.get("type", "")), event.get("data", {}).get("object", {})
        if kind not in ("charge.dispute.created", "charge.refunded"):
            return EventOutcome(f"{kind} asks for nothing")
        what = "disputes a payment at their bank" if kind == "charge.dispute.created" else "was given a payment back"
        charge = str(about.get("charge") or about.get("id", ""))
        text = (
            f"A customer {what} (charge {charge}). Nothing is changed: the tenant follows its subscription and its "
            "invoices alone. Look at it in Stripe's dashboard, and end the subscription there where it is over."
        )
        with sentences():
            self._writer.operator(f"billing/operator/{event.get('id')}", f"A customer {what}", text)
        return EventOutcome(f"the operator was notified that a customer {what}")

    def _notify_broken(self, subscription: str) -> None:
        """Notify the operator of failed checks of a tenant that was changed."""
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
            case, made = self._look(name)
            tenant, called = case.tenant, tenant_lookup.name_of(case.tenant, case.subscription.name)
            try:
                self._do(case, made)
            except Held as error:
                return "; ".join([*messages, str(error)])
            if made.step not in (Step.CREATE, Step.START, Step.RESTORE, Step.CHANGE):
                self._store.made(name)
            if tenant and tenant.state not in (TRASHED, PURGED) and made.step is not Step.DELETE:
                messages += self._writer.customer(tenant.name, made, self._clock())
            if made.step is Step.NOTHING:
                return "; ".join([*messages, f"{called}: {made.because}"])
            messages.append(f"{called} {DONE[made.step]}: {made.because}")
        return "; ".join(messages)

    def _look(self, name: str) -> tuple[Case, Decision]:
        """Read all of it at this moment, and decide."""
        subscription = self._client.subscription(name)
        invoices = self._client.invoices(name)
        # One look at the inventory, which takes a second, serves for its tenants and its rules.
        known = tenant_lookup.read(self._service)
        case = Case(subscription, invoices, known.of(name))
        made = decide(case, self.policy, self._clock())
        # Both are asked last and only where they count: a list of all subscriptions is a request for each hundred.
        if case.tenant and made.takes_away:
            case = dataclasses.replace(case, claims=self._claims(case.tenant.name, known))
        elif made.step is Step.CREATE and (holder := known.holders.get(subscription.name)):
            case = dataclasses.replace(case, holder=self._with_subscription(holder))
        else:
            return case, made
        return case, decide(case, self.policy, self._clock())

    def _claims(self, tenant: str, known: tenant_lookup.TenantLookup) -> tuple[Claim, ...]:
        """Return the other subscriptions that pay for a name.

        They are listed, because Stripe's search index lags behind the account and does not exist in all regions.
        """
        named = known.claims(tenant, self._client.subscriptions(ended=False))
        return tuple(Claim(one, self._client.invoices(one.id)) for one in named if one.status in PAID)

    def _with_subscription(self, holder: Holder) -> Holder:
        if not holder.linked:
            return holder
        return dataclasses.replace(holder, subscription=self._client.subscription(holder.linked))

    def _complete(self, name: str) -> None:
        """Bring to its end what an earlier call began and did not."""
        for deletion in self._service.unfinished():
            if deletion.subscription == name:
                self._service.delete(deletion.name, by=BY)
        if (begun := self._store.begun().get(name)) and begun in self._service.files.all():
            self._service.apply([begun])
        self._store.end(name)

    def _do(self, case: Case, made: Decision) -> None:
        """Do one step; raises Held, NeedsAttention, and what an operator's command raises."""
        if made.step is Step.NOTHING:
            return
        subscription, called = case.subscription, tenant_lookup.name_of(case.tenant, case.subscription.name)
        if made.step is Step.DELETE:
            case, again = self._look(subscription.id)
            if again.step is Step.NEEDS_ATTENTION:
                made = again
            elif again.step is not Step.DELETE:
                raise Held(f"{called} is not deleted: {again.because}")
        if made.step is Step.NEEDS_ATTENTION:
            self._refer_to_operator(f"{called} ({subscription.id}): {made.because}", made)
        if made.step in (Step.SUSPEND, Step.DELETE):
            self._check_rate_limit(made, called)
        work = functools.partial(self._work, case, made)
        try:
            self._marked(subscription.id, called, work)
        except AdmissionError as error:
            self._store.end(subscription.id)
            self._queue(subscription, called, made, str(error))

    def _refer_to_operator(self, text: str, made: Decision) -> t.NoReturn:
        if made.contest is None:
            raise NeedsAttention(text)
        self._spare(made.contest)
        raise NeedsAttentionReported(text)

    def _spare(self, contest: Contest) -> None:
        """Leave a tenant as it is while others pay for it: withdraw letters that say otherwise, notify the operator."""
        until = today(self._clock()) + datetime.timedelta(days=1)
        self._store.spare(contest.own.id, until)
        self._writer.take_back(contest.tenant)
        self._writer.contested(contest)

    def _marked(self, subscription: str, called: str, work: Callable[[], object]) -> None:
        self._store.begin(subscription, called)
        try:
            work()
        except (InventoryError, BillingError):
            # Nothing was changed, so nothing is to be brought to its end.
            self._store.end(subscription)
            raise
        self._store.end(subscription)
        self._store.made(subscription)

    def _work(self, case: Case, made: Decision) -> None:
        subscription, tenant = case.subscription, case.tenant
        if case.holder:
            self._take_over(case.holder, subscription)
        elif tenant is None:
            self._create(subscription, made)
        elif made.step is Step.RESTORE:
            if self._service.files.last_deleted(tenant.name).subscription != subscription.id:
                raise NeedsAttention(
                    f"{tenant.name}: another one of this name was deleted since; 'silo undelete' needs you"
                )
            self._service.undelete(tenant.name)
        elif made.step is Step.START:
            self._service.set_state(tenant.name, "running")
        elif made.step is Step.CHANGE:
            self._change(tenant, made)
        elif made.step is Step.SUSPEND:
            self._service.set_state(tenant.name, "suspended", link=made.link)
        elif made.step is Step.DELETE:
            self._delete(subscription, tenant, made)

    def _create(self, subscription: Subscription, made: Decision) -> None:
        name = subscription.name
        if not subscription.email:
            raise NeedsAttention(f"{name} ({subscription.id}): its customer at Stripe has no e-mail address")
        wished = subscription.language if subscription.language in LOCALES else None
        given: dict[str, t.Any] = {"plan": made.plan, "language": wished, "subscription": subscription.id}
        former = self._former(subscription)
        before = [one for one in self._store.waiting() if one.plan == made.plan and one.step == Step.CREATE.value]
        if before and before[0].subscription != subscription.id:
            # A name that cannot be would wait as well, and stand in a letter.
            self._service.check_new(name, email=subscription.email, ordered=True, former=former, **given)
            raise AdmissionError(f"{before[0].tenant} waits for a {made.plan} since {before[0].since}, and comes first")
        self._service.create(name, email=subscription.email, ordered=True, former=former, **given)

    def _former(self, subscription: Subscription) -> str:
        """Return the subscription of the deleted tenant of the wished name, if the same customer had it; or ""."""
        record = self._service.reserved().get(subscription.name)
        if record is None or not record.subscription:
            return ""
        try:
            customer = self._client.subscription(record.subscription).customer
        except NeedsAttention:  # of another account, so of a stranger
            return ""
        return record.subscription if customer == subscription.customer else ""

    def _take_over(self, holder: Holder, subscription: Subscription) -> None:
        """Give the tenant of a subscription that ended to the next one of the same customer."""
        if holder.state == TRASHED:
            self._service.undelete(holder.name)
        self._service.change(holder.name, subscription=subscription.id)

    def _change(self, tenant: BillingTenant, made: Decision) -> None:
        """Give another plan; one that is smaller than what is stored is reported, not forced."""
        offer = self._service.inventory.offers().get(made.plan)
        if offer is None:
            raise NeedsAttention(
                f"{tenant.name}: billing_plans names the plan {made.plan}, and there is no plan_{made.plan}.yml"
            )
        if offer.quota < self._service.tenants()[tenant.name].quota:
            used = self._service.used(tenant.name)
            if used > offer.quota:
                text = (
                    f"{tenant.name} bought {made.plan} ({size(offer.quota)}) in place of {tenant.plan}, and stores "
                    f"{size(used)}. It keeps {tenant.plan} until less is stored; nothing was changed."
                )
                event = f"billing/operator/downgrade/{tenant.name}/{made.plan}@{today(self._clock()):%Y-%m}"
                self._writer.operator(event, f"{tenant.name} stores more than the plan that was bought", text)
                raise Held(text)
        self._service.change(tenant.name, notify_customer=True, plan=made.plan)

    def _delete(self, subscription: Subscription, tenant: BillingTenant, made: Decision) -> None:
        deletion = self._service.delete(tenant.name, by=BY)
        self._writer.take_back(tenant.name)
        text = (
            f"{tenant.name} is deleted, as {made.because}: {deletion.files} files, {size(deletion.used)}. "
            f"'silo undelete {tenant.name}' brings it back within {self._service.policy.trash_days} days, and a "
            "payment does so too.\n\n"
            f"Its subscription {subscription.id} is {subscription.status} at Stripe."
        )
        self._writer.operator(
            f"billing/operator/deleted/{tenant.name}@{deletion.when}", f"{tenant.name} is deleted", text
        )

    def _check_rate_limit(self, made: Decision, called: str) -> None:
        limits = RateLimits(self._store, self.policy)
        if limits.admit(made.step, called, today(self._clock())):
            return
        since = limits.reached().get(made.step, "")
        variable = "billing_suspensions_per_day" if made.step is Step.SUSPEND else "billing_deletions_per_day"
        what = "suspended" if made.step is Step.SUSPEND else "deleted"
        text = (
            f"More tenants are to be {what} on one day than {variable} allows, {called} among them, as {made.because}. "
            "No more are until you agree: look at 'silo dunning' whether none of them has paid, then "
            "'silo dunning --release' lets the next ones go."
        )
        self._writer.operator(
            f"billing/operator/rate_limit/{made.step.value}@{since}", "Billing has stopped and asks", text
        )
        raise Held(f"{called}: the rate limit {variable} is reached; {made.because}")

    def _queue(self, subscription: Subscription, called: str, made: Decision, why: str) -> None:
        order = self._store.wait(subscription.id, called, made.step.value, made.plan, self._clock())
        self._writer.waits(order, subscription, why)
        raise Held(f"{called} waits for room to {made.step.value}: {why}")

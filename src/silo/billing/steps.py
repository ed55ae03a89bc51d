"""Carries out one step of a decision: edits the inventory, applies it, and says what must wait."""

from __future__ import annotations

import datetime
import functools
import typing as t
from collections.abc import Callable, Mapping

from ansible_collections.swissphoto.silo.plugins.module_utils.common.sizes import size

from silo.admission import AdmissionError
from silo.billing.customer_mail import CustomerMail
from silo.billing.decision import today
from silo.billing.details import details
from silo.billing.errors import BillingError, NeedsAttention
from silo.billing.model import TRASHED, BillingTenant, Case, Decision, Holder, Reason, Step, Subscription
from silo.billing.policy import BillingPolicy
from silo.billing.rate_limits import RateLimits
from silo.billing.state_store import StateStore
from silo.billing.stripe.client import Client
from silo.inventory import DeletionRecord, InventoryError
from silo.inventory.validation import check_new_name
from silo.languages import LANGUAGES
from silo.tenant.names import proposal
from silo.tenants import TenantService

BY = "billing, as nothing was paid"


class Held(BillingError):
    """A step must wait, for room or for the operator; the text is a sentence."""


class Steps:
    """The steps, for one inventory and one Stripe account."""

    def __init__(
        self,
        service: TenantService,
        client: Client,
        policy: Callable[[], BillingPolicy],
        clock: Callable[[], datetime.datetime],
    ) -> None:
        """Change tenants through `service`; `policy` is called when a rule is needed, and may raise TryLater."""
        self._service, self._client, self._policy, self._clock = service, client, policy, clock
        self._store = StateStore(service.state.folder)
        self._writer = CustomerMail(service)

    def carry_out(self, case: Case, decision: Decision, called: str) -> None:
        """Do it; raises Held, NeedsAttention, and the errors of TenantService."""
        subscription = case.subscription
        if decision.step in (Step.SUSPEND, Step.DELETE):
            self._check_rate_limit(case, decision, called)
        try:
            self.recorded(subscription.id, called, functools.partial(self._work, case, decision))
        except AdmissionError as error:
            self._queue(subscription, called, decision, str(error))

    def recorded(self, subscription: str, called: str, work: Callable[[], object]) -> None:
        """Do `work`, recorded as a change in progress, so that the next call completes it after an interruption."""
        self._store.begin(subscription, called, self._clock())
        try:
            work()
        except (InventoryError, BillingError, AdmissionError):
            # Nothing was changed, so there is nothing to complete.
            self._store.end(subscription)
            raise
        self._store.end(subscription)
        self._store.unqueue(subscription)
        self._store.unhold(subscription)

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
                    f"{tenant.name}: another tenant of this name was deleted later, so billing restores neither",
                    ends="you have restored one of them, and given it this subscription",
                )
            self._service.undelete(deletion.id)
        elif decision.step is Step.START:
            self._service.set_state(tenant.name, "running")
        elif decision.step is Step.CHANGE:
            self._change(subscription.id, tenant, decision)
        elif decision.step in (Step.SUSPEND, Step.EXPLAIN):
            self._suspend(case, tenant, decision)
        elif decision.step is Step.DELETE:
            self._delete(case, tenant, decision)

    def _suspend(self, case: Case, tenant: BillingTenant, decision: Decision) -> None:
        reason = decision.reason or Reason.UNPAID
        since = today(case.subscription.now or self._clock())
        self._service.set_state(tenant.name, "suspended", link=decision.page, reason=reason.value, since=since)

    def _create(self, subscription: Subscription, decision: Decision) -> None:
        name = subscription.name
        if not subscription.email:
            text = f"{name} ({subscription.id}): its customer has no e-mail address; add one at Stripe"
            raise NeedsAttention(text, ends="its customer has an address at Stripe")
        wished = subscription.language if subscription.language in LANGUAGES else None
        given: dict[str, t.Any] = {"plan": decision.plan, "language": wished, "subscription": subscription.id}
        try:
            check_new_name(name)
        except InventoryError as error:
            text = f"{error}; {self._propose_name(subscription, given)}"
            raise NeedsAttention(text, ends="the order names what can be a name") from error
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

    def _change(self, subscription: str, tenant: BillingTenant, decision: Decision) -> None:
        """Change the plan; if the data exceeds the new quota, notify the operator and raise Held."""
        plan = decision.plan
        offer = self._service.inventory.offers().get(plan)
        if offer is None:
            raise NeedsAttention(
                f"{tenant.name}: billing_plans names the plan {plan}, but group_vars has no plan_{plan}.yml",
                ends=f"there is a plan_{plan}.yml",
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
                ends = f"{tenant.name} stores less than {size(offer.quota)}"
                self._store.hold(subscription, tenant.name, Step.CHANGE.value, text, ends, self._clock())
                raise Held(text)
        self._service.change(tenant.name, notify_customer=True, plan=plan)

    def _delete(self, case: Case, tenant: BillingTenant, decision: Decision) -> None:
        reason = decision.reason or Reason.UNPAID
        self._tell_deleted(self._service.delete(tenant.name, by=BY, reason=reason.value), case, decision)

    def complete_deletion(self, name: str, subscription: Subscription) -> None:
        """Complete a deletion of billing that was cut off, and tell the operator if nobody did."""
        self.tell_deleted(self._service.delete(name, by=BY), subscription)

    def tell_deleted(self, deletion: DeletionRecord, subscription: Subscription) -> None:
        """Tell the operator, once, of a deletion that was cut off before they heard of it."""
        reason = next((one for one in Reason if one == deletion.reason), None)
        because = "its deletion, which had been cut off, is complete"
        tenant = BillingTenant(deletion.name, TRASHED, reason=deletion.reason)
        self._tell_deleted(deletion, Case(subscription, tenant=tenant), Decision(Step.DELETE, because, reason=reason))

    def _tell_deleted(self, deletion: DeletionRecord, case: Case, decision: Decision) -> None:
        name, subscription = deletion.name, case.subscription
        self._writer.take_back(name)
        text = (
            f"{name} is deleted, because {decision.because}. Its {deletion.files} files "
            f"({size(deletion.used)}) are in the trash for {self._service.policy.trash_days} days; until then, "
            f"'silo undelete {name}' or a payment restores them.\n\n"
            f"Its subscription {subscription.id} is {subscription.status} at Stripe.\n\n{details(case, decision)}"
        )
        self._writer.operator(f"billing/operator/deleted/{name}@{deletion.when}", f"{name} is deleted", text)

    def _check_rate_limit(self, case: Case, decision: Decision, called: str) -> None:
        limits = RateLimits(self._store, self._policy())
        if limits.admit(decision.step, called, today(self._clock())):
            return
        since = limits.reached().get(decision.step, "")
        variable = "billing_suspensions_per_day" if decision.step is Step.SUSPEND else "billing_deletions_per_day"
        what = "suspended" if decision.step is Step.SUSPEND else "deleted"
        text = (
            f"{called} must be {what}, because {decision.because}, but {variable} allows no more on this day. No "
            f"further tenant is {what} until you agree. 'silo dunning' lists them: if none of them has paid, "
            f"'silo dunning --release' lets the next ones pass.\n\n{details(case, decision)}"
        )
        self._writer.operator(
            f"billing/operator/rate_limit/{decision.step.value}@{since}", "Billing reached a daily limit", text
        )
        why = f"{called}: the rate limit {variable} is reached; {decision.because}"
        self._store.hold(case.subscription.id, called, decision.step.value, why, "you agree", self._clock())
        raise Held(why)

    def _queue(self, subscription: Subscription, called: str, decision: Decision, why: str) -> None:
        order = self._store.wait(subscription.id, called, decision.step.value, decision.plan, self._clock(), why)
        self._writer.waits(order, subscription, why)
        raise Held(f"{called} waits for room to {decision.step.value}: {why}")

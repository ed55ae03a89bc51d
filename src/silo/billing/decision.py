"""Decides what happens to a tenant when its customer pays, or does not pay. Pure: no I/O, no state."""

from __future__ import annotations

import dataclasses
import datetime
import zoneinfo
from collections.abc import Iterable

from silo.billing.model import (
    ENDED,
    PAID,
    PURGED,
    TRASHED,
    ZONE_NAME,
    BillingTenant,
    Case,
    Contest,
    Decision,
    Holder,
    Invoice,
    Notice,
    Step,
    Subscription,
)
from silo.billing.policy import BillingPolicy

ZONE = zoneinfo.ZoneInfo(ZONE_NAME)


def decide(case: Case, policy: BillingPolicy, now: datetime.datetime) -> Decision:
    """Return the next step for the tenant of a subscription.

    It depends on the current state only, so events that are late, repeated or lost do not change it. A tenant loses
    nothing while another subscription pays for its name.
    """
    subscription, tenant = case.subscription, case.tenant
    clock = _clock(subscription, case.invoices, now)
    if clock is not None:
        return _unpaid(case, policy, clock, now)
    if subscription.status in PAID:
        return _paid(case, policy)
    extended = tenant and tenant.extended_until and today(now) < tenant.extended_until
    if subscription.status == "paused" and tenant and tenant.state == "running" and not extended:
        decision = Decision(Step.SUSPEND, "its trial ended without a payment method")
        return _contested(case, tenant, decision, policy, now) or decision
    return Decision(Step.NOTHING, f"its subscription is {subscription.status}, and no invoice is overdue")


def today(now: datetime.datetime) -> datetime.date:
    """Return the date in Switzerland, where the customers are, at that time."""
    return now.astimezone(ZONE).date()


def plan_of(subscription: Subscription, policy: BillingPolicy) -> str:
    """Return the plan that was bought; empty if the prices belong to no plan, or to several."""
    plans = {policy.plans[price] for price in subscription.prices if price in policy.plans}
    return plans.pop() if len(plans) == 1 else ""


def _clock(subscription: Subscription, invoices: Iterable[Invoice], now: datetime.datetime) -> datetime.datetime | None:
    """Return since when the tenant is unpaid: the first unpaid invoice or the end of the subscription, if earlier."""
    times = [since for one in invoices if (since := one.unpaid_since(now))]
    if subscription.status in ENDED:
        times.append(subscription.ended or now)
    return min(times, default=None)


def _paid(case: Case, policy: BillingPolicy) -> Decision:
    subscription, tenant = case.subscription, case.tenant
    plan = plan_of(subscription, policy)
    if tenant is None:
        if not subscription.name:
            because = "it is paid, but its metadata has no 'tenant'; add the ordered name to it at Stripe"
            return Decision(Step.NEEDS_ATTENTION, because)
        if not plan:
            return _unknown(subscription)
        if case.holder and not _succeeds(subscription, case.holder.name, case.holder.subscription):
            return _taken(subscription, case.holder)
        return Decision(Step.CREATE, "it is paid", plan)
    if tenant.state == TRASHED:
        return Decision(Step.RESTORE, "it is paid again, and its data is still in the trash")
    if tenant.state == PURGED:
        return Decision(Step.NEEDS_ATTENTION, f"it is paid again, but the data of {tenant.name} has been purged")
    if tenant.state == "suspended":
        return Decision(Step.START, "it is paid")
    if tenant.state != "running":
        return Decision(Step.NOTHING, f"it is paid, but {tenant.state} by the operator's choice")
    if not tenant.plan:
        return Decision(Step.NOTHING, "it is paid, and has its own quota in place of a plan")
    if not plan:
        return _unknown(subscription)
    if plan != tenant.plan:
        return Decision(Step.CHANGE, f"the customer changed the plan from {tenant.plan} to {plan}", plan)
    return Decision(Step.NOTHING, "it is paid", plan)


def _unknown(subscription: Subscription) -> Decision:
    prices = ", ".join(subscription.prices) or "none"
    return Decision(Step.NEEDS_ATTENTION, f"billing_plans must name exactly one plan for its prices ({prices})")


def _succeeds(subscription: Subscription, name: str, former: Subscription | None) -> bool:
    """Return whether a paid subscription may take over a tenant: same name, same customer, and the former one ended."""
    return bool(
        former and former.status in ENDED and former.customer == subscription.customer and subscription.name == name
    )


def _taken(subscription: Subscription, holder: Holder) -> Decision:
    """Leave an order to the operator, because its name is taken."""
    taken = "a tenant in the trash has its name" if holder.state == TRASHED else "another tenant has its name"
    if not holder.linked:
        link = f"'silo set {holder.name} --subscription {subscription.id}' links them"
        return Decision(Step.NEEDS_ATTENTION, f"{taken} and no subscription; {link}")
    former = holder.subscription
    status = former.status if former else "not known to Stripe"
    fix = "refund the order, or change 'tenant' in its metadata at Stripe"
    because = f"{taken} and belongs to {holder.linked} ({status}); {fix}"
    if former is None or former.status in PAID or holder.state != "suspended":
        return Decision(Step.NEEDS_ATTENTION, because)
    contest = Contest(holder.name, holder.state, former, (subscription,))
    return Decision(
        Step.NEEDS_ATTENTION, f"{because}. That tenant is suspended, although this order pays for it", contest=contest
    )


def _contested(
    case: Case, tenant: BillingTenant, decision: Decision, policy: BillingPolicy, now: datetime.datetime
) -> Decision | None:
    """Return the decision to make instead while others pay for the name, or None if nobody does."""
    claimed = (claim.subscription for claim in case.claims if _clock(claim.subscription, claim.invoices, now) is None)
    payers = tuple(sorted((one for one in claimed if one.status in PAID), key=lambda one: one.id))
    if not payers:
        return None
    for payer in payers:
        if plan_of(payer, policy) and _succeeds(payer, tenant.name, case.subscription):
            because = f"{decision.because}, and {payer.id} of the same customer takes it over"
            return Decision(Step.NOTHING, because, clock=decision.clock)
    names = " and ".join(f"{payer.id} of {payer.customer}" for payer in payers)
    because = (
        f"{decision.because}, but its name is paid for by {names}; it stays {tenant.state} until you decide whose it "
        f"is: 'silo set {tenant.name} --subscription {payers[0].id}' links it to that one"
    )
    contest = Contest(tenant.name, tenant.state, case.subscription, payers)
    return Decision(Step.NEEDS_ATTENTION, because, clock=decision.clock, contest=contest)


def _unpaid(case: Case, policy: BillingPolicy, clock: datetime.datetime, now: datetime.datetime) -> Decision:
    subscription, tenant = case.subscription, case.tenant
    start, day = today(clock), today(now)
    because = f"it has been unpaid since {start}"
    over = subscription.status in ENDED and clock == (subscription.ended or now)
    if over:
        because = f"its subscription ended on {start}"
    if tenant is None or tenant.state in (TRASHED, PURGED):
        return Decision(Step.NOTHING, because, clock=start)
    if tenant.state == "stopped":
        return Decision(Step.NOTHING, f"{because}, but the operator stopped it", clock=start)
    # Grace is for failed payments; a customer who cancels knows the last day.
    suspends = start if over else start + _days(policy.grace_days)
    deletes = start + _days(policy.deletion_days)
    extended = tenant.extended_until
    if extended is not None:
        suspends = max(suspends, extended)
    # After an extension, or a payment by another subscription, all announcements are still sent before a deletion.
    for held in filter(None, (extended, tenant.spared_until)):
        deletes = max(deletes, held + _days(policy.notices[0]))
    # If a letter named a later day, that day holds.
    deletes = max([deletes, *(notice.on for notice in tenant.notices)])
    if day >= deletes and not (tenant.state != "running" and _announced(tenant, deletes)):
        deletes = day + _days(policy.notices[0])
    decision = Decision(Step.NOTHING, because, "", start, suspends, deletes, link=_link(case.invoices, now))
    if extended is not None and day < extended:
        step = Step.START if tenant.state == "suspended" else Step.NOTHING
        return dataclasses.replace(decision, step=step, because=f"{because}, but it has time until {extended}")
    if contested := _contested(case, tenant, decision, policy, now):
        return contested
    decision = dataclasses.replace(decision, notice=_due(tenant, policy, deletes, day))
    if tenant.state == "running":
        if day < suspends:
            return dataclasses.replace(decision, pay_by=suspends)
        return dataclasses.replace(decision, step=Step.SUSPEND)
    return dataclasses.replace(decision, step=Step.DELETE) if day >= deletes else decision


def _announced(tenant: BillingTenant, on: datetime.date) -> bool:
    return any(notice.sent and notice.on == on for notice in tenant.notices)


def _due(tenant: BillingTenant, policy: BillingPolicy, on: datetime.date, day: datetime.date) -> Notice | None:
    """Return the announcement that is due, or None; if several were missed, only the last one."""
    due = [days for days in policy.notices if on - _days(days) <= day < on]
    written = [notice.days for notice in tenant.notices if notice.on == on]
    if not due or min(due) >= min(written, default=due[0] + 1):
        return None
    return Notice(on, min(due))


def _link(invoices: Iterable[Invoice], now: datetime.datetime) -> str:
    """Return the payment page of the oldest unpaid invoice that has one, or an empty text."""
    unpaid = [(since, one.link) for one in invoices if one.link and (since := one.unpaid_since(now))]
    return min(unpaid)[1] if unpaid else ""


def _days(number: int) -> datetime.timedelta:
    return datetime.timedelta(days=number)

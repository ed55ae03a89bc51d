"""Decides what happens to a tenant when its customer pays, or does not pay. Pure: no I/O, no state."""

from __future__ import annotations

import dataclasses
import datetime
import zoneinfo
from collections.abc import Iterable, Iterator

from silo.billing.model import (
    ENDED,
    OF_STRIPE,
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
    Note,
    Notice,
    Reason,
    Step,
    Subscription,
)
from silo.billing.money import money
from silo.billing.policy import BillingPolicy
from silo.billing.standing import BESIDE, Standing, is_paused_by_choice, reason_of, standing

ZONE = zoneinfo.ZoneInfo(ZONE_NAME)
NAME_FREE = "the name is free or linked, or the order names another"


def decide(case: Case, policy: BillingPolicy, now: datetime.datetime) -> Decision:
    """Return the next step for the tenant of a subscription; docs/explain/billing-decisions.md has the table.

    It depends on the current state only, so events that are late, repeated or lost do not change it. A tenant loses
    nothing while anything paid claims it.
    """
    now = case.subscription.now or now
    found = standing(case.subscription, case.invoices, policy, now)
    return dataclasses.replace(_decide(case, found, policy, now), notes=tuple(_notes(case, found)))


def _decide(case: Case, found: Standing, policy: BillingPolicy, now: datetime.datetime) -> Decision:
    subscription, tenant = case.subscription, case.tenant
    if tenant is None and _is_foreign(subscription, policy):
        return Decision(Step.NOTHING, "it buys nothing of silo, and names no tenant")
    if found.since is not None:
        return _unpaid(case, found, policy, now)
    if found.pays:
        return _with_deadline(_paid(case, found, policy), case, found, policy)
    if subscription.status == "paused" and tenant:
        return _paused(case, tenant, found, policy, now)
    if found.under_way:
        because, held = "a payment is under way", bool(tenant and tenant.state in ("suspended", "absent"))
        return Decision(Step.NOTHING, because, held=held)
    because = f"its subscription is {subscription.status}, and no invoice is overdue"
    return _with_deadline(Decision(Step.NOTHING, because), case, found, policy)


def today(now: datetime.datetime) -> datetime.date:
    """Return the date in Switzerland, where the customers are, at that time."""
    return now.astimezone(ZONE).date()


def plan_of(subscription: Subscription, policy: BillingPolicy) -> str:
    """Return the plan that was bought; empty if the prices belong to no plan or to several, or are bought twice."""
    bought = [(price, count) for price, count in _bought(subscription) if price in policy.plans]
    plans = {policy.plans[price] for price, _count in bought}
    return plans.pop() if len(plans) == 1 and all(count == 1 for _price, count in bought) else ""


def _bought(subscription: Subscription) -> list[tuple[str, int]]:
    """Return each price with its quantity; what has the quantity 0 is not bought."""
    counts = subscription.quantities or (1,) * len(subscription.prices)
    return [(price, count) for price, count in zip(subscription.prices, counts, strict=True) if count]


def _is_foreign(subscription: Subscription, policy: BillingPolicy) -> bool:
    """Return whether a subscription is of another product in the same account."""
    return not subscription.name and not any(price in policy.plans for price, _count in _bought(subscription))


def _paid(case: Case, found: Standing, policy: BillingPolicy) -> Decision:
    subscription, tenant = case.subscription, case.tenant
    if tenant is None:
        return _ordered(case, found, policy)
    if tenant.state == TRASHED:
        if found.under_way:
            return Decision(Step.NOTHING, "a payment is under way; what is in the trash is restored when it has come")
        return Decision(Step.RESTORE, "it is paid again, and its data is still in the trash")
    if tenant.state == PURGED:
        if found.under_way:
            return Decision(Step.NOTHING, "a payment is under way")
        because = f"it is paid again, but the data of {tenant.name} has been purged"
        return Decision(Step.NEEDS_ATTENTION, because, ends="the subscription is cancelled and refunded at Stripe")
    if tenant.state == "suspended" or (tenant.state == "absent" and tenant.reason in OF_STRIPE):
        return _back(subscription, tenant, found)
    if tenant.state != "running":
        return Decision(Step.NOTHING, f"it is paid, but {tenant.state} by the operator's choice")
    if not tenant.plan:
        return Decision(Step.NOTHING, "it is paid, and has its own quota in place of a plan")
    plan = plan_of(subscription, policy)
    if not plan:
        return _unknown(subscription)
    if plan == tenant.plan:
        return Decision(Step.NOTHING, "it is paid", plan)
    change = f"the customer changed the plan from {tenant.plan} to {plan}"
    if open_ones := [one for one in case.invoices if one.cause == "subscription_update" and one.is_owed]:
        because = f"{change}, but invoice {open_ones[0].id} for that is not paid; it keeps {tenant.plan} until then"
        return Decision(Step.NOTHING, because, tenant.plan)
    return Decision(Step.CHANGE, change, plan)


def _ordered(case: Case, found: Standing, policy: BillingPolicy) -> Decision:
    """Decide about a paid order that has no tenant."""
    subscription, plan = case.subscription, plan_of(case.subscription, policy)
    if found.under_way:
        return Decision(Step.NOTHING, "its first payment is under way; silo goes on when it has come")
    if found.confirm:
        return Decision(Step.NOTHING, "the customer has yet to confirm its payment")
    if not subscription.name:
        because = "it is paid, but its metadata has no 'tenant'; add the ordered name to it at Stripe"
        return Decision(Step.NEEDS_ATTENTION, because, ends="its metadata names a tenant")
    if not plan:
        return _unknown(subscription)
    if case.holder and not _succeeds(subscription, case.holder.name, case.holder.subscription):
        return _taken(subscription, case.holder)
    if case.holder and (case.holder.state, case.holder.reason) == (TRASHED, Reason.DISPUTED):
        return _disputed(subscription, case.holder)
    return Decision(Step.CREATE, "it is paid", plan)


def _disputed(subscription: Subscription, holder: Holder) -> Decision:
    """Leave it to the operator whether who disputed a payment gets back what is in the trash."""
    because = (
        f"{subscription.id} is a new order, and paid, but {holder.name} is in the trash after a dispute: "
        f"'silo undelete {holder.name}' brings it back; otherwise cancel and refund {subscription.id}"
    )
    ends = f"{holder.name} is restored, or {subscription.id} is cancelled and refunded at Stripe"
    return Decision(Step.NEEDS_ATTENTION, because, ends=ends)


def _back(subscription: Subscription, tenant: BillingTenant, found: Standing) -> Decision:
    """Start a tenant that is paid again, if it was not the operator who suspended it."""
    if tenant.reason == Reason.DISPUTED and tenant.since and today(subscription.created) >= tenant.since:
        because = (
            f"{subscription.id} is a new order, and paid, but {tenant.name} is {tenant.state} for a dispute since "
            f"{tenant.since}: 'silo start {tenant.name}' opens it; otherwise cancel and refund {subscription.id}"
        )
        ends = f"{tenant.name} is started, or {subscription.id} is cancelled and refunded at Stripe"
        return Decision(Step.NEEDS_ATTENTION, because, parked=True, ends=ends)
    if tenant.reason and tenant.reason not in OF_STRIPE:
        return Decision(Step.NOTHING, f"it is paid, but {tenant.state} by the operator's choice ({tenant.reason})")
    if found.waits(tenant.since):
        because = f"a payment is under way; it stays {tenant.state} until that has come"
        return Decision(Step.NOTHING, because, held=True)
    return Decision(Step.START, "it is paid")


def _with_deadline(decision: Decision, case: Case, found: Standing, policy: BillingPolicy) -> Decision:
    """Add the day until which the customer must confirm a payment at the bank."""
    tenant = case.tenant
    if found.confirm is None or tenant is None or tenant.state != "running" or decision.step is not Step.NOTHING:
        return decision
    until, invoice = found.confirm
    if invoice.cause in BESIDE:
        return decision
    pay_by = max(today(until), today(invoice.begun) + _days(policy.grace_days))
    if tenant.extended_until and pay_by <= tenant.extended_until:
        return decision
    because = f"{decision.because}; the customer must confirm the payment of {invoice.id} before {pay_by}"
    return dataclasses.replace(
        decision, because=because, pay_by=pay_by, suspends=pay_by, link=invoice.link, invoice=invoice, confirm=True
    )


def _paused(
    case: Case, tenant: BillingTenant, found: Standing, policy: BillingPolicy, now: datetime.datetime
) -> Decision:
    reason = reason_of(case.subscription, found)
    because = {
        Reason.TRIAL_OVER: "its trial ended without a payment method",
        Reason.PAUSED: "its subscription is paused",
    }.get(reason, "its subscription is paused, because a payment failed")
    extended = tenant.extended_until and today(now) < tenant.extended_until
    if tenant.state == "running" and not extended:
        decision = Decision(Step.SUSPEND, because, reason=reason)
        return _contested(case, tenant, decision, policy, now) or decision
    return _explained(tenant, Decision(Step.NOTHING, because, reason=reason))


def _explained(tenant: BillingTenant, decision: Decision) -> Decision:
    """Replace nothing by an explanation, if the tenant is suspended for a reason that is not true any more."""
    known = tenant.state == "suspended" and tenant.reason in OF_STRIPE and tenant.reason != decision.reason
    return dataclasses.replace(decision, step=Step.EXPLAIN) if known and decision.step is Step.NOTHING else decision


def _notes(case: Case, found: Standing) -> Iterator[Note]:
    """Yield what the operator must know of a subscription with a tenant, although nothing changes."""
    tenant = case.tenant
    if tenant is None or tenant.state in (TRASHED, PURGED):
        return
    for one in found.stuck:
        text = (
            f"Stripe could not finalise invoice {one.id}{_money(one)}: {one.problem}. Nobody is charged, and "
            f"{tenant.name} stays as it is. Correct the cause in Stripe's dashboard, and finalise the invoice there"
        )
        yield Note("not_finalised", one.id, text)
    for one in found.beside:
        what = f"a change of {tenant.name}" if one.cause in BESIDE else f"an earlier period of {tenant.name}"
        text = (
            f"Invoice {one.id}{_money(one)} for {what} is not paid. Silo does nothing about it until "
            f"{today(found.covered or one.begun)}, because {tenant.name} is paid until then. Remind the customer, or "
            "void the invoice in Stripe's dashboard"
        )
        yield Note("beside_unpaid", one.id, text)


def _money(invoice: Invoice) -> str:
    return f" of {money(invoice.amount, invoice.currency)}" if invoice.amount and invoice.currency else ""


def _unknown(subscription: Subscription) -> Decision:
    bought = [f"{count} x {price}" if count > 1 else price for price, count in _bought(subscription)]
    because = f"billing_plans must name exactly one plan for its prices ({', '.join(bought) or 'none'})"
    if any(count > 1 for _price, count in _bought(subscription)):
        because += ", each bought once; correct the quantity at Stripe, or cancel and refund the order"
    return Decision(Step.NEEDS_ATTENTION, because, ends="its prices belong to one plan, bought once")


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
        return Decision(Step.NEEDS_ATTENTION, f"{taken} and no subscription; {link}", ends=NAME_FREE)
    former = holder.subscription
    status = former.status if former else "not known to Stripe"
    fix = "refund the order, or change 'tenant' in its metadata at Stripe"
    because = f"{taken} and belongs to {holder.linked} ({status}); {fix}"
    if former is None or former.status in PAID or holder.state != "suspended":
        return Decision(Step.NEEDS_ATTENTION, because, ends=NAME_FREE)
    contest = Contest(holder.name, holder.state, former, (subscription,))
    because = f"{because}. That tenant is suspended, although this order pays for it"
    return Decision(Step.NEEDS_ATTENTION, because, contest=contest, ends=NAME_FREE)


def _contested(
    case: Case, tenant: BillingTenant, decision: Decision, policy: BillingPolicy, now: datetime.datetime
) -> Decision | None:
    """Return the decision to make instead while others pay for the name, or None if nobody does."""
    claims = sorted(case.claims, key=lambda claim: claim.subscription.id)
    known = [(one.subscription, standing(one.subscription, one.invoices, policy, now)) for one in claims]
    # What was paid before, and has yet to be confirmed this time, is not unpaid; a first order that is not, is nothing.
    coming = [one for one, owes in known if owes.under_way or (owes.since is None and owes.confirm and owes.covered)]
    paid = [one for one, owes in known if owes.pays and not owes.confirm]
    payers = tuple(one for one in paid if one not in coming)
    if not payers and coming:
        because = f"{decision.because}, but a payment of {coming[0].id} for its name is under way"
        return Decision(Step.NOTHING, because, clock=decision.clock, reason=decision.reason, held=True)
    if not payers:
        return None
    for payer in payers:
        if plan_of(payer, policy) and _succeeds(payer, tenant.name, case.subscription):
            because = f"{decision.because}, and {payer.id} of the same customer takes it over"
            return Decision(Step.NOTHING, because, clock=decision.clock, reason=decision.reason)
    names = " and ".join(f"{payer.id} of {payer.customer}" for payer in payers)
    because = (
        f"{decision.because}, but its name is paid for by {names}; it stays {tenant.state} until you decide whose it "
        f"is: 'silo set {tenant.name} --subscription {payers[0].id}' links it to that one"
    )
    contest = Contest(tenant.name, tenant.state, case.subscription, payers)
    ends, clock, reason = "only one subscription is paid for it", decision.clock, decision.reason
    return Decision(Step.NEEDS_ATTENTION, because, clock=clock, contest=contest, reason=reason, held=True, ends=ends)


def _unpaid(case: Case, found: Standing, policy: BillingPolicy, now: datetime.datetime) -> Decision:
    subscription, tenant = case.subscription, case.tenant
    start, day = today(found.since or now), today(now)
    reason = reason_of(subscription, found)
    over = subscription.status in ENDED and found.since == (subscription.ended or now)
    because = f"its {_what_ended(reason)} ended on {start}" if over else f"it has been unpaid since {start}"
    if subscription.status in ENDED and not over:
        because = f"{because}, and its subscription has ended"
    decision = Decision(Step.NOTHING, because, "", start, reason=reason, invoice=found.oldest)
    if tenant is None or tenant.state in (TRASHED, PURGED):
        return decision
    if tenant.state == "stopped":
        return dataclasses.replace(decision, because=f"{because}, but the operator stopped it")
    # An open invoice beside a pause gives no more time than the pause alone.
    suspends, deletes = _days_of(start, over or is_paused_by_choice(subscription), tenant, policy, day)
    link = _link(case.invoices, policy, now)
    decision = dataclasses.replace(decision, suspends=suspends, deletes=deletes, link=link)
    extended = tenant.extended_until
    if extended is not None and day < extended:
        step = Step.START if tenant.state == "suspended" and tenant.reason != Reason.DISPUTED else Step.NOTHING
        return dataclasses.replace(decision, step=step, because=f"{because}, but it has time until {extended}")
    if contested := _contested(case, tenant, decision, policy, now):
        return contested
    # Neither what is paid nor what may be paid already ends in a deletion; afterwards all letters are sent again.
    coming, lasts = bool(found.under_way), subscription.status not in ENDED and _lasts(found, now)
    if coming or lasts:
        why = "a payment is under way" if coming else f"another period is paid until {today(found.covered or now)}"
        held = tenant.state != "running"
        decision = dataclasses.replace(decision, because=f"{because}, but {why}", deletes=None, held=held)
    else:
        decision = dataclasses.replace(decision, notice=_due(tenant, policy, deletes, day))
    if tenant.state == "running":
        if day < suspends:
            # To pay the bill of a subscription that has ended keeps nothing open.
            return decision if subscription.status in ENDED else dataclasses.replace(decision, pay_by=suspends)
        return dataclasses.replace(decision, step=Step.SUSPEND)
    if decision.deletes and day >= decision.deletes:
        return dataclasses.replace(decision, step=Step.DELETE)
    return _explained(tenant, decision)


def _what_ended(reason: Reason) -> str:
    return "trial" if reason is Reason.TRIAL_OVER else "subscription"


def _lasts(found: Standing, now: datetime.datetime) -> bool:
    """Return whether a period is paid that is not over, although an earlier one is not."""
    return found.covered is not None and found.covered > now and found.since is not None and found.covered > found.since


def _days_of(
    start: datetime.date, known: bool, tenant: BillingTenant, policy: BillingPolicy, day: datetime.date
) -> tuple[datetime.date, datetime.date]:
    """Return the days of the suspension and of the deletion, if nothing is paid that is due since `start`.

    `known` is whether the customer knew the last day, and needs no grace.
    """
    extended, spared = tenant.extended_until, tenant.spared_until
    # Grace is for failed payments; a customer who cancels knows the last day.
    suspends = start if known else start + _days(policy.grace_days)
    if extended is not None:
        suspends = max(suspends, extended)
    # After an extension, or a payment by another subscription, all announcements are still sent before a deletion.
    deletes = start + _days(policy.deletion_days)
    for held in filter(None, (extended, spared)):
        deletes = max(deletes, held + _days(policy.notices[0]))
    # If a letter named a later day, that day holds.
    deletes = max([deletes, *(notice.on for notice in tenant.notices)])
    if day >= deletes and not (tenant.state != "running" and _announced(tenant, deletes)):
        deletes = day + _days(policy.notices[0])
    return suspends, deletes


def _announced(tenant: BillingTenant, on: datetime.date) -> bool:
    return any(notice.sent and notice.on == on for notice in tenant.notices)


def _due(tenant: BillingTenant, policy: BillingPolicy, on: datetime.date, day: datetime.date) -> Notice | None:
    """Return the announcement that is due, or None; if several were missed, only the last one."""
    due = [days for days in policy.notices if on - _days(days) <= day < on]
    written = [notice.days for notice in tenant.notices if notice.on == on]
    if not due or min(due) >= min(written, default=due[0] + 1):
        return None
    return Notice(on, min(due))


def _link(invoices: Iterable[Invoice], policy: BillingPolicy, now: datetime.datetime) -> str:
    """Return the payment page of the oldest unpaid invoice that has one, or an empty text."""
    unpaid = [
        (since, one.link) for one in invoices if one.link and (since := one.unpaid_since(now, policy.action_days))
    ]
    return min(unpaid)[1] if unpaid else ""


def _days(number: int) -> datetime.timedelta:
    return datetime.timedelta(days=number)

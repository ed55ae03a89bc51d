"""Forecasts what happens to tenants if nobody pays, with the same function that decides. Pure: no I/O, no state."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable, Iterator, Sequence

from silo.billing.decision import ZONE, decide, today
from silo.billing.model import TRASHED, BillingTenant, Case, Claim, Decision, Step, Subscription
from silo.billing.policy import BillingPolicy

DAYS = 45
# The most steps for one tenant on one day; more would be a loop.
STEPS = 4
WAITS = (Step.NOTHING, Step.NEEDS_ATTENTION)


@dataclasses.dataclass(frozen=True)
class Coming:
    """A step for a tenant, or a letter (`deletion_announced`, `payment_failed`), on a day.

    NEEDS_ATTENTION appears only on the day on which it begins. `asked` is true for steps above the daily limit, which
    wait for the operator.
    """

    day: datetime.date
    tenant: str
    subscription: str
    what: str
    because: str
    asked: bool = False
    reason: str = ""


def forecast(
    cases: Iterable[Case], policy: BillingPolicy, now: datetime.datetime, days: int = DAYS
) -> tuple[Coming, ...]:
    """Return what happens in the next `days` days, today included, sorted by day and tenant."""
    coming = [one for case in cases for one in _of(case, policy, now, days)]
    coming.sort(key=lambda one: (one.day, one.tenant, one.subscription))
    return tuple(_limited(coming, policy))


def _of(case: Case, policy: BillingPolicy, now: datetime.datetime, days: int) -> Iterator[Coming]:
    reminded = set(case.tenant.reminded if case.tenant else ())
    waits_for_operator = False
    for offset in range(days):
        at = _end_of_day(today(now) + datetime.timedelta(days=offset)) if offset else now
        for _again in range(STEPS):
            then = _then(case, at)
            decision = decide(then, policy, at)
            name = case.tenant.name if case.tenant else case.subscription.name
            if decision.step is not Step.NEEDS_ATTENTION or not waits_for_operator:
                for what, because in _events(decision, reminded):
                    reason = decision.reason.value if decision.reason else ""
                    yield Coming(today(at), name, case.subscription.id, what, because, reason=reason)
            waits_for_operator = decision.step is Step.NEEDS_ATTENTION
            case = dataclasses.replace(case, tenant=after(decision, then, today(at)))
            if decision.step in WAITS:
                break


def _events(decision: Decision, reminded: set[datetime.date]) -> Iterator[tuple[str, str]]:
    if decision.notice:
        yield "deletion_announced", f"for {decision.notice.on}"
    if decision.pay_by and decision.pay_by not in reminded:
        reminded.add(decision.pay_by)
        kind = "confirm_payment" if decision.confirm else "payment_failed"
        yield kind, f"to be {'confirmed' if decision.confirm else 'paid'} before {decision.pay_by}"
    if decision.step is not Step.NOTHING:
        yield decision.step.value, decision.because


def after(decision: Decision, case: Case, day: datetime.date) -> BillingTenant | None:
    """Return the tenant after a decision was carried out on a day."""
    tenant = case.tenant
    if decision.step is Step.CREATE:
        return BillingTenant(case.subscription.name, "running", decision.plan)
    if tenant is None:
        return None
    if decision.held:
        return dataclasses.replace(tenant, spared_until=day + datetime.timedelta(days=1))
    if decision.notice:
        notice = dataclasses.replace(decision.notice, sent=True)
        tenant = dataclasses.replace(tenant, notices=(*tenant.notices, notice))
    if decision.step is Step.CHANGE:
        return dataclasses.replace(tenant, plan=decision.plan)
    if decision.step in (Step.SUSPEND, Step.EXPLAIN):
        reason = decision.reason.value if decision.reason else ""
        return dataclasses.replace(tenant, state="suspended", reason=reason, since=day)
    states = {Step.START: "running", Step.RESTORE: "running", Step.DELETE: TRASHED}
    return dataclasses.replace(tenant, state=states.get(decision.step, tenant.state))


def _then(case: Case, at: datetime.datetime) -> Case:
    """Return a case as it will be at a time: with each subscription ended whose scheduled end has passed."""
    holder = case.holder
    if holder and holder.subscription:
        holder = dataclasses.replace(holder, subscription=_ended(holder.subscription, at))
    claims = tuple(Claim(_ended(claim.subscription, at), claim.invoices) for claim in case.claims)
    return dataclasses.replace(case, subscription=_ended(case.subscription, at), claims=claims, holder=holder)


def _ended(subscription: Subscription, at: datetime.datetime) -> Subscription:
    ends = subscription.ends
    if ends is None or ends > at or subscription.ended:
        return subscription
    return dataclasses.replace(subscription, status="canceled", ended=ends)


def _end_of_day(day: datetime.date) -> datetime.datetime:
    return datetime.datetime.combine(day, datetime.time(23, 59, 59), ZONE)


def _limited(coming: Sequence[Coming], policy: BillingPolicy) -> Iterator[Coming]:
    most = {Step.SUSPEND.value: policy.suspensions_per_day, Step.DELETE.value: policy.deletions_per_day}
    count: dict[tuple[datetime.date, str], int] = {}
    for one in coming:
        key = one.day, one.what
        count[key] = count.get(key, 0) + 1
        yield dataclasses.replace(one, asked=True) if count[key] > most.get(one.what, len(coming)) else one

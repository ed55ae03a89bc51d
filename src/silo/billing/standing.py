"""What the invoices of a subscription mean together: since when it is unpaid, and what is under way. Pure."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable

from silo.billing.model import ENDED, PAID, Claim, Invoice, Reason, Subscription
from silo.billing.policy import BillingPolicy

# Invoices for something beside the periods, such as a larger plan in the middle of one.
BESIDE = frozenset(
    ("subscription_update", "subscription_threshold", "manual", "automatic_pending_invoice_item_invoice")
)
# The states of a subscription with an invoice that is not paid.
OWES = frozenset(("past_due", "unpaid"))
# What Stripe gives as the cause of an end or a pause, and what it means to a customer.
ENDS = {"payment_disputed": Reason.DISPUTED}
PAUSES = {
    "pause_requested": Reason.PAUSED,
    "system": Reason.PAUSED,
    "first_payment_failure": Reason.UNPAID,
    "final_payment_failure": Reason.UNPAID,
}


@dataclasses.dataclass(frozen=True)
class Standing:
    """What a subscription owes. `since` is when the first of it became unpaid or the subscription ended, or None.

    `oldest` is the unpaid invoice that must be paid first. `under_way` are those with a payment on its way, `confirm`
    the one whose payment the customer must confirm, with the last moment for it. `beside` are unpaid ones that do not
    count yet, because a later period is paid; `covered` is the end of what is paid. `stuck` are drafts that Stripe
    could not finalise. `pays` is whether it gives a right to a tenant.
    """

    since: datetime.datetime | None = None
    oldest: Invoice | None = None
    under_way: tuple[Invoice, ...] = ()
    confirm: tuple[datetime.datetime, Invoice] | None = None
    beside: tuple[Invoice, ...] = ()
    covered: datetime.datetime | None = None
    stuck: tuple[Invoice, ...] = ()
    pays: bool = False

    def waits(self, before: datetime.date | None) -> bool:
        """Return whether a payment is under way for something that was owed on a day; None for any day."""
        return any(before is None or one.begun.date() <= before for one in self.under_way)


def standing(
    subscription: Subscription, invoices: Iterable[Invoice], policy: BillingPolicy, now: datetime.datetime
) -> Standing:
    """Return what a subscription owes at a time."""
    known = sorted(invoices, key=lambda one: (one.created, one.id))
    covered = _covered(subscription, known)
    unpaid: list[tuple[datetime.datetime, str, Invoice]] = []
    beside: list[Invoice] = []
    confirm: list[tuple[datetime.datetime, str, Invoice]] = []
    for one in known:
        if (until := one.action_ends(policy.action_days)) and now < until:
            confirm.append((until, one.id, one))
        since = one.unpaid_since(now, policy.action_days)
        if since is None or _is_written_off(one, since, subscription, covered, policy):
            continue
        # An invoice for an upgrade, or one of an earlier period, does not end a period that is paid.
        paid_until = covered if covered is not None and covered > since and _may_wait(one, policy) else None
        if paid_until is not None and paid_until > now:
            beside.append(one)
        else:
            unpaid.append((paid_until or since, one.id, one))
    first = min(unpaid, key=lambda each: each[:2], default=None)
    times = [] if first is None else [first[0]]
    if subscription.status in ENDED:
        times.append(subscription.ended or now)
    last = min(confirm, key=lambda each: each[:2], default=None)
    under_way = tuple(one for one in known if one.is_under_way)
    # Stripe looks at the latest invoice alone, of which the customer may owe nothing: it is beside the period that is
    # paid, to be confirmed, or its payment is under way.
    alive = subscription.status in PAID or (subscription.status in OWES and bool(beside or confirm or under_way))
    return Standing(
        pays=alive and not times,
        since=min(times, default=None),
        oldest=first[2] if first else None,
        under_way=under_way,
        confirm=(last[0], last[2]) if last else None,
        beside=tuple(beside),
        covered=covered,
        stuck=tuple(one for one in known if one.status == "draft" and one.problem),
    )


def _may_wait(invoice: Invoice, policy: BillingPolicy) -> bool:
    """Return whether an unpaid invoice waits for the end of a later period that is paid."""
    return invoice.status != "uncollectible" or policy.written_off == "until_paid" or invoice.cause in BESIDE


def lasts(claim: Claim, policy: BillingPolicy, now: datetime.datetime) -> bool:
    """Return whether a subscription is paid, or a payment for it is under way."""
    found = standing(claim.subscription, claim.invoices, policy, claim.subscription.now or now)
    return bool(found.under_way) or found.pays


def reason_of(subscription: Subscription, found: Standing) -> Reason:
    """Return why a subscription that is unpaid, over or paused gives no right to a tenant."""
    if subscription.status in ENDED:
        over = subscription.trial_ends is not None and subscription.ended == subscription.trial_ends
        # Who cancelled with an open bill must order anew as well: to pay the bill alone brings nothing back.
        return ENDS.get(subscription.end_cause, Reason.TRIAL_OVER if over else Reason.CANCELLED)
    if found.since is not None or subscription.status != "paused":
        return Reason.UNPAID
    return PAUSES.get(subscription.paused_cause, Reason.TRIAL_OVER)


def is_paused_by_choice(subscription: Subscription) -> bool:
    """Return whether a subscription is paused for another reason than a failed payment."""
    return subscription.status == "paused" and PAUSES.get(subscription.paused_cause) is not Reason.UNPAID


def _covered(subscription: Subscription, invoices: Iterable[Invoice]) -> datetime.datetime | None:
    """Return until when what was paid, or a trial, lasts; None if nothing is known of it."""
    ends = [one.covers for one in invoices if one.status == "paid" and one.covers]
    if subscription.status == "trialing" and subscription.trial_ends:
        ends.append(subscription.trial_ends)
    return max(ends, default=None)


def _is_written_off(
    invoice: Invoice,
    since: datetime.datetime,
    subscription: Subscription,
    covered: datetime.datetime | None,
    policy: BillingPolicy,
) -> bool:
    """Return whether an invoice that the operator wrote off is forgiven."""
    if invoice.status != "uncollectible":
        return False
    later = covered is not None and covered > since
    return subscription.free or (policy.written_off == "until_paid" and later)

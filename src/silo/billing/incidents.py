"""The letters to the operator about disputes and refunds, which change no tenant."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t
from collections.abc import Mapping

from ansible_collections.swissphoto.silo.plugins.module_utils.common.text import printable

from silo.billing.decision import today
from silo.billing.money import money

# What a bank or the operator gave as the reason is a word of Stripe.
LONGEST = 100


@dataclasses.dataclass(frozen=True)
class OperatorLetter:
    """A letter to the operator."""

    subject: str
    text: str


def incident(kind: str, about: Mapping[str, t.Any], customer: str, subscription: str, tenant: str) -> OperatorLetter:
    """Return the letter about a dispute or a refund, from the object in its event.

    `customer`, `subscription` and `tenant` are those of the payment, empty where Stripe or the inventory knows none.
    """
    disputed = kind == "charge.dispute.created"
    what = "disputes a payment at the bank" if disputed else "got a refund"
    customer = customer or _word(about.get("customer"))
    amount = about.get("amount") if disputed else about.get("amount_refunded")
    lines = [
        f"A customer {what}. Silo changed nothing, because a tenant depends only on its subscription and its invoices.",
        "",
        f"Customer: {customer or 'not known to silo'}",
        f"Tenant: {tenant or 'none'}",
        f"Subscription: {subscription or 'none'}",
        f"Amount: {_money(amount, about.get('currency'))}",
        f"Charge: {_word(about.get('charge') or about.get('id'))}",
        *_cause(about, disputed),
        "",
        _next(tenant, subscription, disputed),
    ]
    return OperatorLetter(f"A customer {what}", "\n".join(lines))


def _cause(about: Mapping[str, t.Any], disputed: bool) -> list[str]:
    if not disputed:
        refunds = "all of it" if about.get("refunded") else "a part of it"
        return [f"Cause: you, or somebody with your account, refunded {refunds}"]
    lines = [f"Cause: {_word(about.get('reason')) or 'not given'}"]
    details = about.get("evidence_details")
    due = details.get("due_by") if isinstance(details, dict) else None
    if isinstance(due, int) and 0 < due < 2**40:
        lines.append(f"Answer before: {today(datetime.datetime.fromtimestamp(due, datetime.UTC))}")
    return lines


def _next(tenant: str, subscription: str, disputed: bool) -> str:
    if not tenant:
        return "Next: examine the charge in Stripe's dashboard."
    stop = f"'silo stop {tenant} --because disputed' suspends it until you start it; "
    end = f"to end it, cancel {subscription} there"
    return f"Next: examine the charge in Stripe's dashboard. {stop if disputed else ''}{end}."


def _word(value: t.Any) -> str:
    return printable(str(value or ""), LONGEST)


def _money(amount: t.Any, currency: t.Any) -> str:
    if not isinstance(amount, int) or not isinstance(currency, str):
        return "not given"
    return money(amount, _word(currency))

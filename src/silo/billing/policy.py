"""The rules of billing: reads and checks the `billing_*` variables of the inventory that define them."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping
from types import MappingProxyType

from silo.billing.errors import BillingError

PLANS = "billing_plans"
NOTICES = "billing_notices"
WRITTEN_OFF = "billing_written_off"
WRITTEN_OFF_CHOICES = ("until_paid", "unpaid")
# By field of BillingPolicy: the variable of the inventory and its smallest valid value.
NUMBERS: Mapping[str, tuple[str, int]] = {
    "grace_days": ("billing_grace_days", 0),
    "action_days": ("billing_action_days", 0),
    "deletion_days": ("billing_deletion_days", 1),
    "suspensions_per_day": ("billing_suspensions_per_day", 1),
    "deletions_per_day": ("billing_deletions_per_day", 1),
}
# Variables of the platform that the services need.
HOST, CA_FILE = "billing_host", "silo_ca_file"
# What the pages of the checkout show, and to which pages of Stripe they lead.
CHECKOUT, BRAND, CONTACT, PAYMENT_PAGES = (
    f"billing_checkout_{name}" for name in ("enabled", "brand", "contact_email", "payment_pages")
)
_NUMBERS = (variable for variable, _least in NUMBERS.values())
VARIABLES = (PLANS, NOTICES, WRITTEN_OFF, HOST, CA_FILE, CHECKOUT, BRAND, CONTACT, PAYMENT_PAGES, *_NUMBERS)


@dataclasses.dataclass(frozen=True)
class BillingPolicy:
    """The rules. `plans` maps prices (price_...) to plans; days count from the first unpaid day.

    `notices` are the numbers of days before a deletion at which silo announces it, the largest first. A customer has
    `action_days` to confirm a payment. `written_off` is until when a written-off invoice is unpaid: until a later
    period is paid, or for ever.
    """

    plans: Mapping[str, str] = dataclasses.field(default_factory=dict)
    grace_days: int = 0
    deletion_days: int = 30
    notices: tuple[int, ...] = (14, 7, 1)
    suspensions_per_day: int = 5
    deletions_per_day: int = 3
    action_days: int = 3
    written_off: str = "until_paid"

    @classmethod
    def of(cls, variables: Mapping[str, t.Any]) -> BillingPolicy:
        """Read the variables of an inventory; raises BillingError for the first one that is invalid."""
        plans = variables.get(PLANS)
        if not isinstance(plans, dict) or not all(isinstance(part, str) for pair in plans.items() for part in pair):
            raise BillingError(f"{PLANS} is {plans!r}; it must map prices to plans, such as price_1Qx: small")
        numbers = {field: _number(variables, *known) for field, known in NUMBERS.items()}
        notices = variables.get(NOTICES)
        if not isinstance(notices, list) or not notices or not all(type(one) is int and one > 0 for one in notices):
            raise BillingError(f"{NOTICES} is {notices!r}; it must list days before a deletion, such as [14, 7, 1]")
        if (written_off := variables.get(WRITTEN_OFF)) not in WRITTEN_OFF_CHOICES:
            raise BillingError(f"{WRITTEN_OFF} is {written_off!r}; it must be one of {', '.join(WRITTEN_OFF_CHOICES)}")
        policy = cls(
            MappingProxyType(plans),
            notices=tuple(sorted(set(notices), reverse=True)),
            written_off=written_off,
            **numbers,
        )
        least = policy.grace_days + policy.notices[-1]
        if policy.deletion_days <= least:
            raise BillingError(
                f"billing_deletion_days is {policy.deletion_days}; it must be more than {least}, "
                "because silo announces a deletion after the grace days"
            )
        return policy


def _number(variables: Mapping[str, t.Any], variable: str, least: int) -> int:
    value = variables.get(variable)
    if type(value) is not int or value < least:
        raise BillingError(f"{variable} is {value!r}; it must be a whole number, {least} or more")
    return value

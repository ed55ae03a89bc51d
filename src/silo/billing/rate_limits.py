"""Brakes: a wrong clock, price or rule suspends or deletes a few tenants, not all of them."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

from silo.billing.model import Step
from silo.billing.policy import BillingPolicy
from silo.billing.state_store import Notes

KEY = "brakes"
BRAKED = (Step.SUSPEND, Step.DELETE)


def most(policy: BillingPolicy) -> Mapping[Step, int]:
    """Return how many of each step one day allows."""
    return {Step.SUSPEND: policy.suspensions_per_day, Step.DELETE: policy.deletions_per_day}


class Brakes:
    """Counts by day; one more than a day allows closes the brake, until the operator opens it."""

    def __init__(self, notes: Notes, policy: BillingPolicy) -> None:
        """Keep the counts in `notes`."""
        self._notes, self._most = notes, most(policy)

    def admit(self, step: Step, tenant: str, day: datetime.date) -> bool:
        """Tell whether a step may be made with a tenant; what is tried again on the same day counts once."""
        with self._notes.open() as kept:
            brake = kept.setdefault(KEY, {}).setdefault(step.value, {"day": "", "tenants": [], "closed": ""})
            if brake["day"] == day.isoformat() and tenant in brake["tenants"]:
                return True
            if brake["closed"]:
                return False
            if brake["day"] != day.isoformat():
                brake |= {"day": day.isoformat(), "tenants": []}
            if len(brake["tenants"]) >= self._most[step]:
                brake["closed"] = day.isoformat()
                return False
            brake["tenants"].append(tenant)
            return True

    def closed(self) -> Mapping[Step, str]:
        """Return the steps that wait for the operator, each with the day (ISO 8601) since which it does."""
        with self._notes.open() as kept:
            since = {step: kept.get(KEY, {}).get(step.value, {}).get("closed", "") for step in BRAKED}
        return {step: day for step, day in since.items() if day}

    def release(self) -> None:
        """Open the brakes, and count the day anew: the operator has looked at what waits."""
        with self._notes.open() as kept:
            kept.pop(KEY, None)

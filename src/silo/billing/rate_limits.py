"""Daily limits, so that a wrong clock, price or rule suspends or deletes only a few tenants."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

from silo.billing.model import Step
from silo.billing.policy import BillingPolicy
from silo.billing.state_store import StateStore

KEY = "rate_limits"
LIMITED = (Step.SUSPEND, Step.DELETE)


def most(policy: BillingPolicy) -> Mapping[Step, int]:
    """Return the daily limit of each step."""
    return {Step.SUSPEND: policy.suspensions_per_day, Step.DELETE: policy.deletions_per_day}


class RateLimits:
    """Counts steps by day. A step above the daily limit stops all further ones, until the operator releases them."""

    def __init__(self, store: StateStore, policy: BillingPolicy) -> None:
        """Keep the counts in `store`."""
        self._store, self._most = store, most(policy)

    def admit(self, step: Step, tenant: str, day: datetime.date) -> bool:
        """Count a step, and return whether it is allowed; retries for a tenant on the same day count once."""
        with self._store.open() as kept:
            count = kept.setdefault(KEY, {}).setdefault(step.value, {"day": "", "tenants": [], "reached": ""})
            if count["day"] == day.isoformat() and tenant in count["tenants"]:
                return True
            if count["reached"]:
                return False
            if count["day"] != day.isoformat():
                count |= {"day": day.isoformat(), "tenants": []}
            if len(count["tenants"]) >= self._most[step]:
                count["reached"] = day.isoformat()
                return False
            count["tenants"].append(tenant)
            return True

    def reached(self) -> Mapping[Step, str]:
        """Return the steps that wait for the operator, each with the day (ISO 8601) on which it reached the limit."""
        with self._store.open() as kept:
            since = {step: kept.get(KEY, {}).get(step.value, {}).get("reached", "") for step in LIMITED}
        return {step: day for step, day in since.items() if day}

    def release(self) -> None:
        """Reset the counts, after the operator has reviewed what waits."""
        with self._store.open() as kept:
            kept.pop(KEY, None)

"""A state that a tenant should be in: as settings of its file, and as the letter that its customer gets."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping

from silo.inventory.validation import Tenant
from silo.notifications import ZONE

# The reason for a state that nobody gives another one for.
BY_DEFAULT = {"suspended": "unpaid"}


@dataclasses.dataclass(frozen=True)
class DesiredState:
    """A state of validation.STATES, and why a tenant should be in it.

    `reason` is one of validation.REASONS, by default `unpaid` for a suspension and `operator` for what else does not
    run; `since` is the day, by default today. `link` is where this customer can pay, empty for the platform's page.
    """

    state: str
    reason: str = ""
    since: datetime.date | None = None
    link: str = ""

    @property
    def why(self) -> str | None:
        """The reason as it is written; None where the tenant runs, which needs none."""
        return None if self.state == "running" else self.reason or BY_DEFAULT.get(self.state, "operator")

    def settings(self, written: Mapping[str, object]) -> dict[str, str | None]:
        """Return the settings to write over those of a tenant's file, without prefix; a state that stays keeps its day.

        None takes a setting away.
        """
        settings = {"state": self.state, "state_reason": self.why}
        if self.why is None:
            settings["state_since"] = None
        elif (written.get("tenant_state"), written.get("tenant_state_reason")) != (self.state, self.why):
            settings["state_since"] = (self.since or datetime.datetime.now(ZONE).date()).isoformat()
        return settings

    def letter(self, was: Tenant | None) -> str:
        """Return the letter on this state, or on another reason for it, where the tenant `was` not so; empty for none.

        A customer gets one where it is about the bill.
        """
        before, why = (was.state, was.settings.get("tenant_state_reason")) if was else ("", None)
        if self.state == "suspended" and (before != self.state or (why and why != self.why)):
            return "suspended"
        return "restored" if self.state == "running" and before == "suspended" else ""

"""The interface between the worker, which knows only the order of events, and the rules, which know what they mean."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping, Sequence


@dataclasses.dataclass(frozen=True)
class EventOutcome:
    """The result of an event. `message` is a sentence for the log, such as "hans is suspended", without secrets."""

    message: str


class Rules(t.Protocol):
    """The rules. The worker may call each method late, twice, out of order, and again after an interruption.

    They raise TryLater if a retry may succeed, and NeedsAttention if only the operator can go on.
    """

    def settle(self, subscription: str) -> EventOutcome:
        """Bring the tenant of a subscription (sub_...) to the state that Stripe requires now."""

    def consider(self, event: Mapping[str, t.Any]) -> EventOutcome:
        """Process an event without a subscription, such as a dispute."""

    def waiting(self) -> Sequence[str]:
        """Return the subscriptions for which something waits that no event will settle, such as an order for room."""

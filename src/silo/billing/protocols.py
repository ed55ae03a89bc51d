"""What the worker asks of those who know the rules. It knows events, an id and an order; they know all of the rest."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class EventOutcome:
    """What an event came to. `message` is a sentence for the log, such as "hans is suspended"; it names no secret."""

    message: str


class Rules(t.Protocol):
    """Both may be called again after they were cut off anywhere, late, twice and out of order.

    They raise TryLater where it may go better later, and NeedsAttention where nothing can be done without the operator.
    """

    def settle(self, subscription: str) -> EventOutcome:
        """Bring the tenant of a subscription (sub_...) to what Stripe says of it now."""

    def consider(self, event: Mapping[str, t.Any]) -> EventOutcome:
        """See what an event without a subscription asks for, such as a dispute."""

"""What became of the requests: numbers for Prometheus, and a line in the journal now and then."""

from __future__ import annotations

import collections
import time
from collections.abc import Callable, Iterator

from ansible_collections.swissphoto.silo.plugins.module_utils.common.systemd import WARNING

from .answers import OUTCOMES, Outcome

# More tenants than a server can have addresses for.
MOST_TENANTS = 4096
OTHER = "other"
# `silo verify` asks by this name what must be refused; no tenant can have it.
NOBODY = "silo"
QUIET_SECONDS = 60.0


class Counts:
    """One number for each tenant and outcome; a tenant can make them larger, and never more."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        tell: Callable[[str], None] = lambda line: print(line, flush=True),
    ) -> None:
        """Begin at nothing. `tell` writes a line to the journal."""
        self._clock, self._tell = clock, tell
        self._numbers: dict[str, collections.Counter[Outcome]] = {}
        self._told: dict[str, float] = {}
        self._untold: collections.Counter[str] = collections.Counter()

    def add(self, tenant: str, outcome: Outcome, why: str = "") -> None:
        """Count a request; tell the journal why it was refused, of one tenant once in a minute."""
        if tenant == NOBODY:
            return
        name = tenant if tenant in self._numbers or len(self._numbers) < MOST_TENANTS else OTHER
        self._numbers.setdefault(name, collections.Counter())[outcome] += 1
        if outcome == "answered" or outcome == "busy":
            return
        now = self._clock()
        if now - self._told.get(name, -QUIET_SECONDS) < QUIET_SECONDS:
            self._untold[name] += 1
            return
        more = f" (and {self._untold[name]} more since the last line)" if self._untold[name] else ""
        self._told[name] = now
        self._untold.pop(name, None)
        self._tell(f"{WARNING}{name}: a request of its photo server is {outcome}: {why}{more}")

    def lines(self, requests: int, held: int) -> Iterator[str]:
        """Yield Prometheus' text format, with what is under way."""
        yield "# HELP silo_learning_requests_total Requests of a tenant to the machine learning, by outcome."
        yield "# TYPE silo_learning_requests_total counter"
        for tenant, numbers in sorted(self._numbers.items()):
            for outcome in OUTCOMES:
                yield f'silo_learning_requests_total{{tenant="{tenant}",outcome="{outcome}"}} {numbers[outcome]}'
        yield "# HELP silo_learning_requests Requests to the machine learning that are under way."
        yield "# TYPE silo_learning_requests gauge"
        yield f"silo_learning_requests {requests}"
        yield "# HELP silo_learning_held_bytes Bytes that the bodies of these requests may have."
        yield "# TYPE silo_learning_held_bytes gauge"
        yield f"silo_learning_held_bytes {held}"

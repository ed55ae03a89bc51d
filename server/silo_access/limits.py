"""How often one source may ask for the pages of one tenant."""

from __future__ import annotations

import collections
import ipaddress
import time
from collections.abc import Callable

MOST_SOURCES = 10_000


def source_of(forwarded_for: str) -> str:
    """Return whom the reverse proxy saw: an address, and of IPv6 the network that one line gets."""
    last = forwarded_for.rsplit(",", 1)[-1].strip()
    try:
        address = ipaddress.ip_address(last)
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


class Limiter:
    """Lets each source through `per_minute` times at once, and then as often as that in a minute, for each tenant."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Know nobody yet."""
        self._per_minute, self._clock = per_minute, clock
        self._left: collections.OrderedDict[tuple[str, str], tuple[float, float]] = collections.OrderedDict()

    def allows(self, source: str, tenant: str) -> bool:
        """Whether one more request is right now; it counts if so."""
        now = self._clock()
        left, before = self._left.pop((source, tenant), (float(self._per_minute), now))
        left = min(self._per_minute, left + (now - before) * self._per_minute / 60)
        allowed = left >= 1
        self._left[source, tenant] = (left - 1 if allowed else left, now)
        if len(self._left) > MOST_SOURCES:
            self._left.popitem(last=False)
        return allowed

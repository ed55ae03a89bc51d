# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Limits the requests of one source, which the reverse proxy names."""

from __future__ import annotations

import collections
import ipaddress
import time
from collections.abc import Callable

MOST_SOURCES = 10_000


def source_of(forwarded_for: str) -> str:
    """Return the client that Traefik saw: an IPv4 address, or the /64 network of an IPv6 address."""
    last = forwarded_for.rsplit(",", 1)[-1].strip()
    try:
        address = ipaddress.ip_address(last)
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


class Limiter:
    """Allows each source, for each subject, a burst of `per_minute` requests, and then as many in a minute.

    A subject is what is counted by itself, such as the page of one tenant.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Start without sources."""
        self._per_minute, self._clock = per_minute, clock
        self._left: collections.OrderedDict[tuple[str, str], tuple[float, float]] = collections.OrderedDict()

    def allows(self, source: str, subject: str) -> bool:
        """Return whether one more request is allowed, and count it if so."""
        now = self._clock()
        left, before = self._left.pop((source, subject), (float(self._per_minute), now))
        left = min(self._per_minute, left + (now - before) * self._per_minute / 60)
        allowed = left >= 1
        self._left[source, subject] = (left - 1 if allowed else left, now)
        if len(self._left) > MOST_SOURCES:
            self._left.popitem(last=False)
        return allowed

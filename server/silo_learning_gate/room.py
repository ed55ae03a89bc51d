"""How much is under way, of each tenant and of all together: requests, and the bytes of their bodies."""

from __future__ import annotations

import collections
import contextlib
import http
from collections.abc import Iterator

from .answers import Refusal
from .settings import Bounds


class Room:
    """The room of one process. It needs no lock, because only its event loop takes and gives."""

    def __init__(self, bounds: Bounds) -> None:
        """Begin empty."""
        self._bounds = bounds
        self._requests: collections.Counter[str] = collections.Counter()
        self._held: collections.Counter[str] = collections.Counter()

    @property
    def requests(self) -> int:
        """The requests under way."""
        return self._requests.total()

    @property
    def held(self) -> int:
        """The bytes that their bodies may have."""
        return self._held.total()

    @contextlib.contextmanager
    def taken(self, tenant: str, size: int) -> Iterator[None]:
        """Take room for a request with a body of `size` bytes, until the block ends; raises Refusal."""
        bounds = self._bounds
        too_many, busy = http.HTTPStatus.TOO_MANY_REQUESTS, http.HTTPStatus.SERVICE_UNAVAILABLE
        if self._requests[tenant] >= bounds.requests_of_tenant:
            raise Refusal(too_many, f"{bounds.requests_of_tenant} requests are under way, and more may not be", "busy")
        if self._held[tenant] + size > bounds.held_of_tenant:
            raise Refusal(too_many, f"the requests under way may have {bounds.held_of_tenant} bytes", "busy")
        if self.requests >= bounds.requests or self.held + size > bounds.held:
            raise Refusal(busy, "the machine learning has too much to do for all tenants together", "busy")
        self._add(tenant, 1, size)
        try:
            yield
        finally:
            self._add(tenant, -1, -size)

    def _add(self, tenant: str, requests: int, size: int) -> None:
        for counter, number in ((self._requests, requests), (self._held, size)):
            counter[tenant] += number
            if not counter[tenant]:
                del counter[tenant]

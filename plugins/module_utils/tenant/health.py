# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Polls the engine for the health of a tenant's containers, more often than Compose, which polls each half second."""

from __future__ import annotations

import time
import typing as t
from collections.abc import Callable, Collection, Sequence

from .engine import containers
from .stack import Container

# The engine probes a starting container each 200 ms, so more frequent polls would only cost CPU.
POLL_SECONDS = 0.15
# A container in one of these states does not become healthy by itself, or not soon.
ENDED = ("exited", "dead", "restarting")


def _of_engine(tenant: str) -> Sequence[Container]:
    return containers(tenant=tenant)


def wait(
    tenant: str,
    seconds: float,
    services: Collection[str] = (),
    look: Callable[[str], Sequence[Container]] = _of_engine,
    sleep: Callable[[float], t.Any] = time.sleep,
) -> bool:
    """Wait until all containers of `tenant` are healthy, or those of some services, and return whether they are.

    Returns False as soon as one of them has ended or is unhealthy, or when the time is over. Raises StackError.
    """
    deadline = time.monotonic() + seconds
    while True:
        # Other containers with the tenant's label do not count, because Compose does not manage them.
        found = [one for one in look(tenant) if not one.stray and (not services or one.service in services)]
        if found and all((one.state, one.health) == ("running", "healthy") for one in found):
            return True
        if any(container.state in ENDED or container.health == "unhealthy" for container in found):
            return False
        if time.monotonic() >= deadline:
            return False
        sleep(POLL_SECONDS)

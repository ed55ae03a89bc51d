# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether the containers of a tenant are well, asked of the engine; Compose itself looks each half second."""

from __future__ import annotations

import time
import typing as t
from collections.abc import Callable, Collection, Sequence

from .engine import containers
from .stack import Container

# The engine probes what starts each 200 ms, so that more looks than this would cost it and tell little.
POLL_SECONDS = 0.15
# From these nothing comes to be well by itself, or not soon.
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

    It is False as soon as one of them has ended or is unhealthy, and when the time is over. Raises StackError.
    """
    deadline = time.monotonic() + seconds
    while True:
        # What else carries the tenant's label is not waited for, as Compose knows nothing of it.
        found = [one for one in look(tenant) if not one.stray and (not services or one.service in services)]
        if found and all((one.state, one.health) == ("running", "healthy") for one in found):
            return True
        if any(container.state in ENDED or container.health == "unhealthy" for container in found):
            return False
        if time.monotonic() >= deadline:
            return False
        sleep(POLL_SECONDS)

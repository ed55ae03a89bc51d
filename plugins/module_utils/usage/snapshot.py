# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The state of a server or a NAS at one moment, from which the ledger counts."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclasses.dataclass(frozen=True)
class Moment:
    """The time of a run: `wall` in seconds since 1970, which may jump, and the monotonic `running` since `boot`."""

    wall: int
    running: int
    boot: str

    def since(self, earlier: Moment) -> int:
        """Return the seconds from `earlier` to this moment; 0 if a clock jumped and the result would be wrong."""
        if self.boot == earlier.boot:
            return max(0, self.running - earlier.running)
        return max(0, self.wall - earlier.wall)


def now(boot_id: Path = BOOT_ID) -> Moment:
    """Return this moment."""
    running = time.clock_gettime(time.CLOCK_BOOTTIME)
    return Moment(int(time.time()), int(running), boot_id.read_text(encoding="utf-8").strip())


# Source to its counters; a source is one run of a container or route, and a restart makes a new source.
Counters = Mapping[str, Mapping[str, int]]


@dataclasses.dataclass(frozen=True)
class Containers:
    """The containers of a tenant. `healthy`: all of them run and are healthy."""

    healthy: bool
    memory_bytes: int
    counters: Counters


@dataclasses.dataclass(frozen=True)
class Look:
    """All tenants at one moment, by name. None is a part that could not be read, or that this host does not have.

    `states`: each tenant's desired state. `storage`: bytes that count against the quota. `database`: bytes on disk.
    `served`: the counters of Traefik's routers.
    """

    moment: Moment
    states: Mapping[str, str]
    containers: Mapping[str, Containers] | None = None
    storage: Mapping[str, int] | None = None
    database: Mapping[str, int] | None = None
    served: Mapping[str, Counters] | None = None

# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""One look at a server or a NAS: what the ledger counts from."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclasses.dataclass(frozen=True)
class Moment:
    """When a look was: `wall` in seconds since 1970, which may jump, and `running` since the boot `boot`, which not."""

    wall: int
    running: int
    boot: str

    def since(self, earlier: Moment) -> int:
        """Return the seconds from `earlier` to this moment; 0 where a clock that jumped tells nonsense."""
        if self.boot == earlier.boot:
            return max(0, self.running - earlier.running)
        return max(0, self.wall - earlier.wall)


def now(boot_id: Path = BOOT_ID) -> Moment:
    """Return this moment."""
    running = time.clock_gettime(time.CLOCK_BOOTTIME)
    return Moment(int(time.time()), int(running), boot_id.read_text(encoding="utf-8").strip())


# Source to what it has counted by itself; a source is one life of a container or of a route, the next is another.
Counters = Mapping[str, Mapping[str, int]]


@dataclasses.dataclass(frozen=True)
class Containers:
    """What runs for a tenant. `healthy`: all of it runs and is well."""

    healthy: bool
    memory_bytes: int
    counters: Counters


@dataclasses.dataclass(frozen=True)
class Look:
    """All tenants at one moment, by name. None is a part that could not be read, or that is not this host's.

    `states`: what each tenant should be. `storage`: bytes that count against the quota. `database`: bytes of disk.
    `served`: what Traefik's routers have counted.
    """

    moment: Moment
    states: Mapping[str, str]
    containers: Mapping[str, Containers] | None = None
    storage: Mapping[str, int] | None = None
    database: Mapping[str, int] | None = None
    served: Mapping[str, Counters] | None = None

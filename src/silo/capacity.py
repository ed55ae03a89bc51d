"""The memory of a server, calculated: what is promised and what is left. Pure; all sizes in bytes."""

from __future__ import annotations

import dataclasses

GIB = 1024**3


@dataclasses.dataclass(frozen=True)
class Server:
    """What a server has and what is set aside on it before the first tenant comes.

    `template` is promised to nobody: the template of new tenants is made in it, for a minute, out of what is left.
    """

    total: int = 128 * GIB
    reserve: int = 10 * GIB
    machine_learning: int = 24 * GIB
    traefik: int = GIB // 2
    template: int = 3 * GIB


@dataclasses.dataclass(frozen=True)
class MemoryBudget:
    """Where the memory of a server goes. `tenants` holds the limit of each tenant that runs.

    `overcommit` is how much of the tenants' part may be promised: 1.0 is all of it, 1.2 a fifth more than there is.
    """

    server: Server
    tenants: tuple[int, ...]
    overcommit: float = 1.0

    @property
    def set_aside(self) -> int:
        """What no tenant gets: machine learning, Traefik, the reserve."""
        return self.server.machine_learning + self.server.traefik + self.server.reserve

    @property
    def promised(self) -> int:
        """All limits and the reserve together."""
        return self.set_aside + sum(self.tenants)

    @property
    def for_tenants(self) -> int:
        """What may be promised to tenants; below zero where the server is smaller than what is set aside on it."""
        there = self.server.total - self.set_aside
        return int(there * self.overcommit) if there > 0 else there

    @property
    def free(self) -> int:
        """What may still be promised; below zero where more is promised than may be."""
        return self.for_tenants - sum(self.tenants)

    @property
    def burst(self) -> int:
        """What is promised to nobody, for the kernel's cache and for what needs more for a moment."""
        return max(0, self.server.total - self.promised)

    def room_for(self, tenant: int) -> int:
        """How many more tenants of `tenant` bytes fit."""
        return max(0, self.free // tenant)

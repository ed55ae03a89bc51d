"""Calculates the memory of a server: promised and free. Pure; all sizes in bytes."""

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
    """The use of a server's memory. `tenants` has the limit of each running tenant.

    `bursts` has what each of them may borrow for a moment out of what is promised to nobody.

    `overcommit` is the share of the tenants' part that may be promised: 1.0 is all of it, 1.2 a fifth more than exists.
    """

    server: Server
    tenants: tuple[int, ...]
    overcommit: float = 1.0
    bursts: tuple[int, ...] = ()

    @property
    def set_aside(self) -> int:
        """The memory that is not for tenants: machine learning, Traefik, the reserve."""
        return self.server.machine_learning + self.server.traefik + self.server.reserve

    @property
    def promised(self) -> int:
        """The sum of all limits and the reserve."""
        return self.set_aside + sum(self.tenants)

    @property
    def for_tenants(self) -> int:
        """The memory that may be promised to tenants; negative if the server is smaller than `set_aside`."""
        there = self.server.total - self.set_aside
        return int(there * self.overcommit) if there > 0 else there

    @property
    def free(self) -> int:
        """The memory that may still be promised; negative if too much is promised already."""
        return self.for_tenants - sum(self.tenants)

    @property
    def burst(self) -> int:
        """What is promised to nobody, for the kernel's cache and for what needs more for a moment."""
        return max(0, self.server.total - self.promised)

    def room_for(self, tenant: int) -> int:
        """Return how many more tenants of `tenant` bytes fit."""
        return max(0, self.free // tenant)

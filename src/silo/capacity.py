"""The memory of a server, calculated: what is promised and what is left. Pure; all sizes in bytes."""

from __future__ import annotations

import dataclasses

GIB = 1024**3


@dataclasses.dataclass(frozen=True)
class Server:
    """What a server has and what is set aside on it before the first tenant comes."""

    total: int = 128 * GIB
    reserve: int = 10 * GIB
    machine_learning: int = 24 * GIB
    traefik: int = GIB // 2


@dataclasses.dataclass(frozen=True)
class Ledger:
    """Where the memory of a server goes. `tenants` holds the limit of each tenant that runs."""

    server: Server
    tenants: tuple[int, ...]

    @property
    def promised(self) -> int:
        """All limits and the reserve together."""
        return self.server.machine_learning + self.server.traefik + sum(self.tenants) + self.server.reserve

    @property
    def free(self) -> int:
        """What is left; below zero where more is promised than is there."""
        return self.server.total - self.promised

    def room_for(self, tenant: int) -> int:
        """How many more tenants of `tenant` bytes fit."""
        return max(0, self.free // tenant)

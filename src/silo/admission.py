"""Checks whether a tenant fits: its memory on a server, its quota on a NAS. Pure; all sizes in bytes.

Only an increase is ever refused: on a server that has promised too much, every tenant may still shrink.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from ansible_collections.swissphoto.silo.plugins.module_utils.common.sizes import size

from silo.capacity import MemoryBudget


class AdmissionError(Exception):
    """There is no room. The text names the requested and the free size, and what to do."""


@dataclasses.dataclass(frozen=True)
class Pool:
    """A NAS, or a server's disk. `size` is that of its file system, `promised` the limit of each whose data it keeps.

    `overcommit` is how much of it may be promised: 1.0 is its size, 2.0 twice as much.
    """

    size: int
    promised: tuple[int, ...]
    overcommit: float = 1.0

    @property
    def free(self) -> int:
        """What may still be promised; below zero where more is promised than may be."""
        return int(self.size * self.overcommit) - sum(self.promised)


def admit_memory(name: str, server: str, budget: MemoryBudget, asked: int, held: int = 0) -> None:
    """Refuse where the limits of the tenant `name`, `asked` together, do not fit on `server`.

    `budget` is of the other tenants; `held` is what this one is promised there by now. Raises AdmissionError.
    """
    if asked > max(held, budget.free):
        raise AdmissionError(
            f"{name}: it needs {size(asked)} of memory on {server}, which has {size(max(0, budget.free))} left; "
            f"{_where_it_goes(budget)}. Stop a tenant there, lower a limit, take another server, "
            "or raise silo_memory_overcommit"
        )


def admit_storage(name: str, nas: str, pool: Pool, asked: int, held: int = 0) -> None:
    """Refuse where the quota `asked` by the tenant `name` does not fit on `nas`.

    `pool` is of the other tenants; `held` is what this one is promised there by now. Raises AdmissionError.
    """
    if asked > max(held, pool.free):
        raise AdmissionError(
            f"{name}: it needs {size(asked)} of storage on {nas}, {_whose_it_is(pool)}. Take a smaller quota, purge "
            "what is deleted, add disks, or raise silo_storage_overcommit"
        )


def admit_disk(name: str, server: str, pool: Pool, asked: int, held: int = 0) -> None:
    """Refuse where the part `asked` by the tenant `name` does not fit on the disk of `server`.

    `pool` is of the other tenants; `held` is what this one is promised there by now. Raises AdmissionError.
    """
    if asked > max(held, pool.free):
        raise AdmissionError(
            f"{name}: it needs {size(asked)} on the disk of {server}, {_whose_it_is(pool)}. Lower tenant_disk, take "
            "another server, purge what is deleted, make the disk larger, or raise silo_disk_overcommit"
        )


def admit_shrunk(name: str, setting: str, host: str, used: int, asked: int, held: int) -> None:
    """Refuse a limit below what the tenant `name` uses on `host`: no write of its customer would succeed any more.

    Raises AdmissionError where it is smaller than the one `held` by now.
    """
    if asked >= held or asked > used:
        return
    raise AdmissionError(
        f"{name}: it uses {size(used)} on {host}, and {setting} would be {size(asked)}; nothing was changed. Give it "
        "more than it uses, or let the customer delete files first"
    )


def roomiest(budgets: Mapping[str, MemoryBudget]) -> str | None:
    """Return the server with the most memory left; of equals, the first by name; None where there is no server."""
    return min(budgets, key=lambda server: (-budgets[server].free, server), default=None)


def place(name: str, budgets: Mapping[str, MemoryBudget], asked: int) -> str:
    """Return the server with the most memory left for the tenant `name`; of equals, the first by name.

    Raises AdmissionError where `asked` fits on none of them.
    """
    best = roomiest(budgets)
    if best is None:
        raise AdmissionError(f"{name}: there is no server in the inventory's group servers; add one to hosts.yml")
    if len(budgets) > 1 and asked > budgets[best].free:
        left = ", ".join(f"{size(max(0, budgets[server].free))} on {server}" for server in sorted(budgets))
        raise AdmissionError(
            f"{name}: it needs {size(asked)} of memory, and no server has as much left: {left}. "
            "Stop a tenant, lower a limit, add a server, or raise silo_memory_overcommit"
        )
    admit_memory(name, best, budgets[best], asked)
    return best


def _where_it_goes(budget: MemoryBudget) -> str:
    return (
        f"of its {size(budget.server.total)}, {size(budget.set_aside)} are set aside (machine learning, Traefik, "
        f"reserve), and of the rest{_stretched(budget.overcommit)}, {size(sum(budget.tenants))} are promised to "
        f"{_tenants(len(budget.tenants))}"
    )


def _whose_it_is(pool: Pool) -> str:
    return (
        f"which has {size(max(0, pool.free))} left; of its {size(pool.size)}{_stretched(pool.overcommit)}, "
        f"{size(sum(pool.promised))} are promised to {_tenants(len(pool.promised))}"
    )


def _stretched(overcommit: float) -> str:
    return "" if overcommit == 1 else f" times {overcommit:g}"


def _tenants(count: int) -> str:
    return "1 tenant" if count == 1 else f"{count} tenants"

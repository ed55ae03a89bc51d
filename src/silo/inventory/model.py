"""What an inventory holds, and what an edit of it changes."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Iterable, Mapping
from pathlib import Path

from silo.admission import Pool
from silo.capacity import MemoryBudget
from silo.inventory.validation import Tenant


@dataclasses.dataclass(frozen=True)
class TenantFile:
    """A tenant.yml as it is written: `settings` are its own, without plan, policy and overrides.yml."""

    name: str
    path: Path
    settings: Mapping[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Change:
    """What an edit did to a tenant, or would do: the settings of its tenant.yml before and after, None for no tenant.

    `diff_text` is empty where nothing changed. `commit` is None without git, in a dry run, and where nothing changed.
    """

    name: str
    before: Mapping[str, t.Any] | None
    after: Mapping[str, t.Any] | None
    diff_text: str
    commit: str | None = None


@dataclasses.dataclass(frozen=True)
class Fleet:
    """All tenants as they should be, and what is promised to them; nothing in it is read from a machine.

    `problems` are sentences on tenants that cannot be, which count nowhere else. `promised` is NAS to name to quota in
    bytes, with deleted tenants whose data is still kept; `storage_overcommit` is by NAS.
    """

    tenants: Mapping[str, Tenant]
    problems: tuple[str, ...]
    ledgers: Mapping[str, MemoryBudget]
    promised: Mapping[str, Mapping[str, int]]
    storage_overcommit: Mapping[str, float]

    def pool(self, nas: str, size: int) -> Pool:
        """Return what is promised on a NAS of `size` bytes."""
        return Pool(size, tuple(self.promised[nas].values()), self.storage_overcommit[nas])

    def without(self, name: str) -> Fleet:
        """Return the fleet without one tenant."""
        gone = self.tenants.get(name)
        if gone is None:
            return self
        ledger = self.ledgers[gone.server]
        limits, bursts = list(ledger.tenants), list(ledger.bursts)
        if (limit := memory(gone)) in limits:
            limits.remove(limit)
            bursts.remove(gone.burst_bytes)
        rest = dataclasses.replace(ledger, tenants=tuple(limits), bursts=tuple(bursts))
        ledgers = {**self.ledgers, gone.server: rest}
        promised = {
            nas: {key: quota for key, quota in quotas.items() if key != name} for nas, quotas in self.promised.items()
        }
        tenants = {key: tenant for key, tenant in self.tenants.items() if key != name}
        return dataclasses.replace(self, tenants=tenants, ledgers=ledgers, promised=promised)


@dataclasses.dataclass(frozen=True)
class Offer:
    """What a tenant of a plan takes: the memory of a server and the storage of a NAS, in bytes."""

    memory: int
    quota: int

    def room(self, ledger: MemoryBudget, pools: Iterable[Pool]) -> int:
        """How many more of them fit on a server and on these NAS together; without a NAS only the memory counts."""
        fits = ledger.room_for(self.memory)
        known = list(pools)
        return min(fits, sum(max(0, pool.free) // self.quota for pool in known)) if known else fits


def memory(tenant: Tenant) -> int:
    """Return what a tenant takes of its server: its limits together while it should run, in bytes."""
    return tenant.memory_bytes if tenant.state == "running" else 0

"""What an inventory holds, and what an edit of it changes."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from ansible_collections.swissphoto.silo.plugins.module_utils.common.names import is_tenant
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.manual import Manual
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.unlimited import Unlimited

from silo.admission import Pool
from silo.capacity import MemoryBudget
from silo.inventory.validation import Tenant

NOT_SHARED = (Manual.name, Unlimited.name)


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


HostData = t.TypeVar("HostData")


@dataclasses.dataclass(frozen=True)
class Sizes:
    """The size in bytes of each NAS, and of each server's disk for its tenants, of those that were read.

    Nothing is admitted on others: a quota and a part of a disk are refused where there is no room for them by these.
    `used` is NAS, and `disk_used` server, to the bytes of each tenant's directory; `indexes` are the numbers under
    which they count these, and what is in the trash. `away` is machine to why it can take nobody now, in a sentence.
    """

    nas: Mapping[str, int] = dataclasses.field(default_factory=dict)
    disks: Mapping[str, int] = dataclasses.field(default_factory=dict)
    used: Mapping[str, Mapping[str, int]] = dataclasses.field(default_factory=dict)
    disk_used: Mapping[str, Mapping[str, int]] = dataclasses.field(default_factory=dict)
    indexes: frozenset[int] = frozenset()
    away: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(
        cls,
        nas: Mapping[str, Mapping[str, t.Any]],
        disks: Mapping[str, Mapping[str, t.Any]],
        away: Mapping[str, str] = MappingProxyType({}),
    ) -> Sizes:
        """Take what storage_quota_info said of each NAS, and of each server's disk.

        A disk on which nothing is limited, or each tenant has a file system of its own, is not shared out.
        """
        shared = {host: said for host, said in disks.items() if said["backend"] not in NOT_SHARED}
        entries = [
            entry
            for said in (*nas.values(), *disks.values())
            for entry in (*said.get("tenants", {}).values(), *said.get("trash", ()))
        ]
        indexes = frozenset(entry["id"] for entry in entries if entry.get("id"))
        return cls(
            {host: int(said["pool"]["size"]) for host, said in nas.items()},
            {host: int(said["pool"]["size"]) for host, said in shared.items()},
            {host: _used(said) for host, said in nas.items()},
            {host: _used(said) for host, said in disks.items()},
            indexes,
            away,
        )

    def there(self, hosts: Mapping[str, HostData]) -> Mapping[str, HostData]:
        """Return those of `hosts` that can take somebody, or all where none can."""
        return {host: said for host, said in hosts.items() if host not in self.away} or hosts


def _used(said: Mapping[str, t.Any]) -> dict[str, int]:
    return {name: int(entry["used"] or 0) for name, entry in said.get("tenants", {}).items() if is_tenant(name)}


NOT_READ = Sizes()


@dataclasses.dataclass(frozen=True)
class Fleet:
    """All tenants as they should be, and what is promised to them; nothing in it is read from a machine.

    `problems` are sentences on tenants that cannot be, which count nowhere else. `promised` is NAS to name to quota in
    bytes, with deleted tenants whose data is still kept; `storage_overcommit` is by NAS. `disks` and `disk_overcommit`
    are the same of the disk of each server. `unread` are sentences on deletion records, whose tenants count nowhere.
    """

    tenants: Mapping[str, Tenant]
    problems: tuple[str, ...]
    budgets: Mapping[str, MemoryBudget]
    promised: Mapping[str, Mapping[str, int]]
    storage_overcommit: Mapping[str, float]
    disks: Mapping[str, Mapping[str, int]]
    disk_overcommit: Mapping[str, float]
    unread: tuple[str, ...] = ()

    def problems_of(self, name: str) -> tuple[str, ...]:
        """Return the sentences on one tenant; each begins with its name, or with the path of its file."""
        begins = (f"{name}: ", f"host_vars/{name}/", f"host_vars/{name}.")
        return tuple(text for text in self.problems if text.startswith(begins))

    def storages(self, server: str) -> frozenset[str]:
        """Return the NAS on which tenants of a server may have their files: itself, where it is one.

        The others are those that are no server, or all where each is one.
        """
        if server in self.promised:
            return frozenset({server})
        return frozenset(self.promised.keys() - self.budgets.keys() or self.promised)

    def pool(self, nas: str, size: int) -> Pool:
        """Return what is promised on a NAS of `size` bytes."""
        return Pool(size, tuple(self.promised[nas].values()), self.storage_overcommit[nas])

    def disk(self, server: str, size: int) -> Pool:
        """Return what is promised on the disk of a server, which has `size` bytes."""
        return Pool(size, tuple(self.disks[server].values()), self.disk_overcommit[server])

    def without(self, name: str) -> Fleet:
        """Return the fleet without one tenant."""
        gone = self.tenants.get(name)
        if gone is None:
            return self
        budget = self.budgets[gone.server]
        limits, bursts = list(budget.tenants), list(budget.bursts)
        if (limit := memory(gone)) in limits:
            limits.remove(limit)
            bursts.remove(gone.burst_bytes)
        rest = dataclasses.replace(budget, tenants=tuple(limits), bursts=tuple(bursts))
        budgets = {**self.budgets, gone.server: rest}
        promised, disks = (
            {host: {key: limit for key, limit in limits.items() if key != name} for host, limits in there.items()}
            for there in (self.promised, self.disks)
        )
        tenants = {key: tenant for key, tenant in self.tenants.items() if key != name}
        return dataclasses.replace(self, tenants=tenants, budgets=budgets, promised=promised, disks=disks)


@dataclasses.dataclass(frozen=True)
class Offer:
    """What a tenant of a plan takes, in bytes: memory and disk of a server, and storage of a NAS."""

    memory: int
    quota: int
    disk: int

    def room(self, budget: MemoryBudget, pools: Iterable[Pool], disk: Pool | None = None) -> int:
        """How many more of them fit on a server, on its disk and on its NAS together; what is not known has room."""
        fits = budget.room_for(self.memory)
        if disk is not None:
            fits = min(fits, max(0, disk.free) // self.disk)
        known = list(pools)
        return min(fits, sum(max(0, pool.free) // self.quota for pool in known)) if known else fits


def memory(tenant: Tenant) -> int:
    """Return what a tenant takes of its server: its limits together while it should run, in bytes."""
    return tenant.memory_bytes if tenant.state == "running" else 0

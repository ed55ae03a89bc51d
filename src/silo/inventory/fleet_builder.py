"""From what Ansible merged to tenants, budgets and indexes. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence

from ansible_collections.swissphoto.silo.plugins.module_utils.common.sizes import size

from silo.admission import admit_disk, admit_memory, admit_shrunk, admit_storage, place, roomiest
from silo.capacity import MemoryBudget
from silo.inventory.deleted import DeletionRecord
from silo.inventory.errors import HostAwayError, InventoryError, NameRefusedError, shown
from silo.inventory.model import Fleet, Sizes, memory
from silo.inventory.reader import DISK_OVERCOMMIT, MEMORY_OVERCOMMIT, STORAGE_OVERCOMMIT, Merged
from silo.inventory.validation import PREFIX_LENGTH, Tenant, TenantError, check_fleet, derive


def tenant(merged: Merged, name: str) -> Tenant:
    """Return one tenant; raises InventoryError with all that is wrong with it."""
    if problems := merged.problems.get(name):
        raise InventoryError(problems)
    try:
        made = derive(name, merged.tenants[name])
    except TenantError as error:
        unsold = f"{name}: tenant_quota is missing"
        hint = "; set a plan, or a quota such as 100G"
        raise InventoryError(f"{text}{hint}" if text == unsold else text for text in error.problems) from error
    problems = [
        f"{name}: {key} is {shown(host)}; it must be one of {', '.join(sorted(merged.groups.get(group, ())))}"
        for key, host, group in (("tenant_server", made.server, "servers"), ("tenant_nas", made.nas, "nas"))
        if host not in merged.groups.get(group, ())
    ]
    if problems:
        raise InventoryError(problems)
    return made


def fleet(merged: Merged, deletions: Sequence[DeletionRecord], unread: Sequence[str] = ()) -> Fleet:
    """Return all tenants with what is promised; raises InventoryError where the policy of a machine cannot be read.

    `unread` are sentences on records of deletions that are not among `deletions`.
    """
    tenants: dict[str, Tenant] = {}
    problems: list[str] = []
    for name in sorted(merged.tenants):
        try:
            tenants[name] = tenant(merged, name)
        except InventoryError as error:
            problems += error.problems
    problems += clashes(tenants.values())
    problems += [
        f"{one.name}: tenant_index is {one.index}, which was {deletion.name}'s; "
        f"{free_index(tenants.values(), deletions)} is free"
        for one in tenants.values()
        for deletion in deletions
        if deletion.index == one.index and deletion.name != one.name
    ]
    promised: dict[str, dict[str, int]] = {nas: {} for nas in merged.groups.get("nas", ())}
    disks: dict[str, dict[str, int]] = {server: {} for server in merged.groups.get("servers", ())}
    for one in tenants.values():
        promised[one.nas][one.name] = one.quota
        disks[one.server][one.name] = one.disk_quota
    for deletion in deletions:
        key = f"{deletion.index}-{deletion.name}"
        if not deletion.purged and deletion.nas in promised:
            promised[deletion.nas][key] = deletion.quota
        if not deletion.purged and deletion.server in disks:
            disks[deletion.server][key] = deletion.disk
    budgets = {server: _budget(merged, server, tenants.values()) for server in merged.groups.get("servers", ())}
    overcommit = {nas: merged.overcommit(nas, STORAGE_OVERCOMMIT) for nas in promised}
    stretched = {server: merged.overcommit(server, DISK_OVERCOMMIT) for server in disks}
    return Fleet(tenants, tuple(problems), budgets, promised, overcommit, disks, stretched, tuple(unread))


def imagined(merged: Merged, plans: Iterable[str], index: int) -> dict[str, list[str]]:
    """Return the files of one tenant of each plan, as if it were created; name to texts."""
    first = {key: sorted(merged.groups.get(group, ()))[:1] for key, group in (("server", "servers"), ("nas", "nas"))}
    where = "".join(f"tenant_{key}: {host}\n" for key, (host,) in first.items())
    text = "tenant_email: nobody@example.ch\ntenant_plan: {}\ntenant_index: {}\n"
    return {f"imagined{index + n}": [text.format(plan, index + n) + where] for n, plan in enumerate(plans)}


def _budget(merged: Merged, server: str, tenants: Iterable[Tenant]) -> MemoryBudget:
    there = [one for one in tenants if one.server == server and memory(one)]
    limits, bursts = tuple(memory(one) for one in there), tuple(one.burst_bytes for one in there)
    return MemoryBudget(merged.server(server), limits, merged.overcommit(server, MEMORY_OVERCOMMIT), bursts)


def clashes(tenants: Iterable[Tenant]) -> Sequence[str]:
    """Return why tenants that are each right cannot be together."""
    try:
        check_fleet(tenants)
    except TenantError as error:
        return error.problems
    return ()


def free_index(tenants: Iterable[Tenant], deletions: Iterable[DeletionRecord], registered: Iterable[int] = ()) -> int:
    """Return the lowest index that no tenant has or ever had, and whose network nobody was given by hand.

    `registered` are those under which machines count directories, also of tenants that an inventory has forgotten.
    """
    used = {*(deletion.index for deletion in deletions), *registered}
    for one in tenants:
        used.add(one.index)
        pool = ipaddress.ip_network(one.settings["tenant_address_pool"])
        subnet = ipaddress.ip_network(one.network.subnet)
        used.add(int(subnet.network_address) - int(pool.network_address) >> 32 - PREFIX_LENGTH)
    return next(index for index in range(1, len(used) + 2) if index not in used)


def servers_for(fleet: Fleet, nas: str | None, sizes: Sizes) -> Mapping[str, MemoryBudget]:
    """Return the servers that may get a tenant: those that are there, and reach the NAS if one is asked for."""
    reached = {server: budget for server, budget in fleet.budgets.items() if not nas or nas in fleet.storages(server)}
    return sizes.there(reached or fleet.budgets)


def with_room(fleet: Fleet, tenant: Tenant, nas: str | None, sizes: Sizes) -> str:
    """Return the server with the most memory left of those with room for a tenant, on disk and NAS.

    `nas` is the one that is asked for, if any. It is the tenant's own server where none has room.
    """
    there = servers_for(fleet, nas, sizes)
    roomy = {server: budget for server, budget in there.items() if _has_room(fleet, server, tenant, nas, sizes)}
    return roomiest(roomy) or tenant.server


def _has_room(fleet: Fleet, server: str, tenant: Tenant, nas: str | None, sizes: Sizes) -> bool:
    """Return whether disk and NAS have room; one that was not read has, as an apply refuses there."""
    if server in sizes.disks and fleet.disk(server, sizes.disks[server]).free < tenant.disk_quota:
        return False
    storages = [nas] if nas else fleet.storages(server)
    left = [fleet.pool(one, sizes.nas[one]).free if one in sizes.nas else tenant.quota for one in storages]
    return max(left, default=tenant.quota) >= tenant.quota


def emptiest(fleet: Fleet, server: str | None, sizes: Sizes) -> str | None:
    """Return the NAS of a server with the most room that may still be promised.

    Where no size was read, that with the least promised. Without a server, all NAS are looked at.
    """
    reached = {nas: fleet.promised[nas] for nas in (fleet.storages(server) if server else fleet.promised)}
    return min(
        sizes.there(reached),
        key=lambda nas: (
            -fleet.pool(nas, sizes.nas[nas]).free if nas in sizes.nas else 0,
            sum(fleet.promised[nas].values()),
            nas,
        ),
        default=None,
    )


def check_unknown_to_machines(name: str, sizes: Sizes) -> None:
    """Refuse a new name of which a machine has a directory, as of a tenant whose files were removed by hand."""
    for host, directories in {**sizes.disk_used, **sizes.used}.items():
        if name in directories:
            raise NameRefusedError(
                f"tenant {name!r}: {host} has a directory of this name, with {size(directories[name])}, and the "
                f"inventory does not know it. If host_vars/{name} was removed by mistake, bring it back from a backup; "
                "otherwise choose another name"
            )


def admit(before: Fleet, old: Tenant | None, new: Tenant, placed: bool, sizes: Sizes) -> None:
    """Refuse what is not there: memory on the server, its disk and storage on a NAS as far as `sizes` has these.

    `before` is the fleet without this tenant, `old` the tenant before the edit. `placed` says that the server was
    chosen for it. Raises AdmissionError, InventoryError where others are wrong, so that nobody can add them up, and
    HostAwayError where a machine can take nobody now.
    """
    if away := [sizes.away[host] for host in dict.fromkeys((new.server, new.nas)) if host in sizes.away]:
        raise HostAwayError(f"{new.name}: nothing was changed. {' '.join(away)}")
    asked = memory(new)
    held = memory(old) if old and old.server == new.server else 0
    wrong = [problem for problem in before.problems if not problem.startswith(f"{new.name}: ")]
    if wrong and (asked > held or old is None or new.quota > old.quota):
        raise InventoryError(wrong)
    if placed and asked:
        place(new.name, sizes.there(before.budgets), asked)
    admit_memory(new.name, new.server, before.budgets[new.server], asked, held)
    if new.server in sizes.disks:
        held = old.disk_quota if old and old.server == new.server else 0
        admit_disk(new.name, new.server, before.disk(new.server, sizes.disks[new.server]), new.disk_quota, held)
    if new.nas in sizes.nas:
        held = old.quota if old and old.nas == new.nas else 0
        admit_storage(new.name, new.nas, before.pool(new.nas, sizes.nas[new.nas]), new.quota, held)
    if old and old.nas == new.nas:
        used = sizes.used.get(new.nas, {}).get(new.name, 0)
        admit_shrunk(new.name, "tenant_quota", new.nas, used, new.quota, old.quota)
    if old and old.server == new.server:
        used = sizes.disk_used.get(new.server, {}).get(new.name, 0)
        admit_shrunk(new.name, "tenant_disk", new.server, used, new.disk_quota, old.disk_quota)

"""The numbers for Prometheus; counters are from the ledger, so that they never decrease."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from ansible_collections.swissphoto.silo.plugins.module_utils.common import files
from ansible_collections.swissphoto.silo.plugins.module_utils.usage import collector
from ansible_collections.swissphoto.silo.plugins.module_utils.usage.amounts import COUNTERS, STATES, WHOLE
from ansible_collections.swissphoto.silo.plugins.module_utils.usage.exposition import Sample, render

from .collector import MICROSECONDS, Found, Pool
from .memory import Step

# Measures with another unit or name than in the ledger.
NAMES = {"cpu_microseconds": "cpu_seconds"}


def samples(found: Found, totals: Mapping[str, Mapping[str, int]], seconds: float, lent: Step) -> Iterator[Sample]:
    """Return all known numbers of one run, which took `seconds`."""
    if lent.pool is not None:
        yield Sample("silo_burst_pool_bytes", max(0, lent.pool))
    for name, tenant in found.tenants.items():
        yield from _gauges(name, tenant)
    for name, state in found.look.states.items():
        for one in STATES:
            yield Sample("silo_tenant_state", int(state == one), (("tenant", name), ("state", one)))
    for name, containers in (found.look.containers or {}).items():
        yield _of("healthy", name, int(containers.healthy))
    for measure, parts in (("storage_bytes", found.look.storage), ("database_bytes", found.look.database)):
        for name, size in (parts or {}).items():
            yield _of(measure, name, size)
    for name, counts in totals.items():
        if name != WHOLE:
            yield from _counters(name, counts)
    if found.pool:
        yield from _pool("storage", found.pool)
    if found.disk:
        yield from _pool("disk", found.disk)
        yield from _space(found.disk)
    for point in found.mounts:
        yield Sample("silo_tenants_mount", 1, (("mountpoint", point),))
    yield Sample("silo_accounting_look_timestamp_seconds", found.look.moment.wall)
    yield Sample("silo_accounting_look_seconds", round(seconds, 3))
    yield Sample("silo_accounting_problems", len(found.problems) + len(lent.problems))


def write(path: Path, text: str) -> None:
    """Write the file atomically, readable by node-exporter, which is not root."""
    # Not durable: after a restart the numbers are outdated, and the first run writes them again.
    files.write(path, text, 0o644, scratch=path.with_name(f".{path.name}.tmp"), durable=False)


def text(found: Found, totals: Mapping[str, Mapping[str, int]], seconds: float, lent: Step) -> str:
    """Return the content of the file."""
    return render(samples(found, totals, seconds, lent))


def _of(measure: str, tenant: str, value: float) -> Sample:
    return Sample(f"silo_tenant_{measure}", value, (("tenant", tenant),))


def _gauges(name: str, tenant: collector.TenantSample) -> Iterator[Sample]:
    groups = [service.group for service in tenant.services.values()]
    yield _of("memory_bytes", name, sum(group.memory_bytes for group in groups))
    yield _of("memory_limit_bytes", name, sum(group.memory_limit_bytes for group in groups))
    yield _of("memory_burst_bytes", name, tenant.burst_bytes)
    yield _of("memory_anonymous_bytes", name, sum(group.anonymous_bytes for group in groups))
    yield _of("processes", name, sum(group.processes or 0 for group in groups))


def _counters(name: str, counts: Mapping[str, int]) -> Iterator[Sample]:
    for measure in COUNTERS:
        value = counts[measure] / MICROSECONDS if measure == "cpu_microseconds" else counts[measure]
        yield _of(f"{NAMES.get(measure, measure)}_total", name, value)


def _pool(kind: str, pool: Pool) -> Iterator[Sample]:
    for name, limit in pool.limits.items():
        if limit is not None:
            yield _of(f"{kind}_limit_bytes", name, limit)
    if pool.size is not None:
        yield Sample(f"silo_{kind}_size_bytes", pool.size)
    yield Sample(f"silo_{kind}_free_bytes", pool.free)
    yield Sample(f"silo_{kind}_promised_bytes", sum(limit or 0 for limit in pool.limits.values()))


def _space(disk: Pool) -> Iterator[Sample]:
    """Return what each tenant has on the server's disk; a disk without limits counts nothing."""
    for name, state in disk.states.items():
        if state.limit is not None:
            yield _of("disk_bytes", name, state.usage.bytes)
        if state.inode_limit is not None:
            yield _of("disk_inodes", name, state.usage.inodes or 0)
            yield _of("disk_limit_inodes", name, state.inode_limit)

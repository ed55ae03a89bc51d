"""Reads everything that this host knows of its tenants; a part that cannot be read is a sentence, not an error."""

from __future__ import annotations

import collections
import dataclasses
import os
import typing as t
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ansible_collections.swissphoto.silo.plugins.module_utils.command import CommandError
from ansible_collections.swissphoto.silo.plugins.module_utils.common import metrics, mounts, process, tenant_env
from ansible_collections.swissphoto.silo.plugins.module_utils.common.cgroup import Group, Network
from ansible_collections.swissphoto.silo.plugins.module_utils.common.names import is_tenant
from ansible_collections.swissphoto.silo.plugins.module_utils.common.process import Completed
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.base import QuotaError, State
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.detect import open_backend
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.stack import StackError
from ansible_collections.swissphoto.silo.plugins.module_utils.usage import collector
from ansible_collections.swissphoto.silo.plugins.module_utils.usage.snapshot import Containers, Counters, Look, now

from .settings import AccountingSettings, Storage

Part = t.TypeVar("Part")
Counts = dict[str, int]
COMMAND_SECONDS = 60
# A line or two for each tenant.
LARGEST = 16 * 1024**2
DISK_SECONDS = 10
MICROSECONDS = 1_000_000
MEASURES = {
    metrics.REQUESTS: "requests",
    metrics.RECEIVED: "requests_bytes",
    metrics.SENT: "responses_bytes",
}


@dataclasses.dataclass(frozen=True)
class Pool:
    """A file system of tenants, in bytes. `limits`: tenant to its quota; `states`: tenant to all that is counted."""

    size: int | None
    free: int
    limits: Mapping[str, int | None]
    states: Mapping[str, State] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Found:
    """The state at one moment, its details, and a sentence for each part that could not be read.

    `mounts` are the paths at which file systems of tenants are mounted: a NAS, a disk, and what is a tenant's alone.
    """

    look: Look
    tenants: Mapping[str, collector.TenantSample]
    pool: Pool | None
    problems: tuple[str, ...]
    disk: Pool | None = None
    mounts: tuple[str, ...] = ()


def collect(settings: AccountingSettings) -> Found:
    """Read this host."""
    server, storage = settings.server, settings.storage
    trial = _Trial()
    # Before the counters are read, so that no usage is assigned to a later time.
    moment = now()
    tenants = trial.of(lambda: collector.read(server.directory, 0, DISK_SECONDS, databases=False)) if server else None
    stored = trial.of(lambda: _stored(storage)) if storage else None
    disk = settings.disk
    space = trial.of(lambda: _stored(disk)) if disk else None
    routers = trial.of(lambda: served(metrics.read(server.metrics_port))) if server else None
    wanted = trial.of(lambda: states(server.directory)) if server else None
    look = Look(
        moment,
        wanted or {},
        None if tenants is None else {name: _containers(found) for name, found in tenants.items()},
        None if stored is None else {name: state.usage.bytes for name, state in stored[0].items()},
        None if tenants is None else _databases(tenants),
        routers,
    )
    pools = (found[1] if found else None for found in (stored, space))
    points = trial.of(lambda: _mounts([one.root for one in (storage, disk) if one])) or ()
    return Found(look, tenants or {}, next(pools), tuple(trial.problems), next(pools), points)


class _Trial:
    """Reads parts that may fail independently."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def of(self, read: Callable[[], Part]) -> Part | None:
        try:
            return read()
        except (StackError, QuotaError, CommandError, metrics.MetricsError, OSError, ValueError) as error:
            self.problems.append(str(error))
            return None


def states(directory: Path) -> dict[str, str]:
    """Return each tenant's desired state below `directory`, from its .env."""
    found = tenant_env.read_all(directory).items()
    return {name: variables["TENANT_STATE"] for name, variables in found if "TENANT_STATE" in variables}


def served(text: str) -> Mapping[str, Counters]:
    """Return tenant to the counts of its routers, from Traefik's metrics; raises ValueError."""
    started, counts = metrics.parse(text)
    found: dict[str, dict[str, collections.Counter[str]]] = collections.defaultdict(dict)
    for count in counts:
        # A counter restarts with Traefik; this name distinguishes its runs in the ledger.
        source = f"{metrics.router(count.tenant)}@file/{started:.0f}"
        found[count.tenant].setdefault(source, collections.Counter())[MEASURES[count.counter]] += count.value
    return dict(found)


def _containers(tenant: collector.TenantSample) -> Containers:
    services, whole = tenant.services.values(), tenant.slice
    counters: dict[str, Counts] = {}
    for service in services:
        # The engine counts restarts of a container until somebody starts it by hand.
        if service.started:
            counters[service.identity] = {"restarts": service.restarts}
            life = _of_network(service.network) | ({} if whole else _of_group(service.group))
            counters[f"{service.identity}/{service.started}"] = life
    if whole:
        # The slice still has the usage of a container that has ended, so its last minute is not lost.
        counters[f"slice/{whole.inode}"] = _of_group(whole)
    well = bool(services) and all(service.state == "running" and service.health == "healthy" for service in services)
    memory = whole.memory_bytes if whole else sum(service.group.memory_bytes for service in services)
    return Containers(well, memory, counters)


def _of_group(group: Group) -> Counts:
    """Return the counters of a control group, without those that the kernel does not have."""
    counts = {
        "cpu_microseconds": None if group.cpu_seconds is None else round(group.cpu_seconds * MICROSECONDS),
        "disk_read_bytes": group.disk_read_bytes,
        "disk_written_bytes": group.disk_written_bytes,
        "memory_limit_events": group.memory_limit_events,
        "oom_kills": group.oom_kills,
    }
    return {measure: count for measure, count in counts.items() if count is not None}


def _of_network(network: Network) -> Counts:
    counts = {"network_received_bytes": network.received_bytes, "network_sent_bytes": network.sent_bytes}
    return {measure: count for measure, count in counts.items() if count is not None}


def _databases(tenants: Mapping[str, collector.TenantSample]) -> dict[str, int]:
    found = {name: tenant.disk.get("database_bytes") for name, tenant in tenants.items()}
    return {name: size for name, size in found.items() if size is not None}


def _mounts(roots: Sequence[str]) -> tuple[str, ...]:
    """Return where something is mounted at or below the roots; with ZFS, each tenant's directory is a mount."""
    points = {mount.point for mount in mounts.read()}
    return tuple(sorted(point for point in points for root in roots if Path(point).is_relative_to(root)))


def _stored(storage: Storage) -> tuple[dict[str, State], Pool]:
    backend = open_backend(storage.root, storage.sentinel, storage.backend, _run)
    found = {name: state for name, state in backend.read().directories.items() if is_tenant(name)}
    status = os.statvfs(backend.root)
    limits = {name: state.limit for name, state in found.items()}
    return found, Pool(backend.pool(), status.f_bavail * status.f_frsize, limits, found)


def _run(arguments: Sequence[str]) -> Completed:
    try:
        done = process.run(
            arguments, seconds=COMMAND_SECONDS, environment={**os.environ, "LC_ALL": "C"}, largest=LARGEST
        )
    except FileNotFoundError as error:
        raise CommandError(arguments, Completed(127, err=f"{arguments[0]} is not installed on this host")) from error
    if done.stopped:
        raise CommandError(arguments, Completed(124, err=done.stopped))
    return done

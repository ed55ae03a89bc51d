"""The usage of each tenant of an inventory, now and since its counters started, read by one run of a playbook."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import re
import typing as t
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from ansible_collections.swissphoto.silo.plugins.module_utils.common import metrics
from ansible_collections.swissphoto.silo.plugins.module_utils.common.names import TENANT, is_tenant
from prometheus_client.parser import text_string_to_metric_families

from silo import fleet
from silo.ansible.contract import ReadTag, TaskId
from silo.ansible.results import Answers, ask

COUNTERS = {metrics.REQUESTS: "requests", metrics.RECEIVED: "received_bytes", metrics.SENT: "sent_bytes"}
ROUTER = re.compile(rf"{metrics.router(f'({TENANT})')}@file")
# Values that are summed over the containers of a tenant.
OF_GROUP = (
    "memory_bytes",
    "anonymous_bytes",
    "memory_limit_bytes",
    "memory_limit_events",
    "oom_kills",
    "cpu_seconds",
    "disk_read_bytes",
    "disk_written_bytes",
    "processes",
)
OF_NETWORK = ("received_bytes", "sent_bytes")
# The engine's states in which a container uses memory.
RUNNING = ("running", "restarting", "paused")
# A larger float is not an exact integer any more, and cannot be a real count.
MOST = 2**53


class MetricsError(Exception):
    """The metrics cannot be read; the text says why."""


@dataclasses.dataclass(frozen=True)
class Served:
    """Traefik's counts of a tenant: requests, and bytes of their bodies from and to the customer."""

    requests: int = 0
    received_bytes: int = 0
    sent_bytes: int = 0


@dataclasses.dataclass(frozen=True)
class Metrics:
    """Traefik's counts since it started (ISO 8601, UTC), of tenants with at least one request."""

    since: str
    tenants: Mapping[str, Served]


@dataclasses.dataclass(frozen=True)
class Numbers:
    """The usage. None is unknown: nothing that knows it runs or exists, or it did not answer in time.

    `cpu_seconds` since the containers started, `cpu_cores` busy now (0.5 is half a core). `storage_*` on the NAS;
    `database_bytes` as Postgres counts it, `local_bytes` on the server's disk: database, Immich's dumps and queue.
    `space_*` is the same as the limit of that disk counts it.
    `memory_burst_bytes` is the part of `memory_limit_bytes` that is lent for a moment.
    `requests` and bytes served since `Tenant.since`. `disk_*`, `network_*`, `memory_limit_events` (how often a limit
    was reached), `oom_kills` and `restarts` since the containers started; `processes` counts threads too.
    """

    memory_bytes: int | None = 0
    anonymous_bytes: int | None = 0
    memory_limit_bytes: int | None = 0
    memory_burst_bytes: int | None = 0
    cpu_seconds: float | None = 0.0
    cpu_cores: float | None = 0.0
    processes: int | None = 0
    disk_read_bytes: int | None = 0
    disk_written_bytes: int | None = 0
    network_received_bytes: int | None = 0
    network_sent_bytes: int | None = 0
    memory_limit_events: int | None = 0
    oom_kills: int | None = 0
    restarts: int | None = 0
    storage_bytes: int | None = None
    storage_limit_bytes: int | None = None
    storage_inodes: int | None = None
    database_bytes: int | None = None
    local_bytes: int | None = None
    space_bytes: int | None = None
    space_limit_bytes: int | None = None
    space_inodes: int | None = None
    photos: int | None = None
    videos: int | None = None
    users: int | None = None
    requests: int | None = None
    received_bytes: int | None = None
    sent_bytes: int | None = None


# A tenant of which nothing is known.
UNKNOWN = {"observed": fleet.UNKNOWN, **dict.fromkeys(field.name for field in dataclasses.fields(Numbers))}


@dataclasses.dataclass(frozen=True)
class TenantUsage(Numbers):
    """One tenant on one server.

    An orphan is in no inventory, or in it with another server; it has no `desired`, and no `server` if only its files
    on a NAS are left. `started` is the start of its youngest container, `since` that of Traefik, in ISO 8601 and UTC; a
    removed route loses its counts, for example when a tenant is stopped.
    """

    name: str = ""
    server: str = ""
    desired: str = ""
    observed: str = ""
    orphan: bool = False
    last_login: str | None = None
    started: str | None = None
    since: str | None = None


@dataclasses.dataclass(frozen=True)
class Totals(Numbers):
    """Sums of the known values; `at_least` names those that are larger in fact, because a tenant's part is unknown."""

    tenants: int = 0
    at_least: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Usage:
    """All tenants by name, their sums, and a sentence for each part that could not be read.

    `left_out` are sentences on machines that do not say all, and on tenants whose settings are wrong, which are orphans
    here.
    """

    tenants: tuple[TenantUsage, ...]
    totals: Totals
    problems: tuple[str, ...]
    left_out: tuple[str, ...] = ()


def parse(text: str) -> Metrics:
    """Parse lines in Prometheus' text format; raises MetricsError."""
    started = None
    counts: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    try:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                router = ROUTER.fullmatch(sample.labels.get("router", ""))
                if sample.name == metrics.STARTED:
                    started = datetime.datetime.fromtimestamp(sample.value, datetime.UTC)
                elif sample.name in COUNTERS and router:
                    counts[router[1]][COUNTERS[sample.name]] += _count(sample.value)
    # The parser expects valid input, and raises any of these for invalid input.
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, OSError) as error:
        raise MetricsError(f"Traefik's metrics cannot be read: {type(error).__name__}: {error}") from error
    if started is None:
        raise MetricsError(f"Traefik's metrics cannot be read: they have no {metrics.STARTED}")
    served = {name: Served(**count) for name, count in counts.items()}
    return Metrics(started.isoformat(timespec="seconds"), served)


def _count(value: float) -> int:
    if not 0 <= value <= MOST:
        raise ValueError(f"{value} is no count")
    return int(value)


def _sum(values: Iterable[float | None]) -> t.Any:
    """Return the sum of the known values; None if all are unknown."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _live(found: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return the numbers of a tenant's containers, database and folders, from tenant_usage_info."""
    services, database, disk = list(found["services"].values()), found["database"], found["disk"]
    running = [service for service in services if service["state"] in RUNNING]
    groups = [service["group"] for service in running]
    networks = [service["network"] for service in running]
    return {
        "observed": fleet.observed(found["services"]),
        **{name: _sum(group[name] for group in groups) if groups else 0 for name in OF_GROUP},
        **{f"network_{name}": _sum(one[name] for one in networks) if networks else 0 for name in OF_NETWORK},
        "memory_burst_bytes": found["burst_bytes"] if running else 0,
        "cpu_cores": _sum(service["cpu_cores"] for service in running) if running else 0.0,
        "restarts": sum(service["restarts"] for service in running),
        "started": max((service["started"] for service in running), default="") or None,
        "database_bytes": database["size_bytes"],
        "photos": database["photos"],
        "videos": database["videos"],
        "users": database["users"],
        "last_login": _time(database["last_login"]),
        "local_bytes": _sum(disk.values()),
    }


def _time(seconds: int | None) -> str | None:
    try:
        return None if seconds is None else datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        # A tenant's own database says it, and there need be no such year.
        return None


def _storage(found: Mapping[str, t.Any]) -> dict[str, int | None]:
    return {
        "storage_bytes": found["used"],
        "storage_limit_bytes": found["limit"],
        "storage_inodes": found["inodes"],
    }


def _space(found: Mapping[str, t.Any]) -> dict[str, int | None]:
    """Return the numbers of a directory on a server's disk; a disk without limits counts nothing."""
    return {
        "space_bytes": None if found["limit"] is None else found["used"],
        "space_limit_bytes": found["limit"],
        "space_inodes": found["inodes"],
    }


def _totals(tenants: Sequence[TenantUsage]) -> Totals:
    names = [field.name for field in dataclasses.fields(Numbers)]
    sums = {name: _sum(getattr(tenant, name) for tenant in tenants) for name in names}
    partly = (name for name in names if any(getattr(tenant, name) is None for tenant in tenants))
    return Totals(**sums, tenants=len(tenants), at_least=tuple(name for name in partly if sums[name] is not None))


def _metrics(servers: Mapping[str, Mapping[str, t.Any]]) -> tuple[dict[str, Metrics], list[str]]:
    """Return server to its metrics, and a sentence for each server without."""
    metrics, problems = {}, []
    for server, result in sorted(servers.items()):
        try:
            if result["metrics"] is None:
                raise MetricsError(result["metrics_problem"])
            metrics[server] = parse(result["metrics"])
        except MetricsError as error:
            problems.append(f"{server}: requests and bytes served are unknown: {error}")
    return metrics, problems


class _Rows:
    """Tenant and server to the found values; a tenant that was moved may have some on its former server.

    Of those on a server that is none of `servers`, which answered, nothing is known but what is added.
    """

    def __init__(self, facts: Mapping[str, Mapping[str, t.Any]], servers: Collection[str]) -> None:
        self._facts, self._servers = facts, servers
        self._found: dict[tuple[str, str], dict[str, t.Any]] = {(name, facts[name]["server"]): {} for name in facts}

    def add(self, name: str, server: str, found: Mapping[str, t.Any]) -> None:
        self._found.setdefault((name, server), {}).update(found)

    def serve(self, metrics: Mapping[str, Metrics]) -> None:
        for (name, server), row in self._found.items():
            if server in metrics:
                row["since"] = metrics[server].since
                row.update(dataclasses.asdict(metrics[server].tenants.get(name, Served())))

    def server_of(self, name: str, nas: str) -> str:
        """Return the server whose row gets a tenant's usage of a NAS; empty if there is none."""
        if name in self._facts and self._facts[name]["nas"] == nas:
            return str(self._facts[name]["server"])
        return min(
            (server for found, server in self._found if found == name and self._orphan(name, server)), default=""
        )

    def _orphan(self, name: str, server: str) -> bool:
        return name not in self._facts or self._facts[name]["server"] != server

    def tenants(self) -> tuple[TenantUsage, ...]:
        return tuple(self._tenant(name, server, row) for (name, server), row in sorted(self._found.items()))

    def _tenant(self, name: str, server: str, row: Mapping[str, t.Any]) -> TenantUsage:
        orphan = self._orphan(name, server)
        desired = "" if orphan else self._facts[name]["desired"]
        known = {"observed": "absent"} if server in self._servers or not server else UNKNOWN
        return TenantUsage(**{**known, **row}, name=name, server=server, desired=desired, orphan=orphan)


def usage(
    facts: Mapping[str, Mapping[str, t.Any]],
    servers: Mapping[str, Mapping[str, t.Any]],
    storages: Mapping[str, Mapping[str, t.Any]],
    disks: Mapping[str, Mapping[str, t.Any]] = MappingProxyType({}),
) -> Usage:
    """Return the usage of all tenants.

    `facts`: tenant to its desired state (tenant_scope). `servers`: server to the result of tenant_usage_info.
    `storages` and `disks`: NAS, and server, to the result of storage_quota_info.
    """
    metrics, problems = _metrics(servers)
    rows = _Rows(facts, servers)
    for server, result in servers.items():
        for name, found in result["tenants"].items():
            rows.add(name, server, _live(found))
    for nas, result in storages.items():
        for name in filter(is_tenant, result["tenants"]):
            rows.add(name, rows.server_of(name, nas), _storage(result["tenants"][name]))
    for server, result in disks.items():
        for name in filter(is_tenant, result["tenants"]):
            rows.add(name, server, _space(result["tenants"][name]))
    rows.serve(metrics)
    tenants = rows.tenants()
    return Usage(tenants, _totals(tenants), tuple(problems))


def of(answers: Answers) -> Usage:
    """Return the usage of all tenants, from the answers to read.yml with the tag stats."""
    results = answers.results
    facts, lost = fleet.scope(results)
    found = usage(facts, results.get(TaskId.USAGE, {}), results.get(TaskId.QUOTAS, {}), results.get(TaskId.DISKS, {}))
    left_out = [answers.missing.values(), *(one["problems"] for one in facts.values()), *lost.values()]
    return dataclasses.replace(found, left_out=tuple(text for sentences in left_out for text in sentences))


def read(inventory: Path) -> Usage:
    """Read the usage of all tenants of `inventory`; raises silo.ansible.runner.RunError."""
    return of(ask(inventory, ReadTag.STATS))

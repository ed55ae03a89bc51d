# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads the usage of all tenants of a server at once; a container that ends meanwhile is not an error."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import os
import time
import typing as t
from collections.abc import Mapping
from pathlib import Path

from ..common import cgroup, compose, tenant_env
from ..common.cgroup import Group, Network
from ..common.names import is_tenant
from ..tenant import burst, engine, health
from ..tenant.stack import Container, StackError
from . import database, disk
from .database import Database
from .disk import Disk

WORKERS = 2 * (os.cpu_count() or 1)


@dataclasses.dataclass(frozen=True)
class ServiceSample:
    """One container. `started` is the engine's time in UTC, empty if it does not run; then it uses nothing.

    `restarts` counts the engine's own restarts since a manual start. `cpu_cores`: the cores that it keeps busy now.
    """

    state: str
    health: str
    identity: str = ""
    started: str = ""
    restarts: int = 0
    group: Group = Group()
    network: Network = Network()
    cpu_cores: float | None = None


@dataclasses.dataclass(frozen=True)
class TenantSample:
    """The usage of a tenant on this server. `slice`: all its containers, if systemd keeps them in one group.

    `burst_bytes`: how much more than it was promised its containers may use now.
    """

    services: Mapping[str, ServiceSample]
    database: Database
    disk: Disk
    slice: Group | None = None
    burst_bytes: int = 0


@dataclasses.dataclass(frozen=True)
class _Process:
    """The main process of a container, and the first reading of its group."""

    pid: int
    started: str
    restarts: int
    group: Group | None


def _containers() -> list[Container]:
    try:
        found = engine.containers()
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise StackError(f"the Docker Engine's list of containers cannot be read: {error!r}") from error
    # Names become parts of paths and commands, so an invalid label is ignored.
    return health.asked([container for container in found if is_tenant(container.tenant)])


def _process(container: Container, watched: bool) -> _Process | None:
    if not container.running:
        return None
    try:
        found = engine.get(f"/containers/{container.identity}/json", {})
        pid, started = int(found["State"]["Pid"]), str(found["State"]["StartedAt"])
        restarts = int(found["RestartCount"])
    except (StackError, ValueError, LookupError, TypeError):
        return None
    # Pid 0 means that it has ended.
    return _Process(pid, started, restarts, cgroup.read(pid) if watched else None) if pid > 0 else None


def _service(container: Container, process: _Process | None) -> ServiceSample:
    used = cgroup.read(process.pid) if process else None
    if process is None or used is None:
        return ServiceSample(container.state, container.health, container.identity)
    return ServiceSample(
        container.state,
        container.health,
        container.identity,
        process.started,
        process.restarts,
        used,
        cgroup.network(process.pid),
        _cores(process.group, used),
    )


def _cores(before: Group | None, now: Group) -> float | None:
    if before is None or before.cpu_seconds is None or now.cpu_seconds is None or now.at <= before.at:
        return None
    return round(max(0.0, now.cpu_seconds - before.cpu_seconds) / (now.at - before.at), 4)


def _folders(directory: Path) -> dict[str, Path]:
    try:
        found = sorted(directory.iterdir())
    except FileNotFoundError:
        return {}
    return {path.name: path for path in found if is_tenant(path.name) and path.is_dir() and not path.is_symlink()}


def read(directory: Path, interval: float, seconds: int, *, databases: bool = True) -> dict[str, TenantSample]:
    """Return the usage of every tenant that has a container or a folder in `directory`; raises StackError.

    CPU is measured for `interval` seconds, in all containers at once, unless that is 0. Each database query and each
    count of a folder has `seconds`.
    """
    containers, folders = _containers(), _folders(directory)
    variables = tenant_env.read_all(directory)
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        processes = list(pool.map(lambda container: _process(container, interval > 0), containers))
        # During this time, silo runs nothing in the containers.
        time.sleep(interval)
        services: dict[str, dict[str, ServiceSample]] = {}
        for container, process in zip(containers, processes, strict=True):
            # After an interrupted replacement, both containers of a service count.
            service = container.name if container.stray else container.service
            services.setdefault(container.tenant, {})[service] = _service(container, process)
        names = sorted(services.keys() | folders.keys())
        asked = [name for name in names if databases and _answers(services.get(name, {}))]
        places = {name: Path(variables.get(name, {}).get("TENANT_DISK") or folders[name]) for name in folders}
        disks = pool.map(lambda name: disk.read(places[name], seconds), folders)
        told = dict(zip(asked, pool.map(lambda name: database.read(name, seconds), asked), strict=True))
        taken = dict(zip(folders, disks, strict=True))
    return {
        name: TenantSample(
            services.get(name, {}),
            told.get(name, Database()),
            taken.get(name, {}),
            cgroup.read_directory(slice_of(name)),
            _burst(services.get(name, {}), burst.promises(variables.get(name, {}))),
        )
        for name in names
    }


def _burst(services: Mapping[str, ServiceSample], promised: Mapping[str, burst.Promise]) -> int:
    """Return what the limits of services are beyond their promises."""
    return sum(
        max(0, services[name].group.memory_limit_bytes - promise.memory)
        for name, promise in promised.items()
        if name in services and promise.burst is not None
    )


def slice_of(name: str) -> Path:
    """Return the directory of the group of all containers of a tenant, if systemd keeps them in a slice."""
    return cgroup.CGROUP / "silo.slice" / compose.slice_name(name)


def _answers(services: Mapping[str, ServiceSample]) -> bool:
    return "database" in services and services["database"].state == "running"


def as_facts(tenants: Mapping[str, TenantSample]) -> dict[str, t.Any]:
    """Return `tenants` as values that a module can return."""
    return {name: dataclasses.asdict(tenant) for name, tenant in tenants.items()}

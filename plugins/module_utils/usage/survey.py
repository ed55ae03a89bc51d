# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""All tenants of a server in one look; what vanishes meanwhile is no error."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import os
import re
import time
import typing as t
from collections.abc import Mapping
from pathlib import Path

from ..tenant import cgroup, engine
from ..tenant.stack import Container, StackError
from . import database, disk
from .database import Database
from .disk import Disk
from .processor import cpu_seconds

# Names become parts of paths and of commands, so a foreign label is nobody's.
NAME = re.compile(r"[a-z][a-z0-9]{1,30}")
WORKERS = 2 * (os.cpu_count() or 1)


@dataclasses.dataclass(frozen=True)
class Service:
    """One container. `cpu_seconds` since it started; `cpu_cores`: how many cores it kept busy just now.

    `started` is the engine's, in UTC; it is empty, and CPU is None, where nothing runs.
    """

    state: str
    health: str
    started: str = ""
    memory_bytes: int = 0
    memory_limit_bytes: int = 0
    cpu_seconds: float | None = None
    cpu_cores: float | None = None


@dataclasses.dataclass(frozen=True)
class Tenant:
    """What a tenant uses on this server."""

    services: Mapping[str, Service]
    database: Database
    disk: Disk


@dataclasses.dataclass(frozen=True)
class _Process:
    """The main process of a container, and the CPU seconds of its group at the time `at`."""

    pid: int
    started: str
    at: float
    cpu: float | None


def _containers() -> list[Container]:
    try:
        found = engine.containers()
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise StackError(f"the Docker Engine's list of containers cannot be read: {error!r}") from error
    return [container for container in found if NAME.fullmatch(container.tenant)]


def _process(container: Container) -> _Process | None:
    if not container.running:
        return None
    try:
        state = engine.get(f"/containers/{container.identity}/json", {})["State"]
        pid, started = int(state["Pid"]), str(state["StartedAt"])
    except (StackError, ValueError, LookupError, TypeError):
        return None
    # Number 0 says that it has ended, and is no group of its own.
    return _Process(pid, started, time.monotonic(), cpu_seconds(pid)) if pid > 0 else None


def _service(container: Container, process: _Process | None) -> Service:
    if process is None:
        return Service(container.state, container.health)
    memory = cgroup.memory(process.pid)
    now, cpu = time.monotonic(), cpu_seconds(process.pid)
    cores = None
    if cpu is not None and process.cpu is not None and now > process.at:
        cores = round(max(0.0, cpu - process.cpu) / (now - process.at), 4)
    return Service(container.state, container.health, process.started, memory.used, memory.limit, cpu, cores)


def _folders(directory: Path) -> dict[str, Path]:
    try:
        found = sorted(directory.iterdir())
    except FileNotFoundError:
        return {}
    return {path.name: path for path in found if NAME.fullmatch(path.name) and path.is_dir() and not path.is_symlink()}


def read(directory: Path, interval: float, seconds: int) -> dict[str, Tenant]:
    """Return what every tenant uses that has a container or a folder in `directory`; raises StackError.

    CPU is watched for `interval` seconds, in all containers at once; each database and each folder has `seconds`.
    """
    containers, folders = _containers(), _folders(directory)
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        processes = list(pool.map(_process, containers))
        # Nothing of ours runs in a tenant's containers meanwhile.
        time.sleep(interval)
        services: dict[str, dict[str, Service]] = {}
        for container, process in zip(containers, processes, strict=True):
            # The half of a replacement that was cut off counts beside the other half.
            service = container.name if container.stray else container.service
            services.setdefault(container.tenant, {})[service] = _service(container, process)
        names = sorted(services.keys() | folders.keys())
        running = [name for name in names if _answers(services.get(name, {}))]
        disks = pool.map(lambda name: disk.read(folders[name], seconds), folders)
        databases = pool.map(lambda name: database.read(name, seconds), running)
        found = dict(zip(running, databases, strict=True)), dict(zip(folders, disks, strict=True))
    return {
        name: Tenant(services.get(name, {}), found[0].get(name, Database()), found[1].get(name, Disk()))
        for name in names
    }


def _answers(services: Mapping[str, Service]) -> bool:
    return "database" in services and services["database"].state == "running"


def as_facts(tenants: Mapping[str, Tenant]) -> dict[str, t.Any]:
    """Return what a module may return of `tenants`."""
    return {name: dataclasses.asdict(tenant) for name, tenant in tenants.items()}

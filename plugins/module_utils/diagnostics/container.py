# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The actual state of a container, from the engine and from the kernel."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import os
import typing as t
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from ..tenant import engine, stack
from ..tenant.stack import StackError
from . import limits, mounts, process
from .limits import Limits
from .mounts import Mount
from .process import Process

WORKERS = 2 * (os.cpu_count() or 1)

Ask = Callable[[str, Mapping[str, str]], t.Any]


@dataclasses.dataclass(frozen=True)
class Item:
    """A container in the engine's list; `tenant` is empty if it belongs to no tenant."""

    identity: str
    name: str
    state: str
    status: str
    tenant: str
    addresses: tuple[str, ...]
    published: tuple[str, ...]
    sources: tuple[str, ...]

    def of(self, tenant: str, service: str) -> stack.Container:
        """Return the container that should be that of a tenant's service, to ask it whether it works."""
        address = next(iter(self.addresses), "")
        health = engine.health(self.status)
        return stack.Container(self.identity, self.name, tenant, service, "", self.state, health, address=address)


@dataclasses.dataclass(frozen=True)
class Found:
    """An examined container. `details` are the engine's, the rest is the kernel's; without `processes` it is down."""

    details: Mapping[str, t.Any] = dataclasses.field(repr=False)
    digests: tuple[str, ...] = ()
    pid: int = 0
    processes: tuple[Process, ...] = ()
    mounts: tuple[Mount, ...] = ()
    limits: Limits = Limits(None, None, None)

    @property
    def network(self) -> Path:
        """The file of its network namespace."""
        return Path(self.details["NetworkSettings"]["SandboxKey"])


def _published(ports: Iterable[Mapping[str, t.Any]]) -> tuple[str, ...]:
    return tuple(f"{port.get('IP', '')}:{port['PublicPort']}" for port in ports if port.get("PublicPort"))


def items(ask: Ask = engine.get) -> tuple[Item, ...]:
    """Return all containers of this server, by one request."""
    return tuple(
        Item(
            identity=item["Id"],
            name=item["Names"][0].lstrip("/"),
            state=item["State"],
            status=item["Status"],
            tenant=item["Labels"].get(f"{engine.LABEL}.tenant", ""),
            addresses=tuple(
                network["IPAddress"]
                for network in item["NetworkSettings"]["Networks"].values()
                if network.get("IPAddress")
            ),
            published=_published(item.get("Ports") or []),
            sources=tuple(mount["Source"] for mount in item.get("Mounts") or [] if mount.get("Source")),
        )
        for item in ask("/containers/json", {"all": "1"})
    )


def inspect(item: Item, ask: Ask = engine.get) -> Found | None:
    """Return one container; None if it ended meanwhile."""
    try:
        details = ask(f"/containers/{item.identity}/json", {})
        image = ask(f"/images/{details['Image']}/json", {})
    except StackError:
        return None
    digests, pid = tuple(image.get("RepoDigests") or ()), int(details["State"]["Pid"])
    if pid <= 0:
        return Found(details, digests)
    return Found(details, digests, pid, process.read(pid), mounts.read(pid), limits.read(pid))


def inspect_all(chosen: Iterable[Item], ask: Ask = engine.get) -> dict[str, Found]:
    """Return name to container, of all that run."""
    listed = list(chosen)
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        found = pool.map(lambda item: inspect(item, ask), listed)
        return {item.name: one for item, one in zip(listed, found, strict=True) if one}

# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the inventory promises, as the module gets it."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class ExpectedService:
    """A container as it should be. Sizes in bytes.

    `label` is how it is told. `writable`: where it may write. `memory_order`: who has more is ended first where the
    server is short of memory. `port`: where it listens on a network of its own; 0 for who is on the server's.
    """

    label: str
    container: str
    image: str
    memory: int
    processes: int
    uid: int
    writable: tuple[str, ...]
    memory_order: int
    port: int
    address: str = ""


@dataclasses.dataclass(frozen=True)
class ExpectedTenant:
    """A tenant as it should be; `folders` are those of which its containers get files.

    Of its directory, `secrets` are files below secrets/, of which `passwords` hold one each; `configuration` are other
    files that its containers mount, and `data` the folders in which they keep data.
    """

    name: str
    state: str
    uid: int
    directory: Path
    storage: Path
    gateway: str
    bridge: str
    services: tuple[ExpectedService, ...]
    secrets: tuple[str, ...]
    passwords: tuple[str, ...]
    configuration: tuple[str, ...]
    data: tuple[str, ...]

    @property
    def folders(self) -> tuple[Path, Path]:
        """Where all lies that is this tenant's."""
        return self.directory, self.storage

    def service(self, name: str) -> ExpectedService:
        """Return the service of this name."""
        return next(service for service in self.services if service.label == f"{self.name}/{name}")


@dataclasses.dataclass(frozen=True)
class Wanted:
    """Everything on one server. `known`: all tenants that the inventory has here, also those that are not looked at.

    `ports`: where containers of tenants listen.
    """

    server: str
    tenants: tuple[ExpectedTenant, ...]
    shared: tuple[ExpectedService, ...]
    known: frozenset[str]
    sentinel: Path
    firewall: Path
    seccomp: Path
    machine_learning_port: int
    ports: frozenset[int]
    closed: bool
    ssh_keys_only: bool
    patience: float


def _tenant(item: Mapping[str, t.Any]) -> ExpectedTenant:
    name = item["name"]
    services = tuple(
        ExpectedService(
            label=f"{name}/{service['name']}",
            container=f"silo-{name}-{service['name']}-1",
            image=service["image"],
            memory=service["memory"],
            processes=service["processes"],
            uid=item["uid"],
            writable=tuple(service["writable"]),
            memory_order=service["memory_order"],
            address=service["address"],
            port=service["port"],
        )
        for service in item["services"]
    )
    paths = (Path(item["directory"]), Path(item["storage"]))
    lists = (tuple(item[key]) for key in ("secrets", "passwords", "configuration", "folders"))
    return ExpectedTenant(name, item["state"], item["uid"], *paths, item["gateway"], item["bridge"], services, *lists)


def parse(parameters: Mapping[str, t.Any]) -> Wanted:
    """Return what the module's parameters say."""
    shared = (
        ExpectedService(
            label=item["name"],
            container=item["container"],
            image=item["image"],
            memory=item["memory"],
            processes=item["processes"],
            uid=item["uid"],
            writable=tuple(item["writable"]),
            memory_order=item["memory_order"],
            port=item["port"],
        )
        for item in parameters["shared"]
    )
    return Wanted(
        server=parameters["server"],
        tenants=tuple(_tenant(item) for item in parameters["tenants"]),
        shared=tuple(shared),
        known=frozenset(parameters["known"]),
        sentinel=Path(parameters["sentinel"]),
        firewall=Path(parameters["firewall"]),
        seccomp=Path(parameters["seccomp"]),
        machine_learning_port=parameters["machine_learning_port"],
        ports=frozenset(parameters["ports"]),
        closed=parameters["closed"],
        ssh_keys_only=parameters["ssh_keys_only"],
        patience=parameters["patience"],
    )

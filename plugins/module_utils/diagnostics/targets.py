# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The targets for each container: those that it may reach, and those that it must not."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from ..command import Runner, run_json
from ..common.cgroup import PROC
from . import mounts
from .connectivity import Reached, Target
from .container import Item
from .expected import ExpectedService, ExpectedTenant

MACHINE_LEARNING = 3003
# Ports of machine learning and pages; those of tenants' containers come from the inventory.
OF_SHARED = frozenset({MACHINE_LEARNING, 8080})
# Ports of a server that are always tried.
OF_HOSTS = (22, 80, 443, 2375)
OF_NAS = (22, 111, 2049)
# The metadata service of clouds, which has a machine's secrets.
METADATA = Target("169.254.169.254", 80, "metadata of the cloud")
LISTENING = "0A"


@dataclasses.dataclass(frozen=True)
class Ports:
    """Where the machine learning listens on each tenant's gateway, and where any container listens."""

    machine_learning: int = MACHINE_LEARNING
    containers: frozenset[int] = OF_SHARED


@dataclasses.dataclass(frozen=True)
class Host:
    """A server on its networks: interface to addresses, its listening ports, the addresses of its NAS."""

    addresses: Mapping[str, Sequence[str]]
    ports: frozenset[int]
    nas: tuple[str, ...] = ()


def listening(proc: Path = PROC) -> frozenset[int]:
    """Return the TCP ports at which anything of this server listens, on whatever address."""
    found = set()
    for name in ("tcp", "tcp6"):
        try:
            lines = (proc / "net" / name).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == LISTENING:
                found.add(int(fields[1].rpartition(":")[2], 16))
    return frozenset(found)


def host(runner: Runner, root: Path, proc: Path = PROC) -> Host:
    """Return the server's networks; `root` is where the NAS is mounted. Raises CommandError."""
    answer = run_json(runner, ("ip", "-json", "address", "show"))
    addresses = {
        interface["ifname"]: [info["local"] for info in interface.get("addr_info", []) if info["scope"] != "host"]
        for interface in answer
        if "ifname" in interface
    }
    nas = (mount.server for mount in mounts.read("self", proc) if mount.point == str(root) and mount.server)
    return Host(addresses, listening(proc), tuple(nas))


def own(tenant: ExpectedTenant, port: int) -> list[Target]:
    """Return the targets that each container of a tenant may reach."""
    inside = [Target(service.address, service.port, service.label) for service in tenant.services if service.port]
    return [*inside, Target(tenant.gateway, port, "machine learning")]


def foreign(mine: Collection[Target], bridge: str, ports: Ports, others: Iterable[Item], here: Host) -> list[Target]:
    """Return all targets except `mine`, for a network whose bridge is `bridge`."""
    theirs = sorted(ports.containers)
    found = [Target(address, port, item.name) for item in others for address in item.addresses for port in theirs]
    of_host = sorted(here.ports | set(OF_HOSTS) | {ports.machine_learning})
    for interface, addresses in here.addresses.items():
        # An address of the link is one of a cable: only the own bridge's is at the other end.
        near = [address for address in addresses if not address.startswith("fe80:") or interface == bridge]
        found += [Target(address, port, f"this server at {interface}") for address in near for port in of_host]
    found += [Target(address, port, "NAS") for address in here.nas for port in OF_NAS]
    return [target for target in [*found, METADATA] if target not in mine]


def of_tenant(
    tenant: ExpectedTenant, ports: Ports, items: Sequence[Item], here: Host
) -> tuple[list[Target], list[Target]]:
    """Return the targets that a tenant's containers may reach, and those that they must not."""
    mine = own(tenant, ports.machine_learning)
    others = [item for item in items if item.tenant != tenant.name]
    return mine, foreign(mine, tenant.bridge, ports, others, here)


def of_shared(
    service: ExpectedService, ports: Ports, items: Sequence[Item], here: Host
) -> tuple[list[Target], list[Target]]:
    """Return the same for a shared service on a network of its own; some may reach the internet."""
    addresses = [address for item in items if item.name == service.container for address in item.addresses]
    mine = [Target(address, service.port, service.label) for address in addresses]
    others = [item for item in items if item.name != service.container]
    return mine, foreign(mine, "", ports, others, here)


@dataclasses.dataclass(frozen=True)
class Connection:
    """The targets that were tried from a container, `own` and `foreign`, and the results."""

    own: Sequence[Target]
    foreign: Sequence[Target]
    reached: Reached


@dataclasses.dataclass(frozen=True)
class Connections:
    """Label of a container to its connections; `error` is why none could be tried."""

    by_label: Mapping[str, Connection] = dataclasses.field(default_factory=dict)
    error: str = ""

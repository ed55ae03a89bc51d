# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""From each container, what can be reached: its own, for a tenant the machine learning, and nothing else here."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from ..command import Runner, run_json
from ..usage.cgroup import PROC
from . import mounts
from .check import Check, none_of
from .connectivity import Reached, Target
from .container import Found, Item
from .expected import ExpectedService, ExpectedTenant, Wanted

# Machine learning and pages, beside what the containers of tenants have.
OF_SHARED = frozenset({3003, 8080})
# What a server has at least, and what it must not have for anybody.
OF_HOSTS = (22, 80, 443, 2375)
OF_NAS = (22, 111, 2049)
# Where clouds tell a machine its own secrets.
METADATA = Target("169.254.169.254", 80, "metadata of the cloud")
LISTENING = "0A"


@dataclasses.dataclass(frozen=True)
class Host:
    """What a server is on its networks: interface to addresses, the ports that listen, the addresses of its NAS."""

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
    """Return what this server is on its networks; `root` is where the NAS is mounted. Raises CommandError."""
    answer = run_json(runner, ("ip", "-json", "address", "show"))
    addresses = {
        interface["ifname"]: [info["local"] for info in interface.get("addr_info", []) if info["scope"] != "host"]
        for interface in answer
        if "ifname" in interface
    }
    nas = (mount.server for mount in mounts.read("self", proc) if mount.point == str(root) and mount.server)
    return Host(addresses, listening(proc), tuple(nas))


def own(tenant: ExpectedTenant, port: int) -> list[Target]:
    """Return what each container of a tenant may reach."""
    inside = [Target(service.address, service.port, service.label) for service in tenant.services if service.port]
    return [*inside, Target(tenant.gateway, port, "machine learning")]


def foreign(mine: Collection[Target], bridge: str, wanted: Wanted, others: Iterable[Item], here: Host) -> list[Target]:
    """Return all but `mine` that there is to reach, from a network whose bridge is `bridge`."""
    theirs = sorted(OF_SHARED | wanted.ports)
    found = [Target(address, port, item.name) for item in others for address in item.addresses for port in theirs]
    ports = sorted(here.ports | set(OF_HOSTS) | {wanted.machine_learning_port})
    for interface, addresses in here.addresses.items():
        # An address of the link is one of a cable: only the own bridge's is at the other end.
        near = [address for address in addresses if not address.startswith("fe80:") or interface == bridge]
        found += [Target(address, port, f"this server at {interface}") for address in near for port in ports]
    found += [Target(address, port, "NAS") for address in here.nas for port in OF_NAS]
    return [target for target in [*found, METADATA] if target not in mine]


def _apart(service: ExpectedService, tried: Sequence[Target], reached: Reached) -> Check:
    expected = "nothing but its own"
    if reached.error:
        return Check("isolation", service.label, False, f"its network cannot be entered: {reached.error}", expected)
    wrong = [str(target) for target in tried if target in reached.open]
    # A port that is closed there was reached as well.
    wrong += [f"{target}, closed" for target in tried if target in reached.refused]
    return none_of("isolation", service.label, wrong, f"none of {len(tried)} ports of others", expected)


def _together(service: ExpectedService, tried: Sequence[Target], reached: Reached) -> Check:
    """Return whether it reaches its own: by the same means, so that the check above can tell open from closed."""
    wrong = [f"not {target}" for target in tried if target not in reached.open]
    told = ", ".join(f"{target.owner or target.address}" for target in tried)
    return none_of("own network", service.label, wrong, told, told)


def way_out(service: ExpectedService, found: Found, proc: Path = PROC) -> Check:
    """Return whether there is no route to anywhere but the own network."""
    try:
        text = (proc / str(found.pid) / "net" / "route").read_text(encoding="ascii")
    except OSError as error:
        return Check("way out", service.label, False, f"its routes cannot be read: {error.strerror}", "none")
    gateways = re.findall(r"^\S+\t00000000\t([0-9A-F]{8})\t", text, re.MULTILINE)
    return none_of("way out", service.label, (f"a default route by {gate}" for gate in gateways), "none", "none")


def targets(
    tenant: ExpectedTenant, wanted: Wanted, items: Sequence[Item], here: Host
) -> tuple[list[Target], list[Target]]:
    """Return what a tenant's containers may reach, and what they may not."""
    mine = own(tenant, wanted.machine_learning_port)
    others = [item for item in items if item.tenant != tenant.name]
    return mine, foreign(mine, tenant.bridge, wanted, others, here)


def of_shared(
    service: ExpectedService, wanted: Wanted, items: Sequence[Item], here: Host
) -> tuple[list[Target], list[Target]]:
    """Return the same of a shared service on a network of its own; some have a way to the internet."""
    addresses = [address for item in items if item.name == service.container for address in item.addresses]
    mine = [Target(address, service.port, service.label) for address in addresses]
    others = [item for item in items if item.name != service.container]
    return mine, foreign(mine, "", wanted, others, here)


def checks(
    service: ExpectedService, tried: tuple[Sequence[Target], Sequence[Target]], reached: Reached
) -> Iterator[Check]:
    """Yield what was reached from a container, of what it may and of what it may not."""
    yield _apart(service, tried[1], reached)
    if not reached.error:
        yield _together(service, tried[0], reached)

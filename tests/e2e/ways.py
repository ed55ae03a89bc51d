"""The isolation of containers as a table: what may be reached. Everything else that is tried has to be refused."""

from __future__ import annotations

import dataclasses
import ipaddress
import itertools
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from .lab import Lab

ANY = None
# (who, whose, kind of way, port): nobody may more than this.
MAY = {
    ("tenant", "own", "tcp", ANY),
    ("tenant", "own", "udp", ANY),
    ("tenant", "own", "ping", ANY),
    ("tenant", "own", "name", ANY),
    ("tenant", "own gateway", "tcp", 3003),
    ("shared", "own", "tcp", ANY),
    ("shared", "own", "udp", ANY),
    ("shared", "own", "ping", ANY),
    ("shared", "own", "name", ANY),
}
PROGRAM = Path(__file__).with_name("wanderer.py")
ON_SERVER = "/run/silo-wanderer.py"
RESOLVER = "127.0.0.11"
# Nothing listens there: who gets an answer of it has reached the machine.
CLOSED = 9
METADATA = ("169.254.169.254", "fd00:ec2::254")


@dataclasses.dataclass(frozen=True)
class Place:
    """A network from which is tried; `owner` is a tenant, or the shared service that is alone there."""

    name: str
    owner: str
    network: str
    gateway: str
    is_tenant: bool


@dataclasses.dataclass(frozen=True)
class Way:
    """`owner` is whose the target is: a tenant, a shared service, "server" or "internet"."""

    kind: str
    address: str
    what: object
    owner: str

    def __str__(self) -> str:
        return f"{self.kind} {self.address} {self.what} ({self.owner})"


@dataclasses.dataclass(frozen=True)
class Container:
    """One that runs on a network of its own."""

    name: str
    identity: str
    owner: str
    service: str
    network: str
    network_name: str
    address: str
    gateway: str
    is_tenant: bool


def containers(lab: Lab) -> list[Container]:
    """All that run, of all tenants that there are; the proxy is on the server's own network, and is not one of them."""
    details = json.loads(lab.shell("docker inspect $(docker ps --quiet)"))
    found = []
    for item in details:
        labels, networks = item["Config"]["Labels"], item["NetworkSettings"]["Networks"]
        if "host" in networks:
            continue
        ((network_name, network),) = networks.items()
        tenant, service = labels.get("ch.swissphoto.silo.tenant"), labels["com.docker.compose.service"]
        gateway = network["Gateway"] or lab.shell(
            f"docker network inspect --format '{{{{(index .IPAM.Config 0).Gateway}}}}' {network_name}"
        )
        found.append(
            Container(
                name=item["Name"].lstrip("/"),
                identity=item["Id"][:12],
                owner=tenant or service,
                service=service,
                network=item["NetworkSettings"]["SandboxKey"],
                network_name=network_name,
                address=network["IPAddress"],
                gateway=gateway.strip(),
                is_tenant=bool(tenant),
            )
        )
    return sorted(found, key=lambda container: container.name)


def places(found: Iterable[Container]) -> list[Place]:
    return [Place(one.name, one.owner, one.network, one.gateway, one.is_tenant) for one in found]


def _ports(listed: str) -> set[int]:
    return {int(line.split()[3].rpartition(":")[2]) for line in listed.splitlines() if line.strip()}


def _of_containers(lab: Lab, found: Iterable[Container]) -> Iterator[Way]:
    listed = list(found)
    script = "".join(f"nsenter --net={one.network} ss -Hltn; echo; " for one in listed)
    listening = lab.shell(f"{{ {script} }} | sed 's/^$/--/'").split("--\n")
    for one, text in zip(listed, listening, strict=False):
        for port in sorted(_ports(text) | {CLOSED}):
            yield Way("tcp", one.address, port, one.owner)
        yield Way("udp", one.address, CLOSED, one.owner)
        yield Way("ping", one.address, ANY, one.owner)
        for name in (one.name, one.identity, f"{one.service}.{one.network_name}", f"{one.name}.{one.network_name}"):
            yield Way("name", RESOLVER, name, one.owner)


def of_server(lab: Lab) -> Iterator[Way]:
    """All that listens on the server, whatever the address, tried at each of its addresses."""
    links = json.loads(lab.run("ip", "-json", "address"))
    addresses = [info["local"] for link in links for info in link["addr_info"] if info["scope"] != "host"]
    tcp = _ports(lab.run("ss", "-Hltn")) | {CLOSED, 22, 80, 111, 443, 2049, 2375, 2376, 3003}
    udp = _ports(lab.run("ss", "-Hlun")) | {CLOSED, 53, 111, 123, 2049}
    for address in [*addresses, "ff02::1"]:
        yield Way("ping", address, ANY, "server")
        if address != "ff02::1":
            yield from (Way("tcp", address, port, "server") for port in sorted(tcp))
            yield from (Way("udp", address, port, "server") for port in sorted(udp))


def _of_the_internet(lab: Lab) -> Iterator[Way]:
    """What lies beside the server: the registry, the authority and the resolver of the lab, and a cloud's metadata."""
    beside = lab.resolver
    yield from (Way("tcp", beside, port, "internet") for port in (53, 5000, 14000, CLOSED))
    yield Way("udp", beside, CLOSED, "internet")
    yield Way("ping", beside, ANY, "internet")
    yield from (Way("tcp", address, 80, "metadata") for address in METADATA)
    # Names that the server itself knows.
    yield from (Way("name", RESOLVER, f"{name}.{lab.domain}", "internet") for name in ("registry", "acme", "hans"))


def everything(lab: Lab, found: Iterable[Container]) -> list[Way]:
    """All ways that there are on this server; each place tries each of them."""
    listed = list(found)
    return [*_of_containers(lab, listed), *of_server(lab), *_of_the_internet(lab)]


def may(place: Place, way: Way) -> bool:
    """Whether the table has it."""
    who = ("tenant",) if place.is_tenant else ("shared", place.owner)
    whose = way.owner
    if way.owner == place.owner:
        whose = "own"
    elif way.owner == "server" and way.address == place.gateway:
        whose = "own gateway"
    return any((one, whose, way.kind, port) in MAY for one, port in itertools.product(who, (ANY, way.what)))


def is_answered(word: str) -> bool:
    """Whether the other side was reached: a port that is closed there tells so, too."""
    return word in ("open", "refused") or word.replace(".", "").isdecimal()


def walk(lab: Lab, tried: dict[Place, list[Way]]) -> dict[Place, dict[Way, str]]:
    """Try all of it at once, from inside of the places."""
    lab.run("tee", ON_SERVER, text=PROGRAM.read_text())
    asked = {place.network: [(way.kind, way.address, way.what) for way in ways] for place, ways in tried.items()}
    answer = json.loads(lab.run("python3", ON_SERVER, text=json.dumps(asked)))
    return {place: dict(zip(ways, answer[place.network], strict=True)) for place, ways in tried.items()}


def wrong(found: dict[Place, dict[Way, str]]) -> list[str]:
    """What is not as the table has it."""
    return [
        f"{place.name}: {way}: {word}"
        for place, words in found.items()
        for way, word in words.items()
        if is_answered(word) != may(place, way)
    ]


def last_address(subnet: str) -> str:
    """An address that no container gets by itself, as Docker begins at the other end."""
    return str(ipaddress.ip_network(subnet)[-2])

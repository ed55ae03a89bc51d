"""What a server is good for: values with the reason for each, and what stands in the way. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from ansible_collections.swissphoto.silo.plugins.module_utils.common.sizes import rough

from silo.capacity import GIB, MemoryBudget, Server
from silo.diagnostics import Finding
from silo.setup.answers import Place
from silo.setup.machine import Disk, Listener, Report
from silo.setup.target import Target

RELEASE = "13"
# A tenant's three containers, and its part of the disk, as role and plan `small` have them.
TENANT_MEMORY, TENANT_DISK = 5 * GIB // 2, 20 * GIB
LEAST_UPLOADS = 100 * GIB
LEAST_DISK = 10 * GIB
LEAST_RESERVE, LEAST_LEARNING = 2 * GIB, 4 * GIB
# An eighth and a fifth: on the reference server of 128 GB they are more than what is set aside there.
RESERVE_PART, LEARNING_PART = 8, 5
CLOCK_SECONDS = 5.0
PUBLIC_PORTS = (80, 443)
# Programs of the platform itself, on a server that was set up before.
OURS = frozenset(("traefik", "dockerd", "docker-proxy", "prometheus"))
# What a Debian listens on by itself: DHCP, time, names of the neighbourhood.
USUAL_UDP = frozenset((67, 68, 123, 323, 546, 5353, 5355))


@dataclasses.dataclass(frozen=True)
class Proposal:
    """A value, as it stands in the inventory, and why."""

    value: str
    reason: str


@dataclasses.dataclass(frozen=True)
class Memory:
    """How the memory of a server is divided: the settings that differ from the policy's, and why."""

    settings: tuple[tuple[str, str], ...]
    tenants: int
    reason: str


def memory(total: int) -> Memory:
    """Divide the memory of a server of `total` bytes, as much of it as is whole GiB."""
    usual = Server()
    whole = total // GIB * GIB
    reserve = _between(LEAST_RESERVE, whole // RESERVE_PART, usual.reserve)
    learning = _between(LEAST_LEARNING, whole // LEARNING_PART, usual.machine_learning)
    budget = MemoryBudget(dataclasses.replace(usual, total=whole, reserve=reserve, machine_learning=learning), ())
    settings = [("silo_memory_of_server", _whole(whole))]
    if reserve != usual.reserve:
        settings.append(("silo_memory_reserve", _whole(reserve)))
    if learning != usual.machine_learning:
        settings.append(("silo_memory_machine_learning", _whole(learning)))
    fits = budget.room_for(TENANT_MEMORY)
    reason = (
        f"{_whole(reserve)} for the system, {_whole(learning)} for the machine learning and 512M for Traefik leave "
        f"room for {fits} tenants of 2.5 GiB"
    )
    return Memory(tuple(settings), fits, reason)


def places(server: Report, nas: Report | None, tenants: int) -> tuple[Proposal | None, Proposal | None]:
    """Return where uploads and databases go, each None where there is no room for it.

    The uploads are on `nas`, or on the server if that is None. `tenants` is how many have room in its memory.
    """
    empty = sorted(_large(server.disks), key=lambda disk: (disk.rotates, disk.size))
    if nas is not None:
        return _largest(_large(nas.disks), nas.free // 2), _fastest(empty, server.free, tenants)
    if len(empty) > 1:
        return _largest(empty[1:], 0), _fastest(empty[:1], 0, tenants)
    # Both files are on one disk, and that of the uploads only fills with time.
    return _largest(empty, server.free // 2), _fastest([], server.free, tenants)


def open_ports(report: Report, target: Target) -> tuple[Listener, ...]:
    """Return what listens and will be closed by the first run, unless it is named: neither ours, nor SSH."""
    found = []
    for one in report.listeners:
        is_usual = one.port in USUAL_UDP if one.protocol == "udp" else one.port in (*PUBLIC_PORTS, target.port)
        if not is_usual and one.name not in OURS and (one.protocol, one.port) not in found:
            found.append((one.protocol, one.port))
    names = {(one.protocol, one.port): one for one in reversed(report.listeners)}
    return tuple(names[key] for key in sorted(found))


def findings(name: str, report: Report, *, is_server: bool) -> list[Finding]:
    """Return what stands in the way on a machine (`wrong`), and what the operator should know (`warning`)."""
    found = [_login(name, report), _system(name, report), _python(name, report), _clock(name, report)]
    if is_server:
        found += [_room(name, report), _engine(name, report), *_occupied(name, report)]
    return [one for one in found if one]


def _login(name: str, report: Report) -> Finding | None:
    text, fix = "the login is not root's", "log in as root, or as a user who becomes root by sudo without a password"
    return None if report.is_root else Finding("login", name, "wrong", text, fix)


def _system(name: str, report: Report) -> Finding | None:
    if (report.system, report.release) == ("debian", RELEASE):
        return None
    seen = f"it runs {report.system or 'an unknown system'} {report.release}".rstrip()
    return Finding("system", name, "wrong", f"{seen}, not Debian {RELEASE}", f"install Debian {RELEASE} on it")


def _python(name: str, report: Report) -> Finding | None:
    text, fix = "it has no Python, which Ansible needs", "on the machine: apt install python3"
    return None if report.has_python else Finding("python", name, "wrong", text, fix)


def _clock(name: str, report: Report) -> Finding | None:
    if abs(report.clock) <= CLOCK_SECONDS:
        return None
    text = f"its clock is {abs(report.clock):.0f} s {'ahead of' if report.clock > 0 else 'behind'} this machine's"
    fix = "set both by NTP, 'timedatectl set-ntp true'; with a wrong clock no certificate is valid"
    return Finding("clock", name, "warning", text, fix)


def _room(name: str, report: Report) -> Finding | None:
    if memory(report.memory).tenants:
        return None
    text = f"its {rough(report.memory)} of memory have no room for a tenant"
    return Finding("memory", name, "wrong", text, "rent a server of 16 GB or more; the reference has 128 GB")


def _engine(name: str, report: Report) -> Finding | None:
    text = "it has docker-ce of docker.com; silo installs Debian's docker.io in its place"
    fix = "start from a server without Docker, or remove docker-ce before the first run"
    return Finding("docker", name, "wrong", text, fix) if report.has_foreign_engine else None


def _occupied(name: str, report: Report) -> Iterable[Finding]:
    for port in PUBLIC_PORTS:
        other = next((one for one in report.listeners if one.protocol == "tcp" and one.port == port), None)
        if other and other.name not in OURS:
            who = other.name or "a program"
            text = f"{who} listens on port {port}, which Traefik needs"
            yield Finding("ports", name, "wrong", text, f"stop it there: systemctl disable --now {other.name or '...'}")


def _large(disks: Iterable[Disk]) -> list[Disk]:
    return [disk for disk in disks if disk.size >= LEAST_DISK]


def _largest(disks: Sequence[Disk], free: int) -> Proposal | None:
    if disks:
        disk = max(disks, key=lambda one: one.size)
        few = "" if disk.size >= LEAST_UPLOADS else "; it is small: the plan `small` alone promises 100 GiB"
        which = "the largest empty disk" if len(disks) > 1 else "an empty disk"
        return Proposal(disk.path, f"{which}, of {rough(disk.size)}{few}")
    if free < LEAST_DISK:
        return None
    value = _whole(free // GIB * GIB)
    return Proposal(value, f"no empty disk: a file of {value} on the system disk, which takes space as it fills")


def _fastest(disks: Sequence[Disk], free: int, tenants: int) -> Proposal | None:
    if disks:
        disk = disks[0]
        kind = "empty disk" if disk.rotates else "empty SSD"
        return Proposal(disk.path, f"an {kind} of {rough(disk.size)}, for {disk.size // TENANT_DISK} small tenants")
    size = min(max(1, tenants) * TENANT_DISK, free // 3) // GIB * GIB
    if size < TENANT_DISK:
        return None
    value, count = _whole(size), size // TENANT_DISK
    text = (
        f"no empty disk for them: a file of {value} on the system disk ({rough(free)} free), for {count} small tenants"
    )
    return Proposal(value, text)


def place(proposal: Proposal | None, field: str) -> Place | None:
    """Return the place that a proposal names."""
    return Place.parse(field, proposal.value) if proposal else None


def _between(least: int, value: int, most: int) -> int:
    return min(most, max(least, value // GIB * GIB))


def _whole(size: int) -> str:
    return f"{size // GIB}G"

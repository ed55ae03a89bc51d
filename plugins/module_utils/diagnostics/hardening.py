# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What bounds a container: user, capabilities, system calls, places to write, memory, processes. The kernel's word."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..common.sizes import format_size
from .check import Check, none_of, same
from .container import Found
from .expected import ExpectedService
from .limits import has_swap, whole_pages
from .process import Process

FILTERED = 2
# What the engine makes in memory of its own accord; a container writes there.
IN_MEMORY = ("/dev", "/dev/shm")  # noqa: S108 - looked at, not used


def _told(processes: Iterable[Process], what: str) -> list[str]:
    return [f"{what} in process {process.number} ({process.name})" for process in processes]


def user(service: ExpectedService, found: Found) -> Check:
    """Return whether every process is the one user that it should be, in the one group."""
    seen = sorted({number for process in found.processes for number in process.users | process.groups})
    return same("user", service.label, ", ".join(map(str, seen)), str(service.uid))


def capabilities(service: ExpectedService, found: Found) -> Check:
    """Return whether no process has a capability, nor could get one."""
    wrong = [
        f"{name} {bits:#x} in process {process.number} ({process.name})"
        for process in found.processes
        for name, bits in process.capabilities.items()
        if bits
    ]
    return none_of("capabilities", service.label, wrong, "none", "none")


def no_new_privileges(service: ExpectedService, found: Found) -> Check:
    """Return whether no process can become more by a program that it starts."""
    wrong = _told((process for process in found.processes if not process.no_new_privileges), "not set")
    return none_of("no new privileges", service.label, wrong, "set", "set")


def seccomp(service: ExpectedService, found: Found) -> Check:
    """Return whether the system calls of every process are filtered."""
    wrong = _told((process for process in found.processes if process.seccomp != FILTERED), "no filter")
    return none_of("seccomp", service.label, wrong, "a filter", "a filter")


def dumps(service: ExpectedService, found: Found) -> Check:
    """Return whether no process leaves its memory, with what is secret in it, in a file."""
    wrong = _told((process for process in found.processes if process.dumps), "written")
    return none_of("core dumps", service.label, wrong, "none", "none")


def order(service: ExpectedService, found: Found) -> Check:
    """Return whether the kernel, where it has to end something, knows what first: the database is the last."""
    seen = ", ".join(str(number) for number in sorted({process.memory_order for process in found.processes}))
    return same("memory order", service.label, seen, str(service.memory_order))


def root(service: ExpectedService, found: Found) -> Check:
    """Return whether the container's root cannot be written to."""
    is_writable = any(mount.point == "/" and mount.writable for mount in found.mounts)
    is_there = any(mount.point == "/" for mount in found.mounts)
    seen = "writable" if is_writable else "read-only" if is_there else "none"
    return same("root file system", service.label, seen, "read-only")


def writable(service: ExpectedService, found: Found) -> Check:
    """Return whether only what is named can be written to, and what lies in memory has an end."""
    own = [mount for mount in found.mounts if mount.writable and not mount.of_kernel and mount.point != "/"]
    places = [_resolved(mount.point) for mount in own]
    allowed = [_resolved(place) for place in service.writable]
    wrong = [place for place in places if place not in allowed]
    in_memory = [
        mount for mount in found.mounts if mount.kind == "tmpfs" and (mount in own or mount.point in IN_MEMORY)
    ]
    wrong += [f"{mount.point} without an end" for mount in in_memory if not mount.size_limited]
    expected = ", ".join(sorted(allowed)) or "none"
    return none_of("places to write", service.label, wrong, ", ".join(sorted(places)) or "none", expected)


def _resolved(place: str) -> str:
    # Images have /var/run as a link.
    return place.removeprefix("/var") if place.startswith("/var/run/") else place


def memory(service: ExpectedService, found: Found) -> Check:
    """Return whether the limit of memory is the promised one."""
    seen = found.limits.memory
    wanted = whole_pages(service.memory)
    return Check("memory", service.label, seen == wanted, _size(seen), format_size(wanted))


def swap(service: ExpectedService, found: Found) -> Check:
    """Return whether nothing goes to swap, which would be more memory than was sold, and slower."""
    seen = found.limits.swap
    if seen is None and not has_swap():
        return Check("swap", service.label, True, "none on this server", "none")
    return Check("swap", service.label, seen == 0, "none" if seen == 0 else _size(seen), "none")


def processes(service: ExpectedService, found: Found) -> Check:
    """Return whether as many processes and threads as promised are the limit."""
    seen = found.limits.processes
    text = "no limit" if seen is None else str(seen)
    return same("processes", service.label, text, str(service.processes))


def _size(size: int | None) -> str:
    return "no limit" if size is None else format_size(size)


def checks(service: ExpectedService, found: Found) -> Iterator[Check]:
    """Yield all of these, of a container that runs."""
    for check in (
        user,
        capabilities,
        no_new_privileges,
        seccomp,
        dumps,
        root,
        writable,
        memory,
        swap,
        processes,
        order,
    ):
        yield check(service, found)

# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of a container's restrictions in the kernel: user, capabilities, system calls, memory, processes."""

from __future__ import annotations

from collections.abc import Iterable

from ..common.sizes import format_size
from .finding import Finding, holds, none_of, same
from .limits import has_swap, whole_pages
from .process import Process
from .registry import check
from .subjects import Container

FILTERED = 2
# File systems in memory that the engine always mounts; a container can write there.
IN_MEMORY = ("/dev", "/dev/shm")  # noqa: S108 - looked at, not used


def _in_each(processes: Iterable[Process], what: str) -> list[str]:
    return [f"{what} in process {process.number} ({process.name})" for process in processes]


@check("user", scope="container")
def user(container: Container) -> Finding:
    """Check that every process runs as the expected user, in one group."""
    seen = sorted({number for process in container.found.processes for number in process.users | process.groups})
    return same(", ".join(map(str, seen)), str(container.service.uid))


@check("capabilities", scope="container")
def capabilities(container: Container) -> Finding:
    """Check that no process has a capability or can get one."""
    wrong = [
        f"{name} {bits:#x} in process {process.number} ({process.name})"
        for process in container.found.processes
        for name, bits in process.capabilities.items()
        if bits
    ]
    return none_of(wrong, "none", "none")


@check("no_new_privileges", scope="container")
def no_new_privileges(container: Container) -> Finding:
    """Check that no process can gain privileges by starting a program."""
    wrong = _in_each((process for process in container.found.processes if not process.no_new_privileges), "not set")
    return none_of(wrong, "set", "set")


@check("seccomp", scope="container")
def seccomp(container: Container) -> Finding:
    """Check that every process has a system-call filter."""
    wrong = _in_each((process for process in container.found.processes if process.seccomp != FILTERED), "no filter")
    return none_of(wrong, "a filter", "a filter")


@check("core_dumps", scope="container")
def core_dumps(container: Container) -> Finding:
    """Check that no process writes its memory, which contains secrets, into a core dump."""
    wrong = _in_each((process for process in container.found.processes if process.dumps), "written")
    return none_of(wrong, "none", "none")


@check("memory_order", scope="container")
def memory_order(container: Container) -> Finding:
    """Check the order in which the kernel kills processes if memory runs out: the database comes last."""
    seen = ", ".join(str(number) for number in sorted({process.memory_order for process in container.found.processes}))
    return same(seen, str(container.service.memory_order))


@check("root_file_system", scope="container")
def root_file_system(container: Container) -> Finding:
    """Check that the container's root file system is read-only."""
    is_writable = any(mount.point == "/" and mount.writable for mount in container.found.mounts)
    is_there = any(mount.point == "/" for mount in container.found.mounts)
    seen = "writable" if is_writable else "read-only" if is_there else "none"
    return same(seen, "read-only")


@check("writable_paths", scope="container")
def writable_paths(container: Container) -> Finding:
    """Check that only the expected paths are writable, and that those in memory have a size limit."""
    mounts = container.found.mounts
    own = [mount for mount in mounts if mount.writable and not mount.of_kernel and mount.point != "/"]
    places = [_resolved(mount.point) for mount in own]
    allowed = [_resolved(place) for place in container.service.writable]
    wrong = [place for place in places if place not in allowed]
    in_memory = [mount for mount in mounts if mount.kind == "tmpfs" and (mount in own or mount.point in IN_MEMORY)]
    wrong += [f"{mount.point} without a size limit" for mount in in_memory if not mount.size_limited]
    expected = ", ".join(sorted(allowed)) or "none"
    return none_of(wrong, ", ".join(sorted(places)) or "none", expected)


def _resolved(place: str) -> str:
    # Images have /var/run as a link.
    return place.removeprefix("/var") if place.startswith("/var/run/") else place


@check("memory", scope="container")
def memory(container: Container) -> Finding:
    """Check that the memory limit is the expected one, or above it by no more than the container may borrow."""
    seen, service = container.found.limits.memory, container.service
    least, most = whole_pages(service.memory), whole_pages(service.memory + service.burst)
    right = format_size(least) if least == most else f"{format_size(least)} to {format_size(most)}"
    return holds(seen is not None and least <= seen <= most, _size(seen), right)


@check("swap", scope="container")
def swap(container: Container) -> Finding:
    """Check that the container cannot swap, which would give it more memory than its plan."""
    seen = container.found.limits.swap
    if seen is None and not has_swap():
        return holds(True, "none on this server", "none")
    return holds(seen == 0, "none" if seen == 0 else _size(seen), "none")


@check("processes", scope="container")
def processes(container: Container) -> Finding:
    """Check that the limit of processes and threads is the expected one."""
    seen = container.found.limits.processes
    text = "no limit" if seen is None else str(seen)
    return same(text, str(container.service.processes))


@check("open_files", scope="container")
def open_files(container: Container) -> Finding:
    """Check how many files and connections each process may have open."""
    limits = {process.open_files for process in container.found.processes}
    seen = sorted("no limit" if limit is None else str(limit) for limit in limits)
    return same(", ".join(seen), str(container.service.open_files))


def _size(size: int | None) -> str:
    return "no limit" if size is None else format_size(size)

# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The usage of a control group, from cgroup v2, or v1 on older hosts."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Mapping
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
PROC = Path("/proc")
# Version 1 writes a number of this size for no limit.
NO_LIMIT = 2**60
MICROSECONDS = 1_000_000
NANOSECONDS = 1_000_000_000
LOOPBACK = "lo"


@dataclasses.dataclass(frozen=True)
class Group:
    """Usage of one control group since its creation; None is unknown, for example if the kernel does not count it.

    Memory does not include cache that the kernel can drop; anonymous memory belongs to no file. A limit of 0 means
    none; `memory_limit_events` is how often it was reached. `processes` includes threads. `at` is the time of the CPU
    value, by the monotonic clock. `inode` is set for a group that was read by its directory.
    """

    memory_bytes: int = 0
    anonymous_bytes: int = 0
    memory_limit_bytes: int = 0
    memory_limit_events: int | None = None
    oom_kills: int | None = None
    cpu_seconds: float | None = None
    disk_read_bytes: int | None = None
    disk_written_bytes: int | None = None
    processes: int | None = None
    at: float = 0.0
    inode: int = 0


@dataclasses.dataclass(frozen=True)
class Network:
    """Bytes over all interfaces of a container except its loopback; None is unknown."""

    received_bytes: int | None = None
    sent_bytes: int | None = None


def _text(path: Path) -> str:
    """Return the content of `path`; empty if it, or the group, does not exist any more."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def _number(text: str) -> int | None:
    return int(text) if text.strip().isdecimal() else None


def _field(text: str, name: str) -> int | None:
    """Return the number behind `name` in lines of a name and a number each."""
    found = re.search(rf"^{name} (\d+)$", text, re.MULTILINE)
    return int(found[1]) if found else None


def _limit(text: str) -> int:
    number = _number(text)
    return number if number is not None and number < NO_LIMIT else 0


def _sum(text: str, pattern: str) -> int:
    return sum(int(number) for number in re.findall(pattern, text, re.MULTILINE))


def places(pid: int, cgroup: Path = CGROUP, proc: Path = PROC) -> dict[str, Path]:
    """Return controller to the directory of the group of `pid`; that of version 2 has an empty name."""
    found = {}
    for line in _text(proc / str(pid) / "cgroup").splitlines():
        _number_of, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            found[controller] = cgroup / controller / path.lstrip("/")
    return found


def read(pid: int, cgroup: Path = CGROUP, proc: Path = PROC) -> Group | None:
    """Return the usage of the control group of `pid`; None if the process has ended meanwhile."""
    found = places(pid, cgroup, proc)
    if "memory" in found:
        return _version_1(found)
    return read_directory(found[""]) if "" in found else None


def read_directory(group: Path) -> Group | None:
    """Return the usage of the v2 group in a directory; None if it does not exist."""
    current = _number(_text(group / "memory.current"))
    if current is None:
        return None
    at, cpu = time.monotonic(), _field(_text(group / "cpu.stat"), "usage_usec")
    memory, events, disk = (_text(group / name) for name in ("memory.stat", "memory.events", "io.stat"))
    return Group(
        memory_bytes=max(0, current - (_field(memory, "inactive_file") or 0)),
        anonymous_bytes=_field(memory, "anon") or 0,
        memory_limit_bytes=_limit(_text(group / "memory.max")),
        memory_limit_events=_field(events, "max"),
        oom_kills=_field(events, "oom_kill"),
        cpu_seconds=None if cpu is None else cpu / MICROSECONDS,
        disk_read_bytes=_sum(disk, r"\brbytes=(\d+)"),
        disk_written_bytes=_sum(disk, r"\bwbytes=(\d+)"),
        processes=_number(_text(group / "pids.current")),
        at=at,
        inode=_inode(group),
    )


def _inode(group: Path) -> int:
    try:
        return group.stat().st_ino
    except OSError:
        return 0


def _version_1(found: Mapping[str, Path]) -> Group | None:
    def text(controller: str, name: str) -> str:
        return _text(found[controller] / name) if controller in found else ""

    current = _number(text("memory", "memory.usage_in_bytes"))
    if current is None:
        return None
    at, cpu = time.monotonic(), _number(text("cpuacct", "cpuacct.usage"))
    memory = text("memory", "memory.stat")
    disk = text("blkio", "blkio.throttle.io_service_bytes") if "blkio" in found else None
    return Group(
        memory_bytes=max(0, current - (_field(memory, "total_inactive_file") or 0)),
        anonymous_bytes=_field(memory, "total_rss") or 0,
        memory_limit_bytes=_limit(text("memory", "memory.limit_in_bytes")),
        memory_limit_events=_number(text("memory", "memory.failcnt")),
        oom_kills=_field(text("memory", "memory.oom_control"), "oom_kill"),
        cpu_seconds=None if cpu is None else cpu / NANOSECONDS,
        disk_read_bytes=None if disk is None else _sum(disk, r"^\d+:\d+ Read (\d+)$"),
        disk_written_bytes=None if disk is None else _sum(disk, r"^\d+:\d+ Write (\d+)$"),
        processes=_number(text("pids", "pids.current")),
        at=at,
    )


def network(pid: int, proc: Path = PROC) -> Network:
    """Return the network traffic of the container of `pid`."""
    received = sent = None
    for line in _text(proc / str(pid) / "net" / "dev").splitlines():
        name, colon, numbers = line.partition(":")
        columns = numbers.split()
        if colon and name.strip() != LOOPBACK and len(columns) == 16:
            received = (received or 0) + int(columns[0])
            sent = (sent or 0) + int(columns[8])
    return Network(received, sent)

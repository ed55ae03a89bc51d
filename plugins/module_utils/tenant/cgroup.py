# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Memory of a process' control group, read where the kernel tells it (cgroup v2, or v1 where the host still has it)."""

from __future__ import annotations

import dataclasses
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
PROC = Path("/proc")


@dataclasses.dataclass(frozen=True)
class Memory:
    """In bytes. Cache that can be dropped is not counted as used; a limit of 0 says that there is none."""

    used: int = 0
    limit: int = 0


@dataclasses.dataclass(frozen=True)
class _Files:
    """Where a version of cgroup keeps its numbers."""

    use: str
    limit: str
    cache: str


V1 = _Files("memory.usage_in_bytes", "memory.limit_in_bytes", "total_inactive_file")
V2 = _Files("memory.current", "memory.max", "inactive_file")
# Version 1 writes a number of this size where there is no limit.
NO_LIMIT = 2**60


def _group(pid: int, cgroup: Path, proc: Path) -> tuple[Path, _Files]:
    unified = ""
    for line in (proc / str(pid) / "cgroup").read_text(encoding="utf-8").splitlines():
        _number, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            return cgroup / "memory" / path.lstrip("/"), V1
        if not controllers:
            unified = path.lstrip("/")
    return cgroup / unified, V2


def _number(text: str) -> int:
    return int(text) if text.strip().isdigit() and int(text) < NO_LIMIT else 0


def memory(pid: int, cgroup: Path = CGROUP, proc: Path = PROC) -> Memory:
    """Return the memory of the control group of `pid`; nothing for a process that has ended meanwhile."""
    try:
        group, files = _group(pid, cgroup, proc)
        lines = (group / "memory.stat").read_text(encoding="utf-8").splitlines()
        cache = next((_number(line.split()[1]) for line in lines if line.startswith(f"{files.cache} ")), 0)
        used = _number((group / files.use).read_text(encoding="utf-8"))
        limit = _number((group / files.limit).read_text(encoding="utf-8"))
    except (FileNotFoundError, ProcessLookupError):
        return Memory()
    return Memory(max(0, used - cache), limit)

# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The limits of a container's control group, v1 or v2."""

from __future__ import annotations

import dataclasses
import mmap
from pathlib import Path

from ..common.cgroup import CGROUP, NO_LIMIT, PROC, places


@dataclasses.dataclass(frozen=True)
class Limits:
    """Bytes and counts; None means no limit, or an unknown one. `swap`: the bytes beyond `memory`."""

    memory: int | None
    swap: int | None
    processes: int | None


def _number(path: Path | None) -> int | None:
    try:
        text = path.read_text(encoding="utf-8").strip() if path else ""
    except OSError:
        return None
    return int(text) if text.isdecimal() and int(text) < NO_LIMIT else None


def read(main: int, cgroup: Path = CGROUP, proc: Path = PROC) -> Limits:
    """Return the limits of the container whose main process is `main`."""
    found = places(main, cgroup, proc)

    def at(controller: str, name: str) -> Path | None:
        return found[controller] / name if controller in found else None

    if "memory" not in found:
        names = ("memory.max", "memory.swap.max", "pids.max")
        return Limits(*(_number(at("", name)) for name in names))
    memory = _number(at("memory", "memory.limit_in_bytes"))
    both = _number(at("memory", "memory.memsw.limit_in_bytes"))
    swap = None if memory is None or both is None else both - memory
    return Limits(memory, swap, _number(at("pids", "pids.max")))


def whole_pages(size: int) -> int:
    """Return a limit in bytes as the kernel rounds it."""
    return size - size % mmap.PAGESIZE


def has_swap(proc: Path = PROC) -> bool:
    """Return whether this host has swap."""
    try:
        return len((proc / "swaps").read_text(encoding="utf-8").splitlines()) > 1
    except OSError:
        return True

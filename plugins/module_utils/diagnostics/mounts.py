# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is mounted where a process is, by the kernel's list."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from ..common import mounts
from ..usage.cgroup import PROC

# What every container has of the kernel; the engine masks there what tells of the host.
KERNEL = ("/proc", "/dev", "/sys")


@dataclasses.dataclass(frozen=True)
class Mount:
    """A mount. `size_limited`: a file system in memory that has an end. `server`: the address of a NAS, or empty."""

    point: str
    kind: str
    writable: bool
    size_limited: bool
    server: str = ""

    @property
    def of_kernel(self) -> bool:
        """Whether it is the kernel's or the engine's own business."""
        return any(self.point == place or self.point.startswith(f"{place}/") for place in KERNEL)


def parse(text: str) -> tuple[Mount, ...]:
    """Return the mounts of a mountinfo."""
    found = []
    for one in mounts.parse(text):
        server = next((option.removeprefix("addr=") for option in one.options if option.startswith("addr=")), "")
        limited = any(option.startswith("size=") for option in one.options)
        found.append(Mount(one.point, one.type, "ro" not in one.options, limited, server))
    return tuple(found)


def read(number: int | str, proc: Path = PROC) -> tuple[Mount, ...]:
    """Return what is mounted where the process `number` is (self for this one); nothing where it has ended."""
    try:
        return parse((proc / str(number) / "mountinfo").read_text(encoding="utf-8"))
    except (FileNotFoundError, ProcessLookupError, OSError):
        return ()

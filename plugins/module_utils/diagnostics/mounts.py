# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The mounts of a process, from the kernel."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from ..common import mounts
from ..common.cgroup import PROC

# Kernel file systems of every container, in which the engine masks information about the host.
KERNEL = ("/proc", "/dev", "/sys")


@dataclasses.dataclass(frozen=True)
class Mount:
    """A mount. `size_limited`: in memory, with a size limit. `server`: the address of a NAS, or empty."""

    point: str
    kind: str
    writable: bool
    size_limited: bool
    server: str = ""

    @property
    def of_kernel(self) -> bool:
        """Return whether the kernel or the engine itself mounted it."""
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
    """Return the mounts of the process `number` (self for this one); none if it has ended."""
    try:
        return parse((proc / str(number) / "mountinfo").read_text(encoding="utf-8"))
    except (FileNotFoundError, ProcessLookupError, OSError):
        return ()

# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""CPU time of a process' control group, read where the kernel tells it (cgroup v2, or v1 where the host has it)."""

from __future__ import annotations

from pathlib import Path

from ..tenant.cgroup import CGROUP, PROC

MICROSECONDS = 1_000_000
NANOSECONDS = 1_000_000_000


def cpu_seconds(pid: int, cgroup: Path = CGROUP, proc: Path = PROC) -> float | None:
    """Return the seconds that the control group of `pid` has used since it was made; None where it is gone."""
    unified = ""
    try:
        for line in (proc / str(pid) / "cgroup").read_text(encoding="utf-8").splitlines():
            _number, controllers, path = line.split(":", 2)
            if "cpuacct" in controllers.split(","):
                text = (cgroup / "cpuacct" / path.lstrip("/") / "cpuacct.usage").read_text(encoding="utf-8")
                return int(text) / NANOSECONDS
            if not controllers:
                unified = path.lstrip("/")
        lines = (cgroup / unified / "cpu.stat").read_text(encoding="utf-8").splitlines()
        return int(next(line for line in lines if line.startswith("usage_usec ")).split()[1]) / MICROSECONDS
    except (OSError, ValueError, StopIteration):
        return None

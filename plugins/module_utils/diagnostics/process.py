# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The processes of a container, from the kernel."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from ..common.cgroup import CGROUP, PROC, places
from ..common.text import printable

CAPABILITIES = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
# A process that the engine starts in a container, such as a health check, is not restricted in its first moments.
SETTLE_SECONDS = 0.5
LONGEST_NAME = 64


@dataclasses.dataclass(frozen=True)
class Process:
    """The restrictions of a process. `users`, `groups`: all its ids; `capabilities`: set to bits; `seccomp`: 2 filters.

    `memory_order`: the kernel kills the process with the highest first. `dumps`: whether it may write a core dump.
    `open_files`: how many it may have, None for no limit. Every user of the server can read its arguments; only its own
    user and root can read its environment.
    """

    number: int
    name: str
    users: frozenset[int]
    groups: frozenset[int]
    capabilities: Mapping[str, int]
    no_new_privileges: bool
    seccomp: int
    memory_order: int
    dumps: bool
    open_files: int | None
    arguments: bytes = dataclasses.field(repr=False, compare=False)
    environment: bytes = dataclasses.field(repr=False, compare=False)

    @property
    def bounds(self) -> tuple[object, ...]:
        """Everything in which the rights of two processes can differ."""
        return (self.users, self.groups, tuple(sorted(self.capabilities.items())), self.no_new_privileges, self.seccomp)


def parse(number: int, status: str, order: str, limits: str, arguments: bytes, environment: bytes) -> Process:
    """Parse the kernel's files of a process; raises KeyError if a field is missing."""
    fields = dict(re.findall(r"^(\w+):\t(.*)$", status, re.MULTILINE))
    most = re.search(r"^Max open files +\d+ +(\d+) ", limits, re.MULTILINE)
    return Process(
        number=number,
        # A process chooses its own.
        name=printable(fields["Name"], LONGEST_NAME),
        users=frozenset(map(int, fields["Uid"].split())),
        groups=frozenset(map(int, f"{fields['Gid']} {fields.get('Groups', '')}".split())),
        capabilities={name: int(fields[name], 16) for name in CAPABILITIES},
        no_new_privileges=fields["NoNewPrivs"].strip() == "1",
        seccomp=int(fields["Seccomp"]),
        memory_order=int(order),
        dumps=re.search(r"^Max core file size +0 ", limits, re.MULTILINE) is None,
        open_files=int(most[1]) if most else None,
        arguments=arguments,
        environment=environment,
    )


def _text(path: Path) -> str:
    # A process can choose its own name.
    return path.read_text(encoding="utf-8", errors="replace")


def _read(number: int, proc: Path) -> Process | None:
    """Return a process; None if it ended meanwhile."""
    folder = proc / str(number)
    try:
        arguments, environment = ((folder / name).read_bytes() for name in ("cmdline", "environ"))
        status, order, limits = (_text(folder / name) for name in ("status", "oom_score_adj", "limits"))
        return parse(number, status, order, limits, arguments, environment)
    except (FileNotFoundError, ProcessLookupError, KeyError):
        return None


def _numbers(main: int, cgroup: Path, proc: Path) -> list[int]:
    found = places(main, cgroup, proc)
    group = found.get("pids") or found.get("memory") or found.get("")
    try:
        numbers = [int(line) for line in (group / "cgroup.procs").read_text().split()] if group else []
    except OSError:
        numbers = []
    return list(dict.fromkeys([main, *numbers]))


def _look(main: int, cgroup: Path, proc: Path) -> dict[int, Process]:
    found = (_read(number, proc) for number in _numbers(main, cgroup, proc))
    return {process.number: process for process in found if process}


def _alike(processes: Iterable[Process]) -> bool:
    return len({process.bounds for process in processes}) <= 1


def read(main: int, cgroup: Path = CGROUP, proc: Path = PROC, settle: float = SETTLE_SECONDS) -> tuple[Process, ...]:
    """Return all processes of the container whose main process is `main`; none if it has ended."""
    found = _look(main, cgroup, proc)
    if not _alike(found.values()):
        time.sleep(settle)
        again = _look(main, cgroup, proc)
        found = {number: again[number] for number in again if number in found}
    return tuple(found.values())

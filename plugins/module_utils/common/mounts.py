# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The kernel's list of mounts."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

TABLE = Path("/proc/self/mountinfo")


@dataclasses.dataclass(frozen=True)
class Mount:
    """One line of the kernel's mount table. C(root) is the part of the file system that is mounted, mostly C(/).

    C(options) are those of the mount and those of the file system.
    """

    point: str
    type: str
    source: str
    root: str
    options: frozenset[str]


def parse(text: str) -> list[Mount]:
    """Return the mounts of a mountinfo; a later one hides an earlier one at the same point.

    Raises ValueError for a line of another shape.
    """
    return [_mount(line) for line in text.splitlines()]


def read(table: Path | None = None) -> list[Mount]:
    """Return the mounts in the namespace of this process, or those in C(table); raises OSError and ValueError."""
    return parse((table or TABLE).read_text(encoding="utf-8"))


def _mount(line: str) -> Mount:
    fields, separator, tail = line.partition(" - ")
    left, right = fields.split(" "), tail.split(" ")
    if not separator or len(left) < 6 or len(right) < 3:
        raise ValueError(f"the kernel's mount table has a line that cannot be read: {line}")
    options = frozenset(left[5].split(",")) | frozenset(right[2].split(","))
    return Mount(_plain(left[4]), right[0], _plain(right[1]), _plain(left[3]), options)


def _plain(field: str) -> str:
    """Return a field without the octal escapes of blanks and backslashes."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)

# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a tenant keeps on the server's own disk, beside what the NAS counts."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from .bounded import Ask, ask

FOLDERS = ("database", "backups", "queue")
# With the tab: the last line of what was cut off may be half a number.
LINE = re.compile(rf"^([0-9]{{1,18}})\t\S*/({'|'.join(FOLDERS)})$", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Disk:
    """Bytes of disk below each folder of a tenant; None where they could not be counted in time."""

    database_bytes: int | None = None
    backups_bytes: int | None = None
    queue_bytes: int | None = None


def read(directory: Path, seconds: float, answer: Ask = ask) -> Disk:
    """Return the disk that the tenant of `directory` takes; no link is followed, and no mount below it entered."""
    folders = [str(directory / folder) for folder in FOLDERS]
    text = answer(("du", "--summarize", "--one-file-system", "--block-size=1", "--", *folders), "", seconds)
    found = {folder: int(number) for number, folder in LINE.findall(text)}
    return Disk(found.get("database"), found.get("backups"), found.get("queue"))

"""The record of the last backup of a controller, in `.silo/` of its inventory."""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
from collections.abc import Sequence
from pathlib import Path

from ansible_collections.swissphoto.silo.plugins.module_utils.common import files

from silo.state import FOLDER

FILE = "backup.json"


@dataclasses.dataclass(frozen=True)
class Record:
    """When the last backup was made, in which file, and sentences on what is missing in it.

    `complete_at` is when the last one was made in which nothing is missing, None if none ever was.
    """

    at: datetime.datetime
    path: str
    problems: Sequence[str]
    complete_at: datetime.datetime | None = None


def write(inventory: Path, record: Record) -> None:
    """Store the record; root, who runs the timer, leaves it to the owner of the inventory. Raises OSError.

    `complete_at` follows from this backup and the one before.
    """
    status = inventory.stat()
    before = read(inventory)
    complete = (before.complete_at if before else None) if record.problems else record.at
    said = {
        "at": record.at.isoformat(timespec="seconds"),
        "path": record.path,
        "problems": list(record.problems),
        "complete_at": complete.isoformat(timespec="seconds") if complete else None,
    }
    owner = status.st_uid if os.geteuid() == 0 else None
    files.write(inventory / FOLDER / FILE, json.dumps(said, indent=1), 0o600, owner=owner)


def read(inventory: Path) -> Record | None:
    """Return the record; None if there is none, or none that can be read."""
    try:
        said = json.loads((inventory / FOLDER / FILE).read_text(encoding="utf-8"))
        at = datetime.datetime.fromisoformat(said["at"])
        problems = [str(one) for one in said["problems"]]
        # Records of before have no such key.
        complete = said.get("complete_at", None if problems else said["at"])
        complete_at = datetime.datetime.fromisoformat(complete) if complete else None
        return Record(at, str(said["path"]), problems, complete_at)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None

"""Tombstones: what remains of a deleted tenant, so that nobody gets its index, its user id or its network again."""

from __future__ import annotations

import dataclasses
import datetime
import re
from pathlib import Path

import yaml

from silo.inventory import document
from silo.inventory.errors import InventoryError, shown
from silo.inventory.folder import Folder

FOLDER = "retired"
FILE = re.compile(r"([1-9][0-9]{0,5})-([a-z][a-z0-9]{1,30})\.yml")


@dataclasses.dataclass(frozen=True)
class Tombstone:
    """A tenant that was deleted. `when` and `purged` are times in UTC as ISO 8601; `purged` is empty until then.

    Until then, the tenant's files lie in the folder beside the record, it can be restored, and `quota` bytes on `nas`
    are promised to it.
    """

    index: int
    name: str
    when: str
    by: str
    nas: str
    quota: int
    purged: str = ""

    @property
    def path(self) -> str:
        """Path of the record, relative to the inventory."""
        return f"{self.files}.yml"

    @property
    def files(self) -> str:
        """Path of the folder with the tenant's files, relative to the inventory."""
        return f"{FOLDER}/{self.index}-{self.name}"

    @property
    def text(self) -> str:
        """The record as it is written."""
        head = f"---\n# {self.name} was deleted. Its index is never given again; keep this file.\n"
        values = {key: value for key, value in dataclasses.asdict(self).items() if value != ""}
        return head + str(yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=1000))


def now() -> str:
    """Return the time in UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def read(folder: Folder) -> tuple[Tombstone, ...]:
    """Return all tombstones by index; raises InventoryError where one cannot be read, as its index must be known."""
    names = [name for name in folder.names(FOLDER) if not name.startswith(".")]
    stones = [_read(folder, f"{FOLDER}/{name}") for name in names if not folder.path(f"{FOLDER}/{name}").is_dir()]
    known = {Path(stone.files).name for stone in stones}
    for name in names:
        if folder.path(f"{FOLDER}/{name}").is_dir() and name not in known:
            raise InventoryError(f"{FOLDER}/{name}: its record {name}.yml is missing; put it back from a backup")
    return tuple(sorted(stones, key=lambda stone: stone.index))


def _read(folder: Folder, path: str) -> Tombstone:
    values = document.read(path, folder.read(path) or "").settings
    named = FILE.fullmatch(Path(path).name)
    if not named or values.get("index") != int(named[1]) or values.get("name") != named[2]:
        raise InventoryError(
            f"{path}: it holds index {shown(values.get('index'))} and name {shown(values.get('name'))}; "
            "those of the file's name, <index>-<name>.yml, are right"
        )
    quota = values.get("quota", 0)
    if not isinstance(quota, int):
        raise InventoryError(f"{path}: quota is {shown(quota)}; a number of bytes is right")
    when, by, nas, purged = (str(values.get(key, "")) for key in ("when", "by", "nas", "purged"))
    return Tombstone(values["index"], values["name"], when, by, nas, quota, purged)

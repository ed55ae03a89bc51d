"""Deletion records: what remains of a deleted tenant, so that its index, user id and network stay unused."""

from __future__ import annotations

import dataclasses
import datetime
import re
import typing as t
from collections.abc import Iterable
from pathlib import Path

import yaml
from ansible_collections.swissphoto.silo.plugins.module_utils.common.names import TENANT

from silo.inventory import document
from silo.inventory.errors import InventoryError, shown
from silo.inventory.transaction import Folder

FOLDER = "retired"
ID = re.compile(rf"[1-9][0-9]{{0,5}}-{TENANT}")
FILE = re.compile(rf"([1-9][0-9]{{0,5}})-({TENANT})\.yml")
TEXTS = ("when", "by", "nas", "server", "language", "trashed", "purged", "subscription", "freed", "reason", "left")
# A day before the last that Python knows, as some zones are ahead of UTC.
NEVER = datetime.datetime(9999, 12, 30, tzinfo=datetime.UTC)
NUMBERS = ("quota", "uid", "files", "used", "disk")


@dataclasses.dataclass(frozen=True)
class DeletionRecord:
    """A tenant that was deleted: the record of it, kept for ever. All times are in UTC as ISO 8601.

    `subscription` is its customer's at Stripe, empty where there was none. `reason` is why it was deleted, one of
    `tenant_state_reason`, empty where nobody wrote it down. `freed` is when the operator let others have
    the name, empty until then. `left` is what a purge has not removed, as its machines were lost, in words.
    `trashed` is when its data moved to the trash, `files` and `used` (bytes) their size; empty and 0 until then. Until
    it is `purged`, its files are in the folder beside the record, it can be restored, and `quota` bytes on `nas` and
    `disk` bytes on the disk of `server` are promised to it; `disk` is 0 in records of before there was one.
    """

    index: int
    name: str
    when: str
    by: str
    nas: str
    quota: int
    server: str = ""
    uid: int = 0
    language: str = ""
    trashed: str = ""
    files: int = 0
    used: int = 0
    purged: str = ""
    subscription: str = ""
    freed: str = ""
    disk: int = 0
    reason: str = ""
    left: str = ""

    @property
    def id(self) -> str:
        """What stands for this record alone, where several tenants had its name: `<index>-<name>`."""
        return f"{self.index}-{self.name}"

    @property
    def path(self) -> str:
        """Path of the record, relative to the inventory."""
        return f"{self.folder}.yml"

    @property
    def folder(self) -> str:
        """Path of the folder with the tenant's files, relative to the inventory."""
        return f"{FOLDER}/{self.id}"

    @property
    def text(self) -> str:
        """The record as it is written."""
        head = f"---\n# {self.name} was deleted. Its index is never given again; keep this file.\n"
        values = {key: value for key, value in dataclasses.asdict(self).items() if value not in ("", 0)}
        return head + str(yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=1000))

    def reserved_until(self, years: int) -> datetime.date | None:
        """Return the day from which others may have its name, so many years after the deletion; None for now.

        Where a person wrote a record without that time, or the years have no end, it is the last day there is.
        """
        if self.freed or not years:
            return None
        try:
            return datetime.datetime.fromisoformat(self.when).date() + datetime.timedelta(days=years * 1461 // 4)
        except (ValueError, OverflowError):
            return datetime.date.max

    def kept_until(self, days: int) -> datetime.datetime:
        """Return from when it may be purged, so many days after the deletion.

        Where a person wrote a record without that time, that is never.
        """
        try:
            at = datetime.datetime.fromisoformat(self.when)
            return (at if at.tzinfo else at.replace(tzinfo=datetime.UTC)) + datetime.timedelta(days=days)
        except (ValueError, OverflowError):
            return NEVER

    def put_aside(self, *, files: int, used: int) -> DeletionRecord:
        """Return the record once the tenant's data, so many files and bytes, is in the trash, as of now."""
        return dataclasses.replace(self, trashed=now(), files=files, used=used)


def pick(word: str, deletions: Iterable[DeletionRecord]) -> DeletionRecord:
    """Return the one of these records that has this id, or is the only one of this name; raises InventoryError."""
    known = sorted(deletions, key=lambda one: one.when)
    found = [one for one in known if word in (one.id, one.name)]
    if len(found) > 1:
        each = ", ".join(f"{one.id} (deleted at {one.when})" for one in found)
        text = f"tenant {shown(word)}: the trash has {len(found)} of this name: {each}"
        raise InventoryError(f"{text}; give the id of one")
    if not found:
        there = f"; there is {', '.join(one.id for one in known)}" if known else ""
        raise InventoryError(f"unknown tenant {shown(word)}: the trash has none of this name{there}")
    return found[0]


def now() -> str:
    """Return the time in UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


@dataclasses.dataclass(frozen=True)
class Records:
    """All deletion records that can be read, by index, and a sentence on each of the others."""

    readable: tuple[DeletionRecord, ...]
    problems: tuple[str, ...]


def read(folder: Folder) -> Records:
    """Read all deletion records; raises InventoryError where their folder cannot be read."""
    deletions: list[DeletionRecord] = []
    problems: list[str] = []
    names = [name for name in folder.names(FOLDER) if not name.startswith(".")]
    folders = {name for name in names if folder.path(f"{FOLDER}/{name}").is_dir()}
    for name in names:
        if name in folders:
            if f"{name}.yml" not in names:
                problems.append(f"{FOLDER}/{name}: its record {name}.yml is missing; restore it from a backup")
            continue
        try:
            deletions.append(_read(folder, f"{FOLDER}/{name}"))
        except InventoryError as error:
            problems += error.problems
    return Records(tuple(sorted(deletions, key=lambda deletion: deletion.index)), tuple(problems))


def _read(folder: Folder, path: str) -> DeletionRecord:
    values = document.read(path, folder.read(path) or "").settings
    named = FILE.fullmatch(Path(path).name)
    if not named or values.get("index") != int(named[1]) or values.get("name") != named[2]:
        raise InventoryError(
            f"{path}: it holds index {shown(values.get('index'))} and name {shown(values.get('name'))}; "
            "they must be those of the file's name, <index>-<name>.yml"
        )
    known: dict[str, t.Any] = {key: str(values.get(key, "")) for key in TEXTS}
    for key in NUMBERS:
        known[key] = values.get(key, 0)
        if not isinstance(known[key], int):
            raise InventoryError(f"{path}: {key} is {shown(known[key])}; it must be a number")
    return DeletionRecord(values["index"], values["name"], **known)

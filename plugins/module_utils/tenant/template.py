# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Templates: the empty, migrated database of one set of images, with its places, of which tenants are born.

Each is one file on the NAS, beside a record of its digest and of what it was made of. A NAS that is mounted by NFS
takes a server's root for nobody; it is by its group that it reads and writes here, and nobody else has that group.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import re
import typing as t
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from ..common import bounded_json, files, foreign, locks, tenant_env
from . import packing
from .lock import LockedError
from .stack import File

PROJECT = "new-template"
"""What the throw-away stack is called, as a tenant is by its name; no tenant has a name with a hyphen."""
STACK = "template"
"""The directory of the throw-away stack, beside that of the tenants."""
EMAIL = "placeholder@silo.invalid"
"""Whose the database of a template is; no route ever leads to an instance that is theirs."""
KEY = re.compile(r"[0-9a-f]{16}", re.ASCII)
MODE = 0o640
LARGEST_RECORD = 64 * 1024


@dataclasses.dataclass(frozen=True)
class Template:
    """A set of images, and the throw-away stack in which its template is made.

    `made_of` are the images and the vector extension, `key` is the short digest of these. `files` and `directories` are
    those of the stack, in `directory`; `photo_server` is where its photo server answers.
    """

    key: str
    made_of: Mapping[str, str] = dataclasses.field(hash=False)
    directory: Path
    owner: int
    files: tuple[File, ...]
    folders: tuple[str, ...]
    photo_server: str

    @property
    def words(self) -> str:
        """The set of images, for a sentence."""
        return ", ".join(f"{part} {name}" for part, name in self.made_of.items())


@dataclasses.dataclass(frozen=True)
class Kept:
    """A template on the NAS. Sizes in bytes; `made_at` in UTC, ISO 8601; `password` is the placeholder's."""

    key: str
    made_of: Mapping[str, str] = dataclasses.field(hash=False)
    made_at: str
    digest: str
    size: int
    unpacked: int
    password: str = dataclasses.field(repr=False)
    path: Path

    def told(self) -> dict[str, t.Any]:
        """Return what may be shown of it."""
        shown = dataclasses.asdict(self) | {"path": str(self.path), "made_of": dict(self.made_of)}
        del shown["password"]
        return shown


@dataclasses.dataclass(frozen=True)
class Store:
    """The templates of a NAS, in its directory `folder`."""

    folder: Path

    def one_maker(self, seconds: float) -> AbstractContextManager[int]:
        """Let one server at a time make templates; raises LockedError where another does for longer than so."""

        def busy() -> LockedError:
            return LockedError(f"another server makes a template, and was waited for {seconds:.0f} s; run again later")

        lock = self.folder / ".lock"
        # By its group too, where one server has the NAS for itself and another comes by NFS.
        with contextlib.suppress(FileExistsError):
            files.create(lock, "", 0o660)
        return locks.held(lock, seconds, busy=busy)

    def is_there(self) -> bool:
        """Whether the storage part of an apply has made the directory."""
        return self.folder.is_dir() and not self.folder.is_symlink()

    def find(self, key: str) -> Kept | None:
        """Return the template of a set of images; None where it is missing, or its record says nothing of use."""
        record = self._record(key)
        try:
            # Every server that shares the NAS may write there.
            values = bounded_json.parse(foreign.read(record, LARGEST_RECORD, owner=foreign.ANYBODY).content)
            found = Kept(**values, key=key, path=self._file(key))
            return found if found.path.stat().st_size == found.size else None
        except (OSError, ValueError, TypeError):
            return None

    def sound(self, kept: Kept) -> bool:
        """Whether the file is the one that was kept, byte for byte."""
        try:
            return packing.digest(kept.path) == kept.digest
        except OSError:
            return False

    def keep(self, template: Template, database: Path, password: str) -> Kept:
        """Pack the database of a stack that has ended; the record comes last, and without it there is no template."""
        aside, path = self._file(template.key).with_suffix(".new"), self._file(template.key)
        self._record(template.key).unlink(missing_ok=True)
        packed = packing.pack(database, aside, MODE)
        files.move(aside, path)
        record = {
            "made_of": dict(template.made_of),
            "made_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "digest": packed.digest,
            "size": packed.size,
            "unpacked": packed.unpacked,
            "password": password,
        }
        scratch = self.folder / f".{template.key}.tmp"
        files.write(self._record(template.key), json.dumps(record, indent=2) + "\n", MODE, scratch=scratch)
        return Kept(**record, key=template.key, path=path)  # type: ignore[arg-type]  # values of the types above

    def all(self) -> list[Kept]:
        """Return all templates, by age."""
        found = (self.find(key) for key in self._keys())
        return sorted((kept for kept in found if kept), key=lambda kept: (kept.made_at, kept.key))

    def old(self, needed: Collection[str]) -> list[str]:
        """Return the keys of what no tenant needs, as well of what a run left which was cut off."""
        return [key for key in self._keys() if key not in needed]

    def remove(self, keys: Collection[str]) -> None:
        """Remove templates, each record first."""
        for key in keys:
            for path in (self._record(key), self._file(key), self._file(key).with_suffix(".new")):
                path.unlink(missing_ok=True)

    def _keys(self) -> list[str]:
        try:
            names = {path.name.split(".", 1)[0] for path in self.folder.iterdir()}
        except OSError:
            return []
        return sorted(name for name in names if KEY.fullmatch(name))

    def _record(self, key: str) -> Path:
        return self.folder / f"{key}.json"

    def _file(self, key: str) -> Path:
        return self.folder / f"{key}.tar.zst"


def templates(items: Collection[Mapping[str, t.Any]], directory: Path) -> Iterator[Template]:
    """Yield the templates of the module's option; their stacks are in `directory`."""
    for item in items:
        secrets = directory / "secrets"
        yield Template(
            key=item["key"],
            made_of=item["made_of"],
            directory=directory,
            owner=item["uid"],
            files=(
                File(directory / "compose.yaml", item["compose"]),
                File(directory / tenant_env.FILE, item["env"], 0o600),
                File(directory / "immich.json", item["configuration"], 0o400, item["uid"]),
                *(File(secrets / name, text, 0o400, item["uid"]) for name, text in item["secrets"].items()),
            ),
            folders=tuple(item["folders"]),
            photo_server=item["photo_server"],
        )

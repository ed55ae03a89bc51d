# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Moves what root keeps of a deleted tenant on its server to the trash, restores or purges it.

Its data lies on the server's disk, whose trash is that of quota/trash.py.

Each step is one rename, and the next run completes an interrupted one.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
from collections.abc import Collection
from pathlib import Path

from ..common import files, mounts, tenant_env
from ..common.names import is_tenant
from . import tree
from .files import write_file
from .stack import File, StackError

FOLDER = "trash"
ENDING = ".purging"
WHEN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", re.ASCII)
# Every apply creates these from the tenant's vault, so the trash contains no password, only the hash of one.
SECRETS = "secrets"
FINGERPRINT = ".database-password.sha256"


def fingerprint_matches(directory: Path, password: str) -> bool:
    """Return whether the database in a directory from the trash was created with this password."""
    try:
        return (directory / FINGERPRINT).read_text(encoding="ascii") == _fingerprint(password)
    except FileNotFoundError:
        return False


def _fingerprint(password: str) -> str:
    # The password has 190 random bits, so its hash does not reveal it.
    return hashlib.sha256(password.encode()).hexdigest()


@dataclasses.dataclass(frozen=True)
class Deleted:
    """A tenant deleted at `when` (UTC, ISO 8601); its data belong to the user `uid`."""

    name: str
    id: int
    uid: int
    when: str

    def __post_init__(self) -> None:
        """Raise StackError if a value must not become part of a path."""
        if not is_tenant(self.name):
            raise StackError(f"{self.name!r} is no tenant's name; it must have 2 to 31 small letters and digits")
        if self.id < 1:
            raise StackError(f"{self.name}: id is {self.id}; it must be the tenant's index, from 1 up")
        if not WHEN.fullmatch(self.when):
            raise StackError(f"{self.name}: when is {self.when!r}; it must be a time such as 2026-11-23T16:55:02+00:00")

    @property
    def entry(self) -> str:
        """The name of its directory in the trash; it starts with the date, so that a listing is in order."""
        return f"{re.sub('[-:]', '', self.when).removesuffix('+0000')}Z-{self.name}-{self.id}"


@dataclasses.dataclass(frozen=True)
class Trash:
    """The data of tenants in `directory`, and of deleted ones in a folder beside it."""

    directory: Path
    tickets: Path
    check_mode: bool = False

    @property
    def folder(self) -> Path:
        """The directory of deleted tenants."""
        return self.directory.parent / FOLDER

    def put(self, tenant: Deleted, running: Collection[str]) -> bool:
        """Move a tenant's directory, without secrets, to the trash; return whether it existed. Raises StackError."""
        source, target = self.directory / tenant.name, self.folder / tenant.entry
        if tenant.name in running:
            raise StackError(
                f"{tenant.name}: its containers still exist; an apply with tenant_state absent removes them"
            )
        if not _is_there(source) or (_is_there(target) and not _belongs(source, tenant)):
            return False
        _check(source, tenant)
        if _is_there(target):
            raise StackError(f"{target}: it exists already, and so does {source}; move one of them away")
        if self.check_mode:
            return True
        for ticket in sorted(self.tickets.glob(f"{tenant.name}-*")):
            ticket.unlink(missing_ok=True)
        _drop_secrets(source)
        self.folder.mkdir(mode=0o700, exist_ok=True)
        files.move(source, target)
        return True

    def restore(self, tenant: Deleted) -> bool:
        """Restore a tenant's directory; return whether it was in the trash. Raises StackError."""
        source, target = self.folder / tenant.entry, self.directory / tenant.name
        if _is_there(source.with_name(source.name + ENDING)):
            raise StackError(f"{tenant.name}: {source}{ENDING} is being removed for good; it cannot be restored")
        if not _is_there(source):
            return False
        _check(source, tenant)
        if _is_there(target):
            raise StackError(f"{tenant.name}: {target} exists; another tenant of this name was created since")
        if not self.check_mode:
            files.move(source, target)
        return True

    def purge(self, tenant: Deleted) -> bool:
        """Remove a tenant's directory from the trash for good; return whether it was there. Raises StackError."""
        source = self.folder / tenant.entry
        doomed = source.with_name(source.name + ENDING)
        if _is_there(source):
            _check(source, tenant)
            if not self.check_mode:
                files.move(source, doomed)
        elif not _is_there(doomed):
            return False
        if not self.check_mode:
            # What is in it was the customer's, however deep.
            tree.remove(doomed)
        return True


def _drop_secrets(directory: Path) -> None:
    secrets = directory / SECRETS
    password = secrets / "database_password"
    if password.is_file():
        text = _fingerprint(password.read_text(encoding="ascii"))
        write_file(File(directory / FINGERPRINT, text, mode=0o600))
    if _is_there(secrets):
        tree.remove(secrets)


def _is_there(path: Path) -> bool:
    return os.path.lexists(path)


def _owner(path: Path) -> int | None:
    """Return the user whose tenant a directory is, by its record; None where there is none.

    A database in it is one of before there was a disk for these.
    """
    database = path / "database"
    if _is_there(database):
        return database.lstat().st_uid
    try:
        return int(tenant_env.read(path / tenant_env.FILE)["TENANT_UID"])
    except (OSError, KeyError, ValueError):
        return None


def _belongs(path: Path, tenant: Deleted) -> bool:
    return _owner(path) in (None, tenant.uid)


def _check(path: Path, tenant: Deleted) -> None:
    if path.is_symlink() or not path.is_dir():
        raise StackError(f"{tenant.name}: {path} is not a real directory; nothing was changed")
    if not _belongs(path, tenant):
        raise StackError(f"{tenant.name}: {path} belongs to user {_owner(path)}, and not to {tenant.uid}")
    points = (mount.point for mount in mounts.read())
    if found := [point for point in points if point == str(path) or point.startswith(f"{path}/")]:
        raise StackError(f"{tenant.name}: {found[0]} is a mount; unmount it first")

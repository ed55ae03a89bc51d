"""Owner and mode of single directories, without ever following a symbolic link."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.swissphoto.silo.plugins.module_utils.quota.base import QuotaError


@dataclass(frozen=True)
class Folder:
    """Owner and mode of a directory."""

    uid: int
    gid: int
    mode: int

    def __str__(self) -> str:
        """Return the folder as C(200001:200001 0700)."""
        return f"{self.uid}:{self.gid} {self.mode:04o}"


def read_folder(path: Path) -> Folder | None:
    """Return owner and mode of a directory, None where nothing is; raises QuotaError for anything but a directory."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return None
    if stat.S_ISLNK(found.st_mode):
        raise QuotaError(f"{path} is a symbolic link")
    if not stat.S_ISDIR(found.st_mode):
        raise QuotaError(f"{path} is not a directory")
    return Folder(found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode))


def write_folder(path: Path, wanted: Folder) -> None:
    """Create the directory if it is missing, and set its owner and mode if they differ, not those of its content."""
    found = read_folder(path)
    if found == wanted:
        # Even to set the same again is refused where a quota is full.
        return
    if found is None:
        path.mkdir(mode=0o700)
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        os.fchown(descriptor, wanted.uid, wanted.gid)
        os.fchmod(descriptor, wanted.mode)
    finally:
        os.close(descriptor)

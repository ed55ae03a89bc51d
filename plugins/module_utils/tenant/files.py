# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files and directories compared with what they should be, and written whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ..common import files
from .stack import Directory, File, FileDiff

HIDDEN = "(a secret; its content is not shown)\n"


def file_differs(file: File) -> bool:
    """Whether content, owner, group or mode of `file` differ from what is there, or nothing is there."""
    try:
        status = file.path.lstat()
        if not stat.S_ISREG(status.st_mode) or stat.S_IMODE(status.st_mode) != file.mode:
            return True
        if (status.st_uid, status.st_gid) != (file.owner, file.owner):
            return True
        return file.path.read_bytes() != file.content.encode()
    except (FileNotFoundError, NotADirectoryError):
        return True


def file_diff(file: File) -> FileDiff:
    """Return `file` before and after."""
    there = file.path.is_file()
    if file.secret:
        return FileDiff(str(file.path), HIDDEN if there else "", HIDDEN)
    return FileDiff(str(file.path), file.path.read_text(encoding="utf-8") if there else "", file.content)


def directory_differs(directory: Directory) -> bool:
    """Whether owner, group or mode of `directory` differ from what is there, or nothing is there."""
    try:
        status = directory.path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    is_right = stat.S_ISDIR(status.st_mode) and stat.S_IMODE(status.st_mode) == directory.mode
    return not is_right or (status.st_uid, status.st_gid) != (directory.owner, directory.owner)


def make_directory(directory: Directory) -> None:
    """Make `directory` and its parents, with owner and mode."""
    directory.path.mkdir(parents=True, exist_ok=True)
    os.chown(directory.path, directory.owner, directory.owner)
    directory.path.chmod(directory.mode)


def write_file(file: File) -> None:
    """Write `file` whole or not at all; an apply's lock keeps its writers apart."""
    scratch = (file.staging or file.path.parent) / f".{file.path.name}.tmp"
    files.write(file.path, file.content, file.mode, owner=file.owner, scratch=scratch)


def remove_file(path: Path) -> None:
    """Remove `path`, and have the disk know it."""
    path.unlink(missing_ok=True)
    files.sync_directory(path.parent)

# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Compares files and directories with their desired state, and writes them atomically."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ..common import files
from .stack import Directory, File, FileDiff

HIDDEN = "(a secret; its content is not shown)\n"


def file_differs(file: File) -> bool:
    """Return whether `file` is missing, or its content, owner, group or mode differ."""
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
    """Return whether `directory` is missing, or its owner, group or mode differ."""
    try:
        status = directory.path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    is_right = stat.S_ISDIR(status.st_mode) and stat.S_IMODE(status.st_mode) == directory.mode
    return not is_right or (status.st_uid, status.st_gid) != (directory.owner, directory.owner)


def make_directory(directory: Directory) -> None:
    """Create `directory` and its parents, with owner and mode."""
    directory.path.mkdir(parents=True, exist_ok=True)
    os.chown(directory.path, directory.owner, directory.owner)
    directory.path.chmod(directory.mode)


def write_file(file: File) -> None:
    """Write `file` atomically; the lock of an apply excludes other writers."""
    scratch = (file.staging or file.path.parent) / f".{file.path.name}.tmp"
    files.write(file.path, file.content, file.mode, owner=file.owner, scratch=scratch)


def remove_file(path: Path) -> None:
    """Remove `path` durably."""
    path.unlink(missing_ok=True)
    files.sync_directory(path.parent)

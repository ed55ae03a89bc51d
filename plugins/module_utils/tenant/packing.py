# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A directory as one file and back, by tar and zstd; each user's files are written by that user's own process."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from pathlib import Path

from ..common import files, process
from ..common.process import Completed
from ..common.text import printable
from .stack import StackError

SECONDS = 600
BLOCK = 1024**2
PACK = ("tar", "--create", "--sort=name", "--numeric-owner", "--owner=0", "--group=0", "--zstd", "--file=-", ".")
# The directory itself is there, with the mode that it should have.
UNPACK = ("tar", "--extract", "--zstd", "--no-same-owner", "--preserve-permissions", "--no-overwrite-dir", "--file=-")


@dataclasses.dataclass(frozen=True)
class Packed:
    """A file of packed files: its SHA-256 in hex, its size and that of what is in it, in bytes."""

    digest: str
    size: int
    unpacked: int


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}


def _check(what: str, result: Completed) -> None:
    if result.rc or result.stopped:
        lines = (printable(line.strip()) for line in result.err.split("\n"))
        reason = result.stopped or next(filter(None, lines), f"it ends with code {result.rc}")
        raise StackError(f"{what}: {reason}")


def size_of(directory: Path) -> int:
    """Return the size of all files below a directory, in bytes."""
    return sum(entry.lstat().st_size for entry in directory.rglob("*") if not entry.is_dir())


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hex; raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def pack(directory: Path, path: Path, mode: int) -> Packed:
    """Write all that is in a directory to a new file, and have it on the disk; raises StackError and OSError."""
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(handle, "wb") as file:
        os.fchmod(handle, mode)
        result = process.run(
            PACK, seconds=SECONDS, environment=_environment(), directory=directory, stdout=file.fileno()
        )
    _check(f"{directory} cannot be packed", result)
    files.sync(path)
    return Packed(digest(path), path.stat().st_size, size_of(directory))


def unpack(path: Path, directory: Path, owner: int) -> None:
    """Unpack a file into a directory that belongs to `owner`, as that user: no path leads out of what is theirs.

    Raises StackError and OSError.
    """
    with path.open("rb") as file:
        result = process.run(
            UNPACK,
            seconds=SECONDS,
            environment=_environment(),
            directory=directory,
            user=owner,
            stdin=file.fileno(),
        )
    _check(f"{path} cannot be unpacked into {directory}", result)


def flush(directory: Path) -> None:
    """Put on the disk all that the directory's file system holds back; raises StackError."""
    result = process.run(("sync", "--file-system", str(directory)), seconds=SECONDS, environment=_environment())
    _check(f"{directory} cannot be put on the disk", result)

# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files in a directory that somebody else may write: opened once, examined, and read from that descriptor.

A name in such a directory may be a symbolic link to a file of root's, a pipe that nobody writes into, or of any size,
and it may be something else a moment later. So no path is looked at first and opened then.
"""

from __future__ import annotations

import dataclasses
import os
import stat
from pathlib import Path

FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
BLOCK = 1024**2
ANYBODY = -1


class ForeignFileError(OSError):
    """A file that must not be used; the text says why, and has nothing of its content."""


@dataclasses.dataclass(frozen=True)
class ForeignFile:
    """The content of a file, and its state when it was opened."""

    content: bytes = dataclasses.field(repr=False)
    status: os.stat_result

    @property
    def text(self) -> str:
        """The content as text; what is no UTF-8 is replaced."""
        return self.content.decode(errors="replace")


def read(path: Path, largest: int, *, owner: int | None = None) -> ForeignFile:
    """Return a regular file of at most `largest` bytes that belongs to `owner`.

    Without an `owner`, it must belong to the owner of its directory; ANYBODY allows any. Raises FileNotFoundError,
    ForeignFileError for a file that is something else, and OSError.
    """
    place = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        expected = os.fstat(place).st_uid if owner is None else owner
        handle = _open(path, place)
    finally:
        os.close(place)
    try:
        return ForeignFile(_content(path, handle, largest, expected), os.fstat(handle))
    finally:
        os.close(handle)


def _open(path: Path, place: int) -> int:
    try:
        return os.open(path.name, FLAGS, dir_fd=place)
    except FileNotFoundError:
        raise
    except OSError as error:  # ELOOP for a symbolic link, ENXIO for a socket
        raise ForeignFileError(f"{path} cannot be opened as a regular file: {error.strerror}") from error


def _content(path: Path, handle: int, largest: int, owner: int) -> bytes:
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        raise ForeignFileError(f"{path} is not a regular file")
    if owner not in (ANYBODY, status.st_uid):
        raise ForeignFileError(f"{path} belongs to user {status.st_uid}; it must belong to {owner}")
    content = bytearray()
    # It may grow while it is read.
    while status.st_size <= largest and len(content) <= largest:
        part = os.read(handle, min(BLOCK, largest + 1 - len(content)))
        if not part:
            return bytes(content)
        content += part
    raise ForeignFileError(f"{path} has {max(status.st_size, len(content))} bytes; it must have at most {largest}")

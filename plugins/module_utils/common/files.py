# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Atomic writes of files, durable when the call returns."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from pathlib import Path

ALL_BITS = 0o666
"""Permissions of a new file before the umask is applied."""


def write(
    path: Path,
    content: str | bytes,
    mode: int | None = None,
    *,
    owner: int | None = None,
    scratch: Path | None = None,
    durable: bool = True,
    times: tuple[int, int] | None = None,
) -> None:
    """Write a temporary file and rename it: a reader sees the old file or the new one, also after a power cut.

    Without a `mode`, the file keeps mode and owner of the one that it replaces, and a new one gets the mode of the
    umask. `owner` is the number of user and group. `scratch` is the path of the temporary file, in the same file
    system; callers that hold a lock name one, so that the next run replaces the file that a killed run left. Without
    it, each writer has its own. `durable` may be off only for a file that is useless after a restart. `times` are those
    of its last use and change, in nanoseconds since 1970. Raises OSError.
    """
    aside = scratch or _aside(path)
    if scratch is not None:
        scratch.unlink(missing_ok=True)
    try:
        _put(aside, content, mode, None if owner is None else (owner, owner), path, durable, times)
        aside.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            aside.unlink()
        raise
    if durable:
        sync_directory(path.parent)


def create(
    path: Path,
    content: str | bytes,
    mode: int,
    *,
    owner: tuple[int, int] | None = None,
    scratch: Path | None = None,
) -> None:
    """Create a file atomically; raises FileExistsError if `path` exists, and OSError.

    `owner` are the numbers of user and group, which it has before its name appears. `scratch` is that of `write`.
    """
    aside = scratch or _aside(path)
    if scratch is not None:
        scratch.unlink(missing_ok=True)
    try:
        _put(aside, content, mode, owner, path, durable=True, times=None)
        os.link(aside, path)  # unlike a rename, it fails where the file exists
    finally:
        aside.unlink(missing_ok=True)
    sync_directory(path.parent)


def move(source: Path, target: Path) -> None:
    """Rename a file or directory durably; raises OSError."""
    source.rename(target)
    for directory in sorted({source.parent, target.parent}):
        sync_directory(directory)


def sync_directory(path: Path) -> None:
    """Flush the entries of a directory to disk."""
    _sync(path, os.O_RDONLY | os.O_DIRECTORY)


def sync(path: Path) -> None:
    """Flush to disk a file that another program has written, and its name."""
    _sync(path, os.O_RDONLY)
    sync_directory(path.parent)


def _sync(path: Path, flags: int) -> None:
    handle = os.open(path, flags)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _aside(path: Path) -> Path:
    """Return a hidden, unique name beside `path`; no pattern such as *.yml matches it."""
    return path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")


def _put(
    path: Path,
    content: str | bytes,
    mode: int | None,
    owner: tuple[int, int] | None,
    like: Path,
    durable: bool,
    times: tuple[int, int] | None,
) -> None:
    there = like.stat() if mode is None and like.exists() else None
    # Only the writer can open it until it has its owner and mode.
    first = ALL_BITS if mode is None and there is None else stat.S_IRUSR | stat.S_IWUSR
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, first)
    with os.fdopen(handle, "wb") as stream:
        if there is not None:
            with contextlib.suppress(PermissionError):  # only root can change the owner
                os.fchown(handle, there.st_uid, there.st_gid)
            os.fchmod(handle, stat.S_IMODE(there.st_mode))
        if owner is not None:
            os.fchown(handle, *owner)
        if mode is not None:
            os.fchmod(handle, mode)
        stream.write(content.encode() if isinstance(content, str) else content)
        stream.flush()
        if times is not None:
            os.utime(handle, ns=times)
        if durable:
            os.fsync(handle)

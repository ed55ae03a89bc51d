# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Locks between processes; the kernel releases a lock when its process ends, even when it is killed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

POLL_SECONDS = 0.05


class LockedError(Exception):
    """Another process holds the lock."""


@contextlib.contextmanager
def held(
    path: Path,
    wait_seconds: float | None = 0,
    *,
    busy: Callable[[], Exception] = LockedError,
    waiting: Callable[[], None] = lambda: None,
    mode: int = 0o600,
) -> Iterator[int]:
    """Hold the lock on a directory, or on a file, which is created if it is missing; yields the descriptor.

    If another process has the lock, `waiting` is called once. After `wait_seconds` (None: never), the exception that
    `busy` returns is raised. Raises OSError.
    """
    handle = _open(path, mode)
    try:
        _lock(handle, wait_seconds, busy, waiting)
        yield handle
    finally:
        os.close(handle)


def _open(path: Path, mode: int) -> int:
    if path.is_dir():
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, mode)


def _lock(handle: int, seconds: float | None, busy: Callable[[], Exception], waiting: Callable[[], None]) -> None:
    if _taken(handle):
        return
    deadline = None if seconds is None else time.monotonic() + seconds
    if seconds != 0:
        waiting()
    if deadline is None:
        fcntl.flock(handle, fcntl.LOCK_EX)  # in the order of their requests
        return
    while not _taken(handle):
        if time.monotonic() >= deadline:
            raise busy()
        time.sleep(POLL_SECONDS)


def _taken(handle: int) -> bool:
    """Take the lock, and return True, if no other process has it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

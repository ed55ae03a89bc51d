# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""One apply at a time on a server; the lock ends with its process, however that ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from .stack import StackError

POLL_SECONDS = 0.2
# Whoever changes tenants on this server holds it.
APPLY = Path("/run/silo-apply.lock")


class LockedError(StackError):
    """Another run is at work."""


@contextlib.contextmanager
def held(path: Path, wait_seconds: float) -> Iterator[None]:
    """Hold the lock at `path`; raises LockedError where another run has it for longer than `wait_seconds`."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        deadline = time.monotonic() + wait_seconds
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    waited = f"another apply is at work on this server, and was waited for {wait_seconds:.0f} s"
                    raise LockedError(f"{waited}; run again when it has ended") from None
                time.sleep(POLL_SECONDS)
        yield
    finally:
        os.close(handle)

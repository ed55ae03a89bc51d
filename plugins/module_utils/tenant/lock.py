# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Allows one apply at a time on a server; the lock ends with its process, even if that is killed."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from ..common import locks
from .stack import StackError

# Every program that changes tenants on this server holds it.
APPLY = Path("/run/silo-apply.lock")


class LockedError(StackError):
    """Another run holds the lock."""


def held(path: Path, wait_seconds: float) -> AbstractContextManager[int]:
    """Hold the lock at `path`; raises LockedError if another run keeps it for longer than `wait_seconds`."""

    def busy() -> LockedError:
        waited = f"another apply is running on this server, and did not end within {wait_seconds:.0f} s"
        return LockedError(f"{waited}; run again when it has ended")

    return locks.held(path, wait_seconds, busy=busy)

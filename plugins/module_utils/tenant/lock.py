# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""One apply at a time on a server; the lock ends with its process, however that ends."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from ..common import locks
from .stack import StackError

# Whoever changes tenants on this server holds it.
APPLY = Path("/run/silo-apply.lock")


class LockedError(StackError):
    """Another run is at work."""


def held(path: Path, wait_seconds: float) -> AbstractContextManager[int]:
    """Hold the lock at `path`; raises LockedError where another run has it for longer than `wait_seconds`."""

    def busy() -> LockedError:
        waited = f"another apply is at work on this server, and was waited for {wait_seconds:.0f} s"
        return LockedError(f"{waited}; run again when it has ended")

    return locks.held(path, wait_seconds, busy=busy)

"""Silo's own state beside an inventory, in `.silo/`: readable by its owner only, and ignored by git."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from ansible_collections.swissphoto.silo.plugins.module_utils.common import files, locks

FOLDER = ".silo"
WAIT_SECONDS = 3600


class BusyError(Exception):
    """Another run on the same machines did not end in time; the text is a sentence."""


class State:
    """The folder `.silo/` of an inventory; made where it is missing."""

    def __init__(self, inventory: Path) -> None:
        """Make the folder, with what keeps git away from it."""
        self.folder = inventory / FOLDER
        self.folder.mkdir(mode=0o700, exist_ok=True)
        ignore = self.folder / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="ascii")

    @property
    def outbox(self) -> Path:
        """Letters that wait for the relay."""
        return self.folder / "outbox.db"

    @property
    def alerts(self) -> Path:
        """The alerts that were reported."""
        return self.folder / "alerts.json"

    @contextlib.contextmanager
    def turn(
        self, waiting: Callable[[str], None] = lambda _text: None, wait_seconds: float = WAIT_SECONDS
    ) -> Iterator[int]:
        """Change the machines one at a time; gives the lock's descriptor, by which a run that lost us still holds it.

        `waiting` is told once, in a sentence, where another run is at work. Raises BusyError after `wait_seconds`.
        """
        path = self.folder / "run.lock"

        def wait() -> None:
            waiting(f"Another run (process {_holder(path)}) is changing the same machines; waiting for its end.")

        def busy() -> BusyError:
            who = f"process {_holder(path)}"
            return BusyError(
                f"{who} is changing the same machines, and did not end within {wait_seconds:.0f} s; try again later"
            )

        with locks.held(path, wait_seconds, waiting=wait, busy=busy) as handle:
            os.truncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
            yield handle

    def durations(self) -> Mapping[str, float]:
        """Return the seconds of each task in the last run; empty if they cannot be read."""
        try:
            found = json.loads((self.folder / "durations.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return {str(task): float(seconds) for task, seconds in found.items()} if isinstance(found, dict) else {}

    def keep_durations(self, seconds: Mapping[str, float]) -> None:
        """Store the seconds of tasks."""
        write(self.folder / "durations.json", {**self.durations(), **seconds})


def write(path: Path, value: object) -> None:
    """Write a value as JSON atomically."""
    files.write(path, json.dumps(value, indent=1))


def _holder(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace").strip() or "unknown"

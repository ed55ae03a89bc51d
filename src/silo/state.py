"""What silo itself keeps beside an inventory, in `.silo/`: for its owner alone, and out of every git history."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

FOLDER = ".silo"
POLL_SECONDS = 0.2
WAIT_SECONDS = 3600


class BusyError(Exception):
    """Another run changes the same machines for longer than anybody waits; the text is a sentence."""


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
        """What was wrong at the last look, and is told."""
        return self.folder / "alerts.json"

    @contextlib.contextmanager
    def turn(
        self, waiting: Callable[[str], None] = lambda _text: None, wait_seconds: float = WAIT_SECONDS
    ) -> Iterator[int]:
        """Change the machines one at a time; gives the lock's descriptor, by which a run that lost us still holds it.

        `waiting` is told once, in a sentence, where another run is at work. Raises BusyError after `wait_seconds`.
        """
        handle = os.open(self.folder / "run.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _wait(handle, waiting, wait_seconds)
            os.truncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
            yield handle
        finally:
            os.close(handle)

    def durations(self) -> Mapping[str, float]:
        """Return how many seconds each task took last time; nothing where that cannot be read."""
        try:
            found = json.loads((self.folder / "durations.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return {str(task): float(seconds) for task, seconds in found.items()} if isinstance(found, dict) else {}

    def keep_durations(self, seconds: Mapping[str, float]) -> None:
        """Remember how long tasks took."""
        write(self.folder / "durations.json", {**self.durations(), **seconds})


def write(path: Path, value: object) -> None:
    """Write a value as JSON, whole or not at all."""
    scratch = path.with_name(f"{path.stem}.{os.getpid()}")
    scratch.write_text(json.dumps(value, indent=1), encoding="utf-8")
    scratch.replace(path)


def _wait(handle: int, waiting: Callable[[str], None], wait_seconds: float) -> None:
    deadline, told = time.monotonic() + wait_seconds, False
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            who = os.pread(handle, 20, 0).decode(errors="replace").strip() or "unknown"
        if not told:
            waiting(f"Another run (process {who}) is changing the same machines; waiting for its end.")
            told = True
        if time.monotonic() >= deadline:
            raise BusyError(f"process {who} has been changing the same machines for {wait_seconds:.0f} s; try later")
        time.sleep(POLL_SECONDS)

"""Counts or removes everything below a directory, even if its owner tries to prevent it.

No symbolic link is followed, no other file system entered, and nothing is too deep or too long: one descriptor is open
at a time, and no path is ever put together.
"""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.swissphoto.silo.plugins.module_utils.quota.base import QuotaError

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
BATCH = 10_000
"""So many names of one directory are held in memory while it is emptied."""


def count_tree(path: Path) -> int:
    """Return the number of files and directories at and below a path; of subvolumes in it, too."""
    return 1 + _Walk(path, removes=False).run()


def remove_tree(path: Path) -> None:
    """Remove a directory and all that is in it; raises QuotaError, with the rest still there, at another file system.

    Safe to repeat after an interruption at any step.
    """
    _Walk(path, removes=True).run()
    path.rmdir()


@dataclass
class _Level:
    """A directory on the current path. C(found) are its subdirectories that are not entered yet."""

    device: int
    inode: int
    name: str = ""
    found: list[str] = field(default_factory=list)
    is_read: bool = False


class _Walk:
    """One way through a tree, from C(self.here) to C(self.here)."""

    def __init__(self, top: Path, removes: bool) -> None:
        self.top, self.removes, self.count = top, removes, 0
        self.here = -1

    def run(self) -> int:
        """Return how many files and directories were met below the top."""
        self.here = os.open(self.top, DIRECTORY)
        try:
            self._walk()
        finally:
            os.close(self.here)
        return self.count

    def _walk(self) -> None:
        trail = [self._level()]
        while True:
            level = trail[-1]
            if not level.found and not level.is_read:
                level.found, level.is_read = self._read()
            elif level.found:
                name = level.found.pop()
                self._go(name)
                trail.append(self._level(name))
                if self.removes and trail[-1].device != level.device:
                    raise QuotaError(f"another file system is mounted below {self.top}, at {name}; it was left alone")
            elif len(trail) > 1:
                trail.pop()
                self._go("..")
                self._expect(trail[-1])
                if self.removes:
                    os.rmdir(level.name, dir_fd=self.here)
            else:
                return

    def _level(self, name: str = "") -> _Level:
        found = os.fstat(self.here)
        return _Level(found.st_dev, found.st_ino, name)

    def _go(self, name: str) -> None:
        descriptor = os.open(name, DIRECTORY, dir_fd=self.here)
        os.close(self.here)
        self.here = descriptor

    def _expect(self, level: _Level) -> None:
        found = os.fstat(self.here)
        if (found.st_dev, found.st_ino) != (level.device, level.inode):
            raise QuotaError(f"a process moves directories below {self.top}; stop it, and run this again")

    def _read(self) -> tuple[list[str], bool]:
        """Return the directories here, and whether these are all; counts or removes everything else."""
        with os.scandir(self.here) as found:
            batch = list(itertools.islice(found, BATCH) if self.removes else found)
        names = [entry.name for entry in batch if entry.is_dir(follow_symlinks=False)]
        self.count += len(batch)
        if self.removes:
            directories = set(names)
            for entry in batch:
                if entry.name not in directories:
                    os.unlink(entry.name, dir_fd=self.here)
        # A directory that is emptied is read again until it is empty.
        return names, not (self.removes and batch)

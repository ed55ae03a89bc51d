# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks the NAS in a child process, because a hard mount of a hanging NAS blocks its callers for hours."""

from __future__ import annotations

import dataclasses
import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ..common import process
from ..common.mounts import TABLE, read

SECONDS = 5.0
# One child at a time: if a child cannot be killed, the next one waits for its lock, and that one can be killed.
LOCK = "/run/silo-probe.lock"
# Bypasses the kernel's cache, so that the NAS itself must answer.
COMMAND = ("flock", "--no-fork", LOCK, "stat", "--cached=never", "--printf=%f %n\\0", "--")


@dataclasses.dataclass(frozen=True)
class Storage:
    """The result: the `problem` that prevents a start, or the existing `directories`."""

    problem: str = ""
    directories: frozenset[Path] = frozenset()


@dataclasses.dataclass(frozen=True)
class _Answer:
    """Path to mode of the existing paths, and the last error about a missing one."""

    modes: Mapping[Path, int]
    reason: str


def mounted(root: Path, mounts: Path = TABLE) -> bool:
    """Return whether anything is mounted at `root`, from the kernel's list, without accessing the path."""
    return any(mount.point == str(root) for mount in read(mounts))


def _ask(command: Sequence[str], paths: Iterable[Path], seconds: float) -> _Answer | None:
    """Return the child's answer about `paths`; None if it did not end within `seconds`."""
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
    result = process.run([*command, *map(str, paths)], seconds=seconds, environment=environment, umask=0o077)
    if result.stopped:
        return None
    fields = (entry.split(" ", 1) for entry in result.out.split("\0") if entry)
    reason = next((line.rsplit(": ", 1)[-1] for line in result.err.splitlines()), f"code {result.rc}")
    return _Answer({Path(path): int(mode, 16) for mode, path in fields}, reason)


def look(
    sentinel: Path,
    directories: Iterable[Path] = (),
    seconds: float = SECONDS,
    mounts: Path = TABLE,
    command: Sequence[str] = COMMAND,
) -> Storage:
    """Look for `sentinel` and `directories` on the NAS, for about `seconds` at most."""
    root, wanted = sentinel.parent, list(directories)
    if not mounted(root, mounts):
        return Storage(f"the NAS is not mounted: nothing is mounted at {root}")
    answer = _ask(command, [sentinel, *wanted], seconds)
    if answer is None:
        return Storage(f"the NAS does not answer: {sentinel} could not be read within {seconds:g} s")
    if not stat.S_ISREG(answer.modes.get(sentinel, 0)):
        return Storage(f"the file system mounted at {root} is not the NAS: {sentinel}: {answer.reason}")
    there = frozenset(path for path in wanted if stat.S_ISDIR(answer.modes.get(path, 0)))
    return Storage(directories=there)

# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether the NAS is there, asked by a child process: a hard mount whose NAS hangs blocks who touches it, for hours."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import stat
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ..common.mounts import TABLE, read

SECONDS = 5.0
# One child at a time: where one could not even be killed, the next waits for its lock, and that can be ended.
LOCK = "/run/silo-probe.lock"
# The NAS itself is asked: what is in the kernel's cache says nothing.
COMMAND = ("flock", "--no-fork", LOCK, "stat", "--cached=never", "--printf=%f %n\\0", "--")


@dataclasses.dataclass(frozen=True)
class Storage:
    """What was found: the `problem` because of which nothing may start, or which `directories` are there."""

    problem: str = ""
    directories: frozenset[Path] = frozenset()


@dataclasses.dataclass(frozen=True)
class _Answer:
    """Path to mode of what is there, and the last words about what is not."""

    modes: Mapping[Path, int]
    reason: str


def mounted(root: Path, mounts: Path = TABLE) -> bool:
    """Whether anything is mounted at `root`, by the kernel's list; the path itself is not touched."""
    return any(mount.point == str(root) for mount in read(mounts))


def _ask(command: Sequence[str], paths: Iterable[Path], seconds: float) -> _Answer | None:
    """Return what a child found out about `paths`; None where it did not end within `seconds`."""
    child = subprocess.Popen(
        [*command, *map(str, paths)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
        text=True,
        # Whoever may read the lock may hold it.
        umask=0o077,
    )
    try:
        output, errors = child.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        child.kill()
        # One that cannot be killed is left to itself: whoever waits for it hangs with it.
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(0.2)
        return None
    fields = (entry.split(" ", 1) for entry in output.split("\0") if entry)
    reason = next((line.rsplit(": ", 1)[-1] for line in errors.splitlines()), f"code {child.returncode}")
    return _Answer({Path(path): int(mode, 16) for mode, path in fields}, reason)


def look(
    sentinel: Path,
    directories: Iterable[Path] = (),
    seconds: float = SECONDS,
    mounts: Path = TABLE,
    command: Sequence[str] = COMMAND,
) -> Storage:
    """Look for `sentinel` and `directories` on the NAS, for no longer than about `seconds`."""
    root, wanted = sentinel.parent, list(directories)
    if not mounted(root, mounts):
        return Storage(f"the NAS is not mounted: nothing is mounted at {root}")
    answer = _ask(command, [sentinel, *wanted], seconds)
    if answer is None:
        return Storage(f"the NAS does not answer: {sentinel} could not be read within {seconds:g} s")
    if not stat.S_ISREG(answer.modes.get(sentinel, 0)):
        return Storage(f"what is mounted at {root} is not the NAS: {sentinel}: {answer.reason}")
    there = frozenset(path for path in wanted if stat.S_ISDIR(answer.modes.get(path, 0)))
    return Storage(directories=there)

"""The interface of all quota back ends, and the few types that cross it."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from ansible_collections.swissphoto.silo.plugins.module_utils.command import Runner
from ansible_collections.swissphoto.silo.plugins.module_utils.common import files
from ansible_collections.swissphoto.silo.plugins.module_utils.common.mounts import Mount
from ansible_collections.swissphoto.silo.plugins.module_utils.common.names import TEMPLATES

DELETED = "a directory that was deleted"
"""The holder of an id that still counts files, although no directory below the root has this id."""

TRASH = ".trash"
"""The directory below the root with the files of deleted tenants; only root can enter it."""


class QuotaError(Exception):
    """A limit that cannot be set or would not hold; the text is one sentence for the operator."""


@dataclass(frozen=True)
class QuotaTenant:
    """The desired state of one directory below the root. C(limit) is in bytes.

    C(inodes) is how many files and directories may be in it; 0 leaves what the file system has.
    """

    name: str
    id: int
    uid: int
    gid: int
    limit: int
    inodes: int = 0


@dataclass(frozen=True)
class Usage:
    """The usage in bytes and in inodes; None if the file system does not count inodes."""

    bytes: int = 0
    inodes: int | None = None


@dataclass(frozen=True)
class State:
    """The actual state of one directory below the root."""

    id: int | None = None
    """The quota id under which the directory is counted; None if there is none."""
    limit: int | None = None
    """Hard limit in bytes; None if there is none."""
    usage: Usage = field(default_factory=Usage)
    uncounted: tuple[str, ...] = ()
    """Parts of the directory, in the back end's words, that are not counted under any id yet."""
    problem: str = ""
    """Why no limit can be set on this directory; empty where one can."""
    inode_limit: int | None = None
    """Hard limit of inodes; None if there is none."""


@dataclass(frozen=True)
class Survey:
    """All that a back end knows about the root, read at once."""

    directories: Mapping[str, State]
    """By name, those directly below the root."""
    holders: Mapping[int, str]
    """Every existing quota id, with the path below the root that it counts; empty if it counts nothing."""
    trash: Mapping[str, State] = field(default_factory=dict)
    """By path below the root, such as C(.trash/20261123T165705Z-hans-1), the directories in the trash."""


class Backend(ABC):
    """Sets and reads the limits of one file system.

    Reading is one pass over all directories, with a number of processes that does not depend on how many there are.
    A back end has no policy: C(converge.py) decides for all of them which changes are allowed.
    """

    name: ClassVar[str]
    counts_by_id: ClassVar[bool] = True
    """Whether a directory is counted under the tenant's id, so that an id must never serve two."""
    is_mount: ClassVar[bool] = False
    """Whether each tenant's directory is a mount of its own on the NAS itself."""
    limits_inodes: ClassVar[bool] = False
    """Whether it limits the number of files as well; elsewhere they cost bytes, which are limited."""
    limits: ClassVar[bool] = True
    """Whether a directory has a limit at all."""

    def __init__(self, mount: Mount, run: Runner, sysfs: Path = Path("/sys")) -> None:
        """Remember where the file system is mounted and how to run its tools."""
        self.mount = mount
        self.root = Path(mount.point)
        self.run = run
        self.sysfs = sysfs

    def pool(self) -> int | None:
        """Return the size of the whole file system in bytes; None if there is none yet."""
        status = os.statvfs(self.root)
        return status.f_blocks * status.f_frsize

    def rounded(self, limit: int) -> int:
        """Return the largest limit not above C(limit) that the file system supports, in bytes.

        Raises QuotaError if it supports no limit so small.
        """
        return limit

    @classmethod
    def grants(cls, found: int | None, limit: int) -> bool:
        """Return whether the limit found is the expected one; both in bytes."""
        return found == limit

    def refusal(self, tenant: QuotaTenant, state: State | None) -> str:
        """Return why this back end cannot serve the tenant; empty if it can."""
        return state.problem if state else ""

    @abstractmethod
    def check(self) -> None:
        """Raise QuotaError if a limit on this file system would not hold."""

    @abstractmethod
    def read(self) -> Survey:
        """Return the actual state; raises CommandError or QuotaError if it cannot be read."""

    @abstractmethod
    def apply(self, tenant: QuotaTenant, survey: Survey) -> None:
        """Create the directory if it is missing, count it under the tenant's id, and set the limit.

        Safe to repeat after an interruption at any step. No step leaves a directory that can be filled without a limit.
        """

    def names(self) -> list[str]:
        """Return the directories directly below the root, and C(.trash/<name>) those in the trash."""
        found = sorted(_directories(self.root))
        trash = self.root / TRASH
        if trash.is_symlink():
            raise QuotaError(f"{trash} is a symbolic link")
        inside = sorted(f"{TRASH}/{name}" for name in _directories(trash)) if TRASH in found else []
        return [name for name in found if name not in (TRASH, TEMPLATES)] + inside

    def survey(self, states: Mapping[str, State], holders: Mapping[int, str]) -> Survey:
        """Return the states of the paths of C(names), split into directories and trash."""
        live = {name: state for name, state in states.items() if "/" not in name}
        return Survey(live, holders, {name: state for name, state in states.items() if name not in live})

    def obstacle(self, source: str, target: str, mounts: Sequence[Mount]) -> str:
        """Return why a directory below the root cannot be moved to C(target), or removed where that is empty."""
        path = self.root / source
        inside = sorted(m.point for m in mounts if path in Path(m.point).parents)
        itself = [] if self.is_mount else [m.point for m in mounts if m.point == str(path)]
        points = [*itself, *inside]
        return f"{points[0]} is a mount of its own; unmount it, and run this again" if points else ""

    def make_trash(self) -> None:
        """Create the trash if it is missing."""
        (self.root / TRASH).mkdir(mode=0o700, exist_ok=True)

    def move(self, source: str, target: str) -> None:
        """Give a directory another path below the root, in one step; its limit, id and owner stay."""
        files.move(self.root / source, self.root / target)

    @abstractmethod
    def remove(self, place: str, number: int) -> None:
        """Remove a directory in the trash, counted under an id, with its content, even at a full quota.

        Safe to repeat after an interruption at any step.
        """

    def forget(self, number: int) -> str:
        """Remove the quota id of a removed directory from the file system; return why it stays, if it does."""
        return ""


def _directories(path: Path) -> list[str]:
    with os.scandir(path) as entries:
        return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]

"""The interface of all quota back ends, and the few types that cross it."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from ansible_collections.swissphoto.silo.plugins.module_utils.command import Runner

DELETED = "a directory that was deleted"
"""What holds an id that still counts something, though no directory below the root is counted under it."""


class QuotaError(Exception):
    """A limit that cannot be set or would not hold; the text is one sentence for the operator."""


@dataclass(frozen=True)
class Mount:
    """One line of the kernel's mount table. C(root) is the part of the file system that is mounted, mostly C(/)."""

    point: str
    type: str
    source: str
    root: str
    options: frozenset[str]


@dataclass(frozen=True)
class Tenant:
    """What one directory below the root should be. C(limit) is in bytes."""

    name: str
    id: int
    uid: int
    gid: int
    limit: int


@dataclass(frozen=True)
class Usage:
    """What is used, in bytes and in inodes; None where the file system does not count inodes."""

    bytes: int = 0
    inodes: int | None = None


@dataclass(frozen=True)
class State:
    """What a back end found about one directory below the root."""

    id: int | None = None
    """The quota id under which the directory is counted; None where it is counted under none."""
    limit: int | None = None
    """Hard limit in bytes; None where there is none."""
    usage: Usage = field(default_factory=Usage)
    uncounted: tuple[str, ...] = ()
    """Parts of the directory, in the back end's words, that are not counted under any id yet."""
    problem: str = ""
    """Why no limit can be set on this directory; empty where one can."""


@dataclass(frozen=True)
class Survey:
    """All that a back end knows about the root, read at once."""

    directories: Mapping[str, State]
    """By name, those directly below the root."""
    holders: Mapping[int, str]
    """Every quota id that exists, with the path below the root that it counts; empty where it counts nothing."""


class Backend(ABC):
    """Sets and reads the limits of one file system.

    Reading is one pass over all directories, with a number of processes that does not depend on how many there are.
    A back end holds no policy: what may be changed is decided in C(converge.py), once for all of them.
    """

    name: ClassVar[str]
    counts_by_id: ClassVar[bool] = True
    """Whether a directory is counted under the tenant's id, so that an id must never serve two."""

    def __init__(self, mount: Mount, run: Runner, sysfs: Path = Path("/sys")) -> None:
        """Remember where the file system is mounted and how to run its tools."""
        self.mount = mount
        self.root = Path(mount.point)
        self.run = run
        self.sysfs = sysfs

    def pool(self) -> int | None:
        """Return the size of the whole file system in bytes; None where there is none yet."""
        status = os.statvfs(self.root)
        return status.f_blocks * status.f_frsize

    def rounded(self, limit: int) -> int:
        """Return the limit that the file system can hold in place of so many bytes, never a larger one.

        Raises QuotaError where it can hold none that is so small.
        """
        return limit

    def grants(self, found: int | None, limit: int) -> bool:
        """Whether the limit that was found is the one that was promised."""
        return found == limit

    def refusal(self, tenant: Tenant, state: State | None) -> str:
        """Return why this back end cannot serve the tenant; empty where it can."""
        return state.problem if state else ""

    @abstractmethod
    def check(self) -> None:
        """Raise QuotaError where a limit on this file system would not hold."""

    @abstractmethod
    def read(self) -> Survey:
        """Return what exists; raises CommandError or QuotaError where that cannot be read."""

    @abstractmethod
    def apply(self, tenant: Tenant, survey: Survey) -> None:
        """Make the directory where it is missing, count it under the tenant's id, and set the limit.

        Safe to repeat after an interruption at any step. No step leaves a directory that can be filled without a wall.
        """

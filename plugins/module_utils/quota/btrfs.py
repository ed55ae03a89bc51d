"""Simple quotas of btrfs, with the limit on a level-1 group.

A limit on the subvolume itself would not hold: every user may create a subvolume in a directory that they own, and the
new one would have no limit. In simple mode it inherits the membership in the level-1 group instead, and what is written
into it counts there.
"""

from __future__ import annotations

import fcntl
import os
import re
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.swissphoto.silo.plugins.module_utils.command import CommandError, Completed, run, run_json
from ansible_collections.swissphoto.silo.plugins.module_utils.common.sizes import format_size
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.base import (
    DELETED,
    Backend,
    QuotaError,
    QuotaTenant,
    State,
    Survey,
    Usage,
)

LEVEL = "1/"
GROUP = re.compile(r"[0-9]{1,5}/[0-9]{1,20}", re.ASCII)
TOP = "0/5"
"""The group of the whole file system's own subvolume, whose path is empty."""
GONE = ("", "<stale>", "<under deletion>")
"""The tool prints these in place of the path of a deleted subvolume."""

GET_FLAGS, SET_FLAGS = 0x80089419, 0x4008941A
READ_ONLY = 2


@dataclass(frozen=True)
class Group:
    """One quota group: C(0/<subvolume id>) with the subvolume's path, or C(1/<tenant id>) with its members."""

    id: str
    path: str
    limit: int | None
    used: int
    parents: tuple[str, ...]
    children: tuple[str, ...]

    @property
    def is_gone(self) -> bool:
        """Whether the subvolume was deleted, and is freed in the background or was freed."""
        return self.id.startswith("0/") and self.id != TOP and self.path.strip("/") in GONE


def parse_groups(document: Any, mounted: str = "/") -> dict[str, Group]:
    """Return the groups of C(btrfs --format json qgroup show -pcre --raw), by id.

    The tool gives paths from the top of the file system; here they begin at the mounted part of it.
    Raises KeyError, TypeError or ValueError for a document of another shape.
    """
    prefix = mounted.strip("/")
    groups = {}
    for row in document["qgroup-show"]:
        (number,) = _numbers([row["qgroupid"]])
        path = row["path"]
        if not isinstance(path, str):
            raise TypeError(f"the path of {number} is {path!r}")
        if prefix:
            path = path.removeprefix(f"{prefix}/") if path.startswith(f"{prefix}/") else f"/{path}"
        limit = row["max_referenced"]
        groups[number] = Group(
            id=number,
            path=path,
            limit=None if limit == "none" else int(str(limit)),
            used=int(str(row["referenced"])),
            parents=tuple(parent for parent in _numbers(row["parents"]) if parent.startswith(LEVEL)),
            children=_numbers(row["children"]),
        )
    if strangers := {parent for group in groups.values() for parent in group.parents} - groups.keys():
        raise ValueError(f"the groups {', '.join(sorted(strangers))} have members and are not listed")
    return groups


def _numbers(found: Any) -> tuple[str, ...]:
    if not isinstance(found, list) or not all(isinstance(number, str) and GROUP.fullmatch(number) for number in found):
        raise ValueError(f"{found!r} are no numbers of groups")
    return tuple(found)


def holder(group: Group, groups: Mapping[str, Group]) -> str:
    """Return the topmost path that a level-1 group counts; empty if it counts nothing."""
    children = [groups[child] for child in group.children if child in groups]
    paths = sorted(child.path for child in children if not child.is_gone)
    if paths:
        return paths[0] or "the file system itself"
    return DELETED if group.used or children else ""


def state_of(name: str, groups: Mapping[str, Group]) -> State:
    """Return the state of one directory from its groups."""
    inside = [g for g in groups.values() if g.id.startswith("0/") and (g.path + "/").startswith(f"{name}/")]
    own = next((g for g in inside if g.path == name), None)
    if own is None:
        return State(problem="is a plain directory and not a subvolume, so btrfs does not count the files in it")
    if len(own.parents) > 1:
        return State(problem=f"is a member of several quota groups ({', '.join(own.parents)})")
    uncounted = tuple(g.id for g in inside if not g.parents)
    if not own.parents:
        return State(usage=Usage(own.used), uncounted=uncounted)
    group = groups[own.parents[0]]
    return State(int(group.id.removeprefix(LEVEL)), group.limit, Usage(group.used), uncounted)


class Btrfs(Backend):
    """Subvolumes as directories, level-1 groups as limits. Needs Linux 6.7 and btrfs-progs 6.7."""

    name = "btrfs"

    def check(self) -> None:
        """Raise QuotaError where quotas are off, or not the simple ones."""
        device = Path(os.path.realpath(self.mount.source)).name
        found = sorted(self.sysfs.glob(f"fs/btrfs/*/devices/{device}"))
        mode = found[0].parent.parent / "qgroups" / "mode" if found else None
        if mode is None or not mode.exists():
            raise QuotaError(
                f"quotas are off on {self.root}, so no limit would hold; "
                f"turn them on with 'btrfs quota enable --simple {self.root}'"
            )
        if mode.read_text(encoding="ascii").strip() != "squota":
            raise QuotaError(
                f"{self.root} has btrfs quotas in another mode than 'simple'; nested subvolumes would escape the limit"
            )

    def read(self) -> Survey:
        """Return all directories and groups, by one process."""
        groups = self._groups()
        holders = {
            int(group.id.removeprefix(LEVEL)): holder(group, groups)
            for group in groups.values()
            if group.id.startswith(LEVEL)
        }
        return self.survey({name: state_of(name, groups) for name in self.names()}, holders)

    def apply(self, tenant: QuotaTenant, survey: Survey) -> None:
        """Run the result of C(commands) in order: the limit exists before the directory can be filled."""
        for argv in commands(self.root, tenant, survey):
            run(self.run, argv)

    def remove(self, place: str, number: int) -> None:
        """Delete the subvolume and those in it by their ids, the innermost first; no path is followed.

        Without its limit: at a full quota, even deleting is refused.
        """
        groups = self._groups()
        inside = [group for group in groups.values() if f"{group.path}/".startswith(f"{place}/")]
        if groups[f"{LEVEL}{number}"].limit is not None:
            run(self.run, ["btrfs", "qgroup", "limit", "none", f"{LEVEL}{number}", str(self.root)])
        for group in sorted(inside, key=lambda group: group.path.count("/")):
            _make_writable(self.root, group.path)
        for group in sorted(inside, key=lambda group: group.path.count("/"), reverse=True):
            subvolume = group.id.removeprefix("0/")
            run(self.run, ["btrfs", "subvolume", "delete", "--subvolid", subvolume, str(self.root)])

    def forget(self, number: int) -> str:
        """Destroy the group and those of its deleted subvolumes, after all in them was freed."""
        own = f"{LEVEL}{number}"
        children = self._groups()[own].children
        for argv in (["filesystem", "sync"], ["subvolume", "sync"], ["filesystem", "sync"]):
            run(self.run, ["btrfs", *argv, str(self.root)])
        groups = self._groups()
        kept = [name for name in children if name in groups]
        if groups[own].used or any(not groups[name].is_gone for name in kept):
            return f"the quota group {own} still counts {format_size(groups[own].used)}, which a snapshot may keep"
        for name in (*kept, own):
            argv = ["btrfs", "qgroup", "destroy", name, str(self.root)]
            completed = self.run(argv)
            # Newer kernels remove the group of a subvolume themselves, maybe at this moment.
            if completed.rc != 0 and name in self._groups():
                raise CommandError(argv, completed)
        return ""

    def _groups(self) -> dict[str, Group]:
        argv = ["btrfs", "--format", "json", "qgroup", "show", "-pcre", "--raw", str(self.root)]
        document = run_json(self.run, argv)
        try:
            return parse_groups(document, self.mount.root)
        except (KeyError, TypeError, ValueError) as error:
            raise CommandError(argv, Completed(0, str(document)), f"printed what cannot be read, {error!r}") from error


def _make_writable(root: Path, path: str) -> None:
    """Make a subvolume writable, which its owner may have made read-only; follows no symbolic link."""
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for name in path.split("/"):
            inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        flags = bytearray(8)
        fcntl.ioctl(descriptor, GET_FLAGS, flags)
        (found,) = struct.unpack("=Q", flags)
        if found & READ_ONLY:
            fcntl.ioctl(descriptor, SET_FLAGS, struct.pack("=Q", found & ~READ_ONLY))
    finally:
        os.close(descriptor)


def commands(root: Path, tenant: QuotaTenant, survey: Survey) -> Iterable[list[str]]:
    """Yield the commands that create and limit the tenant's directory; runs none of them."""
    group = f"{LEVEL}{tenant.id}"
    state = survey.directories.get(tenant.name)
    if tenant.id not in survey.holders:
        yield ["btrfs", "qgroup", "create", group, str(root)]
    if state is None or state.limit != tenant.limit:
        yield ["btrfs", "qgroup", "limit", str(tenant.limit), group, str(root)]
    if state is None:
        yield ["btrfs", "subvolume", "create", "-i", group, str(root / tenant.name)]
    else:
        for part in state.uncounted:
            yield ["btrfs", "qgroup", "assign", part, group, str(root)]

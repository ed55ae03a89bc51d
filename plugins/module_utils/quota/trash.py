"""Moves the files of deleted tenants into the trash, restores them, or removes them for good, for any back end.

Each step is one rename or begins with one, so the next run completes a killed one.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.swissphoto.silo.plugins.module_utils.command import CommandError
from ansible_collections.swissphoto.silo.plugins.module_utils.common.mounts import Mount
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.base import (
    DELETED,
    TRASH,
    Backend,
    QuotaError,
    State,
)
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.directory_tree import count_tree
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.folder import Folder, read_folder, write_folder
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.id_registry import (
    only_one,
    read_register,
    write_register,
)
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.rules import (
    check_name,
    check_number,
    refuse_doubles,
)
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.trash_entry import Entry, entries, parse_when

ROOT_ALONE = Folder(0, 0, 0o700)


@dataclass(frozen=True)
class Order:
    """The desired state of all tenants of a call. C(purges): the largest number that is removed for good."""

    state: str
    purges: int = 3

    def __post_init__(self) -> None:
        """Raise QuotaError for an invalid number."""
        if self.purges < 1:
            raise QuotaError(f"max_purges is {self.purges}; it must be 1 or more")


@dataclass(frozen=True)
class Moved:
    """The result for one tenant. Sizes in bytes; C(before) and C(after) are the paths of its files, empty for none.

    C(files) is the number of files and directories; None if there were none.
    """

    values: Mapping[str, Any]
    before: str = ""
    after: str = ""
    files: int | None = None
    bytes: int | None = None
    limit: int | None = None
    note: str = ""
    error: str = ""

    @property
    def name(self) -> str:
        """The tenant."""
        return str(self.values["name"])

    @property
    def changed(self) -> bool:
        """Return whether something was, or in check mode would be, moved or removed."""
        return not self.error and (self.before != self.after or bool(self.note))

    def result(self) -> dict[str, Any]:
        """Return the outcome as the module returns it."""
        result = {
            **{key: self.values[key] for key in ("name", "id", "when")},
            "path": self.after,
            "files": self.files,
            "bytes": self.bytes,
            "limit": self.limit,
            "changed": self.changed,
            "changes": self.changes(),
            "failed": bool(self.error),
        }
        return {**result, "msg": self.error} if self.error else result

    def changes(self) -> list[str]:
        """Return one phrase for each change, such as C(/instances/hans -> /instances/.trash/...)."""
        moved = [f"{self.before} -> {self.after or 'removed for good'}"] if self.before != self.after else []
        return [] if self.error else moved + ([self.note] if self.note else [])


def parse_entry(values: Mapping[str, Any]) -> Entry:
    """Return a tenant from the module's option; raises QuotaError with a sentence about what is wrong in it."""
    check_name(values["name"])
    check_number("id", values["id"])
    return Entry(values["name"], values["id"], parse_when(values["when"]))


class Trash:
    """One call for all tenants of a root: the actual state, and the changes that are allowed."""

    def __init__(self, backend: Backend, order: Order, mounts: Sequence[Mount], check_mode: bool) -> None:
        """Read the root once; raises CommandError or QuotaError if it cannot be read."""
        self.backend, self.order, self.mounts, self.check_mode = backend, order, mounts, check_mode
        self.survey = backend.read()
        self.owners = read_register(backend.root) if backend.counts_by_id else {}
        self.purges = 0

    def serve(self, entry: Entry, values: Mapping[str, Any]) -> Moved:
        """Bring one tenant to its desired state; raises QuotaError, CommandError or OSError if that fails."""
        owner = self.owners.get(entry.id, entry.name)
        if owner != entry.name:
            raise QuotaError(f"the quota id {entry.id} was given to {owner}; nothing was touched")
        for other in entries(self.survey):
            if other.id == entry.id and other not in (entry, entry.mark):
                raise QuotaError(
                    f"what was deleted under the id {entry.id} is {other.name} of {other.when.isoformat()}, "
                    f"and not {entry.name} of {entry.when.isoformat()}; nothing was touched"
                )
        step = {"trashed": self._trash, "restored": self._restore, "purged": self._purge}[self.order.state]
        return step(entry, values)

    def _trash(self, entry: Entry, values: Mapping[str, Any]) -> Moved:
        self._refuse_purging(entry)
        if entry.place in self.survey.trash:
            self._refuse_alive(entry)
            return self._moved(values, entry.place, entry.place)
        read_folder(self.backend.root / entry.name)
        state = self.survey.directories.get(entry.name)
        if state is None:
            return Moved(values)
        if state.problem:
            raise QuotaError(state.problem)
        self._refuse_foreign(entry.name, entry, state)
        self._refuse_obstacle(entry.name, entry.place)
        moved = self._moved(values, entry.name, entry.place)
        if not self.check_mode:
            if self.backend.counts_by_id and entry.id not in self.owners:
                # A tenant from before the register: record its id, so that it is never given again.
                self.owners[entry.id] = entry.name
                write_register(self.backend.root, self.owners)
            self.backend.make_trash()
            write_folder(self.backend.root / TRASH, ROOT_ALONE)
            self._move(entry.name, entry.place)
        return moved

    def _restore(self, entry: Entry, values: Mapping[str, Any]) -> Moved:
        self._refuse_purging(entry)
        path = self.backend.root / entry.name
        found = self.survey.directories.get(entry.name)
        if entry.place not in self.survey.trash:
            if found and (found.id == entry.id or not self.backend.counts_by_id):
                return self._moved(values, entry.name, entry.name)
            raise QuotaError(f"{self.backend.root / entry.place} does not exist, so nothing can be restored")
        if os.path.lexists(path):
            whose = f", counted under the id {found.id}" if found and found.id else ""
            raise QuotaError(f"{path} exists by now{whose}; nothing was restored, and nothing is lost")
        self._refuse_foreign(entry.place, entry, self.survey.trash[entry.place])
        self._refuse_obstacle(entry.place, entry.name)
        if not self.check_mode:
            self._move(entry.place, entry.name)
        return self._moved(values, entry.place, entry.name)

    def _purge(self, entry: Entry, values: Mapping[str, Any]) -> Moved:
        self._refuse_alive(entry)
        found = [other for other in (entry.mark, entry) if other.place in self.survey.trash]
        if len(found) > 1:
            places = " and ".join(str(self.backend.root / other.place) for other in found)
            raise QuotaError(f"there are both {places}; look at them, and move away the one that is not the tenant's")
        if not found:
            return self._forget_rest(entry, values)
        (there,) = found
        self._refuse_foreign(there.place, entry, self.survey.trash[there.place])
        self._refuse_obstacle(there.place, "")
        if self.purges >= self.order.purges:
            raise QuotaError(
                f"no more than {self.order.purges} are removed for good in one call (max_purges); "
                "this one stays in the trash for the next"
            )
        self.purges += 1
        note = ""
        if not self.check_mode:
            if not there.purging:
                self._move(there.place, entry.mark.place)
            self.backend.remove(entry.mark.place, entry.id)
            note = self.backend.forget(entry.id)
        return self._moved(values, there.place, "", note)

    def _forget_rest(self, entry: Entry, values: Mapping[str, Any]) -> Moved:
        """Complete a purge that was killed just before its end: remove the id, which counts no files any more."""
        if not self.backend.counts_by_id or self.survey.holders.get(entry.id) not in ("", DELETED):
            return Moved(values)
        kept = "" if self.check_mode else self.backend.forget(entry.id)
        return Moved(values, note="" if kept else f"quota id {entry.id} -> removed for good")

    def _moved(self, values: Mapping[str, Any], source: str, target: str, note: str = "") -> Moved:
        state = self.survey.trash.get(source) or self.survey.directories[source]
        root = self.backend.root
        files = state.usage.inodes if self.backend.counts_by_id else None
        if files is None and self.order.state == "trashed":
            files = count_tree(root / source)
        after = str(root / target) if target else ""
        return Moved(values, str(root / source), after, files, state.usage.bytes, state.limit, note)

    def _move(self, source: str, target: str) -> None:
        try:
            self.backend.move(source, target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            root = self.backend.root
            raise QuotaError(
                f"{root / source} and {root / target} are on different file systems; nothing was moved"
            ) from error

    def _refuse_purging(self, entry: Entry) -> None:
        if entry.mark.place in self.survey.trash:
            path = self.backend.root / entry.mark.place
            raise QuotaError(
                f"{path} is being removed for good, and a part of it may be gone; only a purge completes it"
            )

    def _refuse_alive(self, entry: Entry) -> None:
        for name, state in self.survey.directories.items():
            if self.backend.counts_by_id and state.id == entry.id:
                path = self.backend.root / name
                raise QuotaError(
                    f"{path} is counted under the id {entry.id}, so it is not deleted; nothing was touched"
                )

    def _refuse_foreign(self, place: str, entry: Entry, state: State) -> None:
        if self.backend.counts_by_id and state.id != entry.id:
            found = "no quota id" if state.id is None else f"the quota id {state.id}"
            path = self.backend.root / place
            raise QuotaError(f"{path} is counted under {found}, and not under {entry.id}; nothing was touched")

    def _refuse_obstacle(self, source: str, target: str) -> None:
        if obstacle := self.backend.obstacle(source, target, self.mounts):
            raise QuotaError(obstacle)


def trash(
    backend: Backend, order: Order, wanted: Sequence[Mapping[str, Any]], mounts: Sequence[Mount], check_mode: bool
) -> list[Moved]:
    """Bring all tenants to their desired state; one that fails does not stop the others.

    C(mounts) are the current mounts. Raises CommandError or QuotaError only if the root itself cannot be read.
    """
    with contextlib.nullcontext() if check_mode else only_one(backend.root):
        run = Trash(backend, order, mounts, check_mode)
        outcomes = []
        for values in wanted:
            try:
                refuse_doubles(values, wanted, ["id"])
                outcomes.append(run.serve(parse_entry(values), values))
            except (QuotaError, CommandError, OSError) as error:
                outcomes.append(Moved(values, error=str(error)))
        return outcomes

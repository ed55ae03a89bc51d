"""Compares actual with desired state, for any back end, and writes the differences."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ansible_collections.swissphoto.silo.plugins.module_utils.command import CommandError
from ansible_collections.swissphoto.silo.plugins.module_utils.common.sizes import format_size, parse_size
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.base import (
    Backend,
    QuotaError,
    QuotaTenant,
    State,
    Survey,
    Usage,
)
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.folder import Folder, read_folder, write_folder
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.id_registry import (
    only_one,
    read_register,
    write_register,
)
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.rules import (
    Promises,
    QuotaPolicy,
    parse_tenant,
    refuse,
    refuse_doubles,
)

UPLOADS = "uploads"
SHELL = Folder(0, 0, 0o711)
"""The mode of a tenant's directory: only root can write to it, and every user can pass through."""
THERE = "there"


@dataclass(frozen=True)
class QuotaOutcome:
    """The result for one tenant. Sizes are in bytes; C(before) and C(after) have the same keys, in words.

    C(inodes) is the limit of files; None without one. C(found) is what was read back after a change.
    """

    name: str
    path: str = ""
    limit: int | None = None
    usage: Usage = Usage()
    before: Mapping[str, str] | None = None
    after: Mapping[str, str] | None = None
    error: str = ""
    inodes: int | None = None
    found: State | None = None

    @property
    def changed(self) -> bool:
        """Whether something was, or in check mode would be, written."""
        return not self.error and self.before != self.after

    def result(self) -> dict[str, Any]:
        """Return the outcome as the module gives it back."""
        result: dict[str, Any] = {
            "path": self.path,
            "limit": self.limit,
            "used": self.usage.bytes,
            "inodes": self.usage.inodes,
            "inode_limit": self.inodes,
            "changed": self.changed,
            "changes": self.changes(),
            "failed": bool(self.error),
            "found": self.found and _told(self.found),
        }
        return {**result, "msg": self.error} if self.error else result

    def changes(self) -> list[str]:
        """Return one phrase for each difference, such as C(limit 100G -> 200G)."""
        if not self.changed:
            return []
        before, after = self.before or {}, self.after or {}
        if not before:
            return [f"new, with a limit of {after['limit']}" if after["limit"] != "none" else "new, without a limit"]
        keys = sorted(before.keys() | after.keys())
        pairs = [(key, before.get(key, "none"), after.get(key, "none")) for key in keys]
        return [f"{key} {old} -> {new}" for key, old, new in pairs if old != new]


def _told(state: State) -> dict[str, Any]:
    return {"id": state.id, "limit": state.limit, "inode_limit": state.inode_limit, "problem": state.problem}


def exact_size(size: int) -> str:
    """Return C(100G), or C(1.2G (1234567890 bytes)) where the short form alone would hide a difference."""
    short = format_size(size)
    return short if parse_size(short) == size else f"{short} ({size} bytes)"


class Run:
    """One call for all tenants of a root: the actual state, and the changes that the policy allows."""

    def __init__(self, backend: Backend, policy: QuotaPolicy, check_mode: bool) -> None:
        """Read the root once; raises CommandError or QuotaError if it cannot be read."""
        self.backend, self.policy, self.check_mode = backend, policy, check_mode
        self.survey = backend.read()
        self.promises = Promises(backend, self.survey, policy.overcommit)
        self.owners = read_register(backend.root) if backend.counts_by_id else {}

    def converge(self, tenant: QuotaTenant) -> QuotaOutcome:
        """Bring one tenant to its desired state; raises QuotaError, CommandError or OSError if that fails."""
        tenant = replace(tenant, limit=self.backend.rounded(tenant.limit))
        path = self.backend.root / tenant.name
        before = self._found(tenant, path)
        state = self.survey.directories.get(tenant.name)
        refuse(self.backend, tenant, self.survey, self.owners, self.policy.force)
        self.promises.add(tenant)
        after = self._wanted(tenant, state)
        if before != after and not self.check_mode:
            self._write(tenant, path)
        usage = state.usage if state else Usage()
        limit = tenant.limit if self.backend.limits else None
        return QuotaOutcome(tenant.name, str(path), limit, usage, before, after, inodes=self._inodes(tenant))

    def _inodes(self, tenant: QuotaTenant) -> int | None:
        return tenant.inodes if tenant.inodes and self.backend.limits_inodes else None

    def verify(self, outcome: QuotaOutcome, survey: Survey) -> QuotaOutcome:
        """Read the limit back: return the outcome with what was found, and with an error if the limit does not hold.

        XFS, for example, accepts a limit that it will not enforce.
        """
        state = survey.directories.get(outcome.name, State())
        holds = self.backend.grants(state.limit, outcome.limit or 0) and outcome.inodes in (None, state.inode_limit)
        if state.problem or state.uncounted or not holds:
            error = state.problem or "the limit was set without an error, but it is not there when read again"
            return replace(outcome, error=error, found=state)
        return replace(outcome, usage=state.usage, found=state)

    def _found(self, tenant: QuotaTenant, path: Path) -> dict[str, str]:
        shell = read_folder(path)
        state = self.survey.directories.get(tenant.name)
        if state is None:
            return {}
        words = {"limit": "none" if state.limit is None else exact_size(state.limit)}
        if self.backend.counts_by_id:
            recorded = "" if tenant.id in self.owners else ", not on record"
            words["quota id"] = "none" if state.id is None else f"{state.id}{recorded}"
        if state.uncounted:
            words["not counted"] = ", ".join(state.uncounted)
        if self._inodes(tenant):
            words["inodes"] = "none" if state.inode_limit is None else str(state.inode_limit)
        words["directory"] = str(shell) if shell else "none"
        if self.policy.uploads:
            words[UPLOADS] = str(read_folder(path / UPLOADS) or "none")
        return words | {name: self._mount_point(path / UPLOADS / name) for name in self.policy.mount_points}

    def _wanted(self, tenant: QuotaTenant, state: State | None) -> dict[str, str]:
        kept = state.limit if state and self.backend.grants(state.limit, tenant.limit) else tenant.limit
        words = {"limit": exact_size(kept or tenant.limit) if self.backend.limits else "none"}
        if self.backend.counts_by_id:
            words["quota id"] = str(tenant.id)
        if self._inodes(tenant):
            words["inodes"] = str(tenant.inodes)
        words["directory"] = str(SHELL)
        if self.policy.uploads:
            words[UPLOADS] = str(_uploads(tenant))
        return words | dict.fromkeys(self.policy.mount_points, THERE)

    def _mount_point(self, path: Path) -> str:
        # Owner and mode are those of the file system mounted on it.
        return THERE if read_folder(path) else "none"

    def _write(self, tenant: QuotaTenant, path: Path) -> None:
        if self.backend.counts_by_id and tenant.id not in self.owners:
            # Recorded before it is used: after an interruption the id is lost, but never given twice.
            self.owners[tenant.id] = tenant.name
            write_register(self.backend.root, self.owners)
        self.backend.apply(tenant, self.survey)
        write_folder(path, SHELL)
        if self.policy.uploads:
            write_folder(path / UPLOADS, _uploads(tenant))
        for name in self.policy.mount_points:
            if read_folder(path / UPLOADS / name) is None:
                write_folder(path / UPLOADS / name, Folder(tenant.uid, tenant.gid, 0o700))


def _uploads(tenant: QuotaTenant) -> Folder:
    return Folder(tenant.uid, tenant.gid, 0o710)


def converge(
    backend: Backend, wanted: Sequence[Mapping[str, Any]], policy: QuotaPolicy, check_mode: bool
) -> list[QuotaOutcome]:
    """Bring all tenants to their desired state; one that fails does not stop the others.

    Raises CommandError or QuotaError only if the root itself cannot be read.
    """
    with contextlib.nullcontext() if check_mode else only_one(backend.root):
        run = Run(backend, policy, check_mode)
        outcomes = []
        for values in wanted:
            try:
                refuse_doubles(values, wanted)
                outcomes.append(run.converge(parse_tenant(values)))
            except (QuotaError, CommandError, OSError) as error:
                outcomes.append(QuotaOutcome(values["name"], str(Path(backend.root, values["name"])), error=str(error)))
        if check_mode or not any(outcome.changed for outcome in outcomes):
            return outcomes
        survey = backend.read()
        return [run.verify(outcome, survey) if outcome.changed else outcome for outcome in outcomes]

"""Compares what is with what should be, for any back end, and writes the difference once.

Every rule about what may be changed stands here; a back end only reads and sets.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ansible_collections.swissphoto.silo.plugins.module_utils.command import CommandError
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.base import (
    Backend,
    QuotaError,
    State,
    Survey,
    Tenant,
    Usage,
)
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.folder import Folder, read_folder, write_folder
from ansible_collections.swissphoto.silo.plugins.module_utils.size import SizeError, format_size, parse_size

NAME = re.compile(r"[a-z][a-z0-9]{1,30}")
UPLOADS = "uploads"
SHELL = Folder(0, 0, 0o711)
"""Of a tenant's directory: only root writes to it, and everyone passes through to what is theirs."""


@dataclass(frozen=True)
class Outcome:
    """What became of one tenant. Sizes are in bytes; C(before) and C(after) are the same keys in words."""

    name: str
    path: str = ""
    limit: int | None = None
    usage: Usage = Usage()
    before: Mapping[str, str] | None = None
    after: Mapping[str, str] | None = None
    error: str = ""

    @property
    def changed(self) -> bool:
        """Whether something was, or in check mode would be, written."""
        return not self.error and self.before != self.after

    def result(self) -> dict[str, Any]:
        """Return the outcome as the module gives it back."""
        result = {
            "path": self.path,
            "limit": self.limit,
            "used": self.usage.bytes,
            "inodes": self.usage.inodes,
            "changed": self.changed,
            "changes": self.changes(),
            "failed": bool(self.error),
        }
        return {**result, "msg": self.error} if self.error else result

    def changes(self) -> list[str]:
        """Return one phrase for each difference, such as C(limit 100G -> 200G)."""
        if not self.changed:
            return []
        before, after = self.before or {}, self.after or {}
        if not before:
            return [f"new, with a limit of {after['limit']}"]
        keys = sorted(before.keys() | after.keys())
        pairs = [(key, before.get(key, "none"), after.get(key, "none")) for key in keys]
        return [f"{key} {old} -> {new}" for key, old, new in pairs if old != new]


def parse_tenant(values: Mapping[str, Any]) -> Tenant:
    """Return a tenant from the module's option; raises QuotaError with a sentence about what is wrong in it."""
    if not NAME.fullmatch(values["name"]):
        raise QuotaError("the name must be 2 to 31 small letters and digits, and begin with a letter")
    try:
        limit = parse_size(values["limit"])
    except SizeError as error:
        raise QuotaError(f"the limit {error}") from error
    if limit == 0:
        raise QuotaError("the limit is 0, which some file systems take for no limit")
    for key in ("id", "uid", "gid"):
        if values[key] < 1:
            raise QuotaError(f"the {key} is {values[key]}; it must be 1 or more")
    return Tenant(values["name"], values["id"], values["uid"], values["gid"], limit)


def refuse(tenant: Tenant, survey: Survey, force: bool) -> None:
    """Raise QuotaError where the limit would not hold, or would hit somebody else."""
    state = survey.directories.get(tenant.name, State())
    holder = survey.holders.get(tenant.id, "")
    if state.problem:
        raise QuotaError(state.problem)
    if holder and holder != tenant.name:
        raise QuotaError(f"its quota id {tenant.id} already counts {holder}")
    if state.id not in (None, tenant.id):
        raise QuotaError(f"is already counted under the quota id {state.id}, not {tenant.id}")
    if state.limit != tenant.limit < state.usage.bytes and not force:
        used, limit = format_size(state.usage.bytes), format_size(tenant.limit)
        raise QuotaError(f"{used} are in use, more than the new limit of {limit}; nothing was changed")


def exact_size(size: int) -> str:
    """Return C(100G), or C(1.2G (1234567890 bytes)) where the short form alone would hide a difference."""
    short = format_size(size)
    return short if parse_size(short) == size else f"{short} ({size} bytes)"


def words_of(state: State | None, shell: Folder | None, uploads: Folder | None) -> dict[str, str]:
    """Return a tenant's storage in words, one for each thing that can differ."""
    if state is None:
        return {}
    words = {"limit": "none" if state.limit is None else exact_size(state.limit)}
    words["quota id"] = "none" if state.id is None else str(state.id)
    if state.uncounted:
        words["not counted"] = ", ".join(state.uncounted)
    words["directory"] = str(shell) if shell else "none"
    words[UPLOADS] = str(uploads) if uploads else "none"
    return words


def converge_one(backend: Backend, survey: Survey, tenant: Tenant, check_mode: bool, force: bool) -> Outcome:
    """Bring one tenant to what it should be; raises QuotaError, CommandError or OSError where that fails."""
    path = backend.root / tenant.name
    shell = read_folder(path)
    refuse(tenant, survey, force)
    state = survey.directories.get(tenant.name)
    owner = Folder(tenant.uid, tenant.gid, 0o700)
    before = words_of(state, shell, read_folder(path / UPLOADS))
    after = words_of(State(tenant.id, tenant.limit), SHELL, owner)
    if before != after and not check_mode:
        backend.apply(tenant, survey)
        write_folder(path, SHELL)
        write_folder(path / UPLOADS, owner)
    return Outcome(tenant.name, str(path), tenant.limit, state.usage if state else Usage(), before, after)


def verify(outcome: Outcome, survey: Survey) -> Outcome:
    """Return the outcome with the use after the change, or as an error where the limit is not there when read again."""
    state = survey.directories.get(outcome.name, State())
    if state.limit != outcome.limit or state.uncounted:
        return replace(outcome, error="the limit was set without an error, but it is not there when read again")
    return replace(outcome, usage=state.usage)


def converge(backend: Backend, wanted: Sequence[Mapping[str, Any]], check_mode: bool, force: bool) -> list[Outcome]:
    """Bring all tenants to what they should be; one that fails does not hold up the others.

    Raises CommandError or QuotaError only where the root as a whole cannot be read.
    """
    survey = backend.read()
    twice = {key: Counter(values[key] for values in wanted) for key in ("name", "id")}
    outcomes = []
    for values in wanted:
        try:
            for key, counts in twice.items():
                if counts[values[key]] > 1:
                    raise QuotaError(f"the {key} {values[key]} was given to {counts[values[key]]} tenants")
            outcomes.append(converge_one(backend, survey, parse_tenant(values), check_mode, force))
        except (QuotaError, CommandError, OSError) as error:
            outcomes.append(Outcome(values["name"], str(Path(backend.root, values["name"])), error=str(error)))
    if check_mode or not any(outcome.changed for outcome in outcomes):
        return outcomes
    survey = backend.read()
    return [verify(outcome, survey) if outcome.changed else outcome for outcome in outcomes]

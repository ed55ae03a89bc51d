"""The rules of all back ends: valid values, and refused changes."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.swissphoto.silo.plugins.module_utils.common.names import is_tenant
from ansible_collections.swissphoto.silo.plugins.module_utils.common.sizes import SizeError, format_size, parse_size
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.base import (
    DELETED,
    Backend,
    QuotaError,
    QuotaTenant,
    State,
    Survey,
)
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.trash_entry import Entry, entries

MOUNT_POINT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True)
class QuotaPolicy:
    """What the operator allows.

    C(force): limits below the usage. C(overcommit): the sum of all limits, as a multiple of the pool's size.
    C(uploads): whether each directory has one of this name in it, which belongs to the tenant.
    C(mount_points): directories in C(uploads) on which the server mounts something else.
    """

    force: bool = False
    overcommit: float = 1.0
    mount_points: tuple[str, ...] = ()
    uploads: bool = True

    def __post_init__(self) -> None:
        """Raise QuotaError if a value is invalid, or leads out of the tenant's directory."""
        if not 0 < self.overcommit < math.inf:
            raise QuotaError(f"the overcommit is {self.overcommit:g}; it must be more than 0, such as 1.5")
        if self.mount_points and not self.uploads:
            raise QuotaError("mount_points are directories in uploads, and uploads is off; leave one of them out")
        for name in self.mount_points:
            if not MOUNT_POINT.fullmatch(name):
                raise QuotaError(f"the mount point '{name}' must be the plain name of one directory, such as backups")


def check_name(name: str) -> None:
    """Raise QuotaError for an invalid tenant name."""
    if not is_tenant(name):
        raise QuotaError("the name must be 2 to 31 lower-case letters and digits, and begin with a letter")


def check_number(key: str, number: int) -> None:
    """Raise QuotaError for an invalid id."""
    if not 1 <= number < 2**32 - 1:
        raise QuotaError(f"the {key} is {number}; it must be 1 or more, and fit into 32 bits")


def parse_tenant(values: Mapping[str, Any]) -> QuotaTenant:
    """Return a tenant from the module's option; raises QuotaError with a sentence about what is wrong in it."""
    check_name(values["name"])
    try:
        limit = parse_size(values["limit"])
    except SizeError as error:
        raise QuotaError(f"the limit {error}") from error
    if limit == 0:
        raise QuotaError("the limit is 0, which means no limit to some file systems")
    for key in ("id", "uid", "gid"):
        check_number(key, values[key])
    inodes = values.get("inodes") or 0
    if not 0 <= inodes < 2**63:
        raise QuotaError(f"inodes is {inodes}; it must be 0 for no limit, or the number of files, such as 100000")
    return QuotaTenant(values["name"], values["id"], values["uid"], values["gid"], limit, inodes)


def refuse_doubles(
    values: Mapping[str, Any], wanted: Sequence[Mapping[str, Any]], keys: Sequence[str] = ("name", "id")
) -> None:
    """Raise QuotaError if two tenants of one call share a name or an id."""
    for key in keys:
        count = Counter(other[key] for other in wanted)[values[key]]
        if count > 1:
            raise QuotaError(f"the {key} {values[key]} was given to {count} tenants")


def refuse(backend: Backend, tenant: QuotaTenant, survey: Survey, owners: Mapping[int, str], force: bool) -> None:
    """Raise QuotaError if the limit would not hold, or would affect another tenant."""
    if entry := next((entry for entry in entries(survey) if entry.id == tenant.id), None):
        raise QuotaError(in_trash(backend, entry))
    if problem := backend.refusal(tenant, survey.directories.get(tenant.name)):
        raise QuotaError(problem)
    state = survey.directories.get(tenant.name, State())
    holder = survey.holders.get(tenant.id, "")
    owner = owners.get(tenant.id, tenant.name)
    # Files that an interrupted first count has counted, or that a deleted directory left, are the tenant's own.
    is_own = holder == DELETED and owners.get(tenant.id) == tenant.name
    if holder and holder != tenant.name and not is_own:
        raise QuotaError(f"its quota id {tenant.id} already counts {holder}")
    if owner != tenant.name:
        raise QuotaError(f"its quota id {tenant.id} was given to {owner}, and an id is never given twice")
    if state.id not in (None, tenant.id):
        raise QuotaError(f"is already counted under the quota id {state.id}, not {tenant.id}")
    if not backend.grants(state.limit, tenant.limit) and tenant.limit < state.usage.bytes and not force:
        used, limit = format_size(state.usage.bytes), format_size(tenant.limit)
        raise QuotaError(f"{used} are in use, more than the new limit of {limit}; nothing was changed")
    _refuse_inodes(backend, tenant, state, force)


def _refuse_inodes(backend: Backend, tenant: QuotaTenant, state: State, force: bool) -> None:
    used = state.usage.inodes or 0
    is_new = backend.limits_inodes and tenant.inodes and tenant.inodes != state.inode_limit
    if is_new and tenant.inodes < used and not force:
        raise QuotaError(f"{used} inodes are in use, more than the new limit of {tenant.inodes}; nothing was changed")


def in_trash(backend: Backend, entry: Entry) -> str:
    """Return why a tenant whose files are in the trash gets no directory."""
    end = "it is being removed for good, and an id is never given twice" if entry.purging else "restore it first"
    return (
        f"{entry.name} with id {entry.id} was deleted at {entry.when.isoformat()}, {backend.root / entry.place}; {end}"
    )


class Promises:
    """The sum of the limits of all directories, compared with the size of the pool."""

    def __init__(self, backend: Backend, survey: Survey, overcommit: float) -> None:
        """Start with the current limits. Without a pool, as before the first run, accept every limit."""
        self.backend = backend
        self.limits = {name: state.limit or 0 for name, state in survey.directories.items()}
        # A deleted tenant still counts with its limit, because it may be restored; without a limit, with its size.
        self.limits |= {place: state.limit or state.usage.bytes for place, state in survey.trash.items()}
        size = backend.pool()
        self.size, self.overcommit = size, overcommit
        self.allowed = None if size is None else int(size * overcommit)

    def add(self, tenant: QuotaTenant) -> None:
        """Add a tenant's limit; raises QuotaError if it grows beyond what the pool allows."""
        limits = {**self.limits, tenant.name: tenant.limit}
        total = sum(limits.values())
        found = self.limits.get(tenant.name, 0)
        grows = tenant.limit > found and not self.backend.grants(found, tenant.limit)
        if grows and self.allowed is not None and total > self.allowed:
            raise QuotaError(
                f"with its {format_size(tenant.limit)}, {format_size(total)} would be promised on a pool of "
                f"{format_size(self.size or 0)}, of which {format_size(self.allowed)} may be promised "
                f"(overcommit {self.overcommit:g}); nothing was changed"
            )
        self.limits = limits

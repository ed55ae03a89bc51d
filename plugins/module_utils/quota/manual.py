"""Limits that an appliance sets; this back end only reads them where the appliance is mounted."""

from __future__ import annotations

import os
from collections.abc import Sequence

from ansible_collections.swissphoto.silo.plugins.module_utils.common.mounts import Mount
from ansible_collections.swissphoto.silo.plugins.module_utils.common.sizes import format_size
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.base import (
    Backend,
    QuotaTenant,
    State,
    Survey,
    Usage,
)
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.directory_tree import remove_tree

TOLERANCE = 0.02
"""Appliances reserve space and round: the size may differ from the quota by this share."""


class Manual(Backend):
    """Sets no limit. Takes the size that a directory's own file system reports as its limit."""

    name = "manual"
    counts_by_id = False

    def check(self) -> None:
        """Accept every file system."""

    @classmethod
    def grants(cls, found: int | None, limit: int) -> bool:
        """Return whether the size found is the expected one, within the tolerance."""
        return found is not None and abs(found - limit) <= limit * TOLERANCE

    def refusal(self, tenant: QuotaTenant, state: State | None) -> str:
        """Return what the operator must do on the appliance; empty if nothing."""
        path, limit = self.root / tenant.name, format_size(tenant.limit)
        if state is None:
            return f"{path} is missing; create it on the appliance, with a quota of {limit}, and run this again"
        if self.grants(state.limit, tenant.limit):
            return ""
        found = format_size(state.limit or 0)
        return f"{path} has room for {found} and not for {limit}; set its quota on the appliance, and run this again"

    def read(self) -> Survey:
        """Return the size and usage of each directory, from C(statvfs)."""
        return self.survey({name: self._state(name) for name in self.names()}, {})

    def apply(self, tenant: QuotaTenant, survey: Survey) -> None:
        """Do nothing: C(refusal) has already named what the operator must do."""

    def obstacle(self, source: str, target: str, mounts: Sequence[Mount]) -> str:
        """Return what the operator must do on the appliance if the directory is a share or mount of its own."""
        path = self.root / source
        is_share = path.stat(follow_symlinks=False).st_dev != self.root.stat().st_dev
        if is_share or any(mount.point == str(path) for mount in mounts):
            step = f"rename it to {self.root / target}" if target else "remove it"
            return f"{path} is a share of its own; {step} on the appliance, and run this again"
        return super().obstacle(source, target, mounts)

    def remove(self, place: str, number: int) -> None:
        """Remove a plain directory file by file."""
        remove_tree(self.root / place)

    def _state(self, name: str) -> State:
        found = os.statvfs(self.root / name)
        used = (found.f_blocks - found.f_bfree) * found.f_frsize
        inodes = found.f_files - found.f_ffree if found.f_files else None
        return State(None, found.f_blocks * found.f_frsize, Usage(used, inodes))

"""A NAS that does not exist yet, for check mode: it is empty and read-only."""

from __future__ import annotations

from typing import ClassVar

from ansible_collections.swissphoto.silo.plugins.module_utils.command import Runner
from ansible_collections.swissphoto.silo.plugins.module_utils.common.mounts import Mount
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.base import (
    Backend,
    QuotaError,
    QuotaTenant,
    Survey,
)


class Fresh(Backend):
    """The root before the first run of the role nas."""

    name: ClassVar[str] = "fresh"

    def __init__(self, root: str, run: Runner) -> None:
        """Represent a root without a mount point."""
        super().__init__(Mount(root, self.name, "", "/", frozenset()), run)

    def pool(self) -> int | None:
        """Return None: it has no size yet."""
        return None

    def check(self) -> None:
        """Accept it."""

    def read(self) -> Survey:
        """Return an empty root."""
        return Survey({}, {})

    def apply(self, tenant: QuotaTenant, survey: Survey) -> None:
        """Refuse: check mode never applies."""
        raise QuotaError(f"nothing is mounted at {self.root}")

    def remove(self, place: str, number: int) -> None:
        """Refuse: there is nothing to remove."""
        raise QuotaError(f"nothing is mounted at {self.root}")

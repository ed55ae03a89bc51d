"""A NAS that is not made yet, for check mode: it has nothing, and nothing is ever written to it."""

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
    """What a root is before role nas has run for the first time."""

    name: ClassVar[str] = "fresh"

    def __init__(self, root: str, run: Runner) -> None:
        """Stand for the root, where not even a mount point is."""
        super().__init__(Mount(root, self.name, "", "/", frozenset()), run)

    def pool(self) -> int | None:
        """Have no size yet."""
        return None

    def check(self) -> None:
        """Have nothing to refuse."""

    def read(self) -> Survey:
        """Find nothing."""
        return Survey({}, {})

    def apply(self, tenant: QuotaTenant, survey: Survey) -> None:
        """Refuse: in check mode nothing is applied."""
        raise QuotaError(f"nothing is mounted at {self.root}")

    def remove(self, place: str, number: int) -> None:
        """Refuse: there is nothing to remove."""
        raise QuotaError(f"nothing is mounted at {self.root}")

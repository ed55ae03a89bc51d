"""No limits at all, for a server whose operator says so: a tenant can fill the whole file system."""

from __future__ import annotations

from typing import ClassVar

from ansible_collections.swissphoto.silo.plugins.module_utils.quota.base import Backend, QuotaTenant, State, Survey
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.directory_tree import remove_tree


class Unlimited(Backend):
    """Plain directories. It counts nothing, so each has a usage of 0."""

    name = "none"
    counts_by_id = False
    limits: ClassVar[bool] = False

    def check(self) -> None:
        """Accept every file system."""

    @classmethod
    def grants(cls, found: int | None, limit: int) -> bool:
        """Return that all is well: nothing was promised."""
        return True

    def read(self) -> Survey:
        """Return the directories."""
        return self.survey({name: State() for name in self.names()}, {})

    def apply(self, tenant: QuotaTenant, survey: Survey) -> None:
        """Create the directory."""
        (self.root / tenant.name).mkdir(mode=0o700, exist_ok=True)

    def remove(self, place: str, number: int) -> None:
        """Remove a directory file by file."""
        remove_tree(self.root / place)

"""The entries of the trash: the path of each names the deleted tenant, its id, and the time of the deletion."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass, replace

from ansible_collections.swissphoto.silo.plugins.module_utils.common.names import TENANT
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.base import TRASH, QuotaError, Survey

PLACE = re.compile(rf"(?P<when>[0-9]{{8}}T[0-9]{{6}}Z)-(?P<name>{TENANT})-(?P<id>[1-9][0-9]{{0,9}})")
STAMP = "%Y%m%dT%H%M%SZ"
PURGING = ".purging"
"""The suffix of an entry that is being removed for good; it is never restored, because a part may be gone."""


@dataclass(frozen=True)
class Entry:
    """A deleted tenant. C(when) is in UTC and in whole seconds."""

    name: str
    id: int
    when: datetime.datetime
    purging: bool = False

    @property
    def place(self) -> str:
        """Path below the root, such as C(.trash/20261123T165705Z-hans-1)."""
        stamp = f"{self.when.year:04d}{self.when.strftime(STAMP[2:])}"
        return f"{TRASH}/{stamp}-{self.name}-{self.id}{PURGING if self.purging else ''}"

    @property
    def mark(self) -> Entry:
        """The same entry while it is removed for good."""
        return replace(self, purging=True)


def parse_when(text: str) -> datetime.datetime:
    """Parse the time of a deletion; raises QuotaError if it is not a time, not in UTC, or finer than a second."""
    try:
        when = datetime.datetime.fromisoformat(text)
    except ValueError:
        when = None
    if when is None or when.utcoffset() != datetime.timedelta(0) or when.microsecond:
        raise QuotaError(f"the time of deletion '{text}' must be UTC in ISO 8601, such as 2026-11-23T16:57:05+00:00")
    return when.replace(tzinfo=datetime.UTC)


def parse_place(place: str) -> Entry | None:
    """Return the entry at a path below the root; None for a directory that silo has not put there."""
    found = PLACE.fullmatch(place.removeprefix(f"{TRASH}/").removesuffix(PURGING))
    if not found or not place.startswith(f"{TRASH}/"):
        return None
    try:
        when = datetime.datetime.strptime(found["when"], STAMP).replace(tzinfo=datetime.UTC)
    except ValueError:
        return None
    return Entry(found["name"], int(found["id"]), when, place.endswith(PURGING))


def entries(survey: Survey) -> list[Entry]:
    """Return the entries of the trash, oldest first."""
    found = (parse_place(place) for place in survey.trash)
    return sorted((entry for entry in found if entry), key=lambda entry: (entry.when, entry.id, entry.purging))

"""The state between two runs: which tenants have missed jobs, and when to try again. Pure, except for its file."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Mapping
from pathlib import Path

from ansible_collections.swissphoto.silo.plugins.module_utils.common import bounded_json, files

# A picture at which the machine learning fails each time must cost a run a day, not one each time.
FIRST_SECONDS, LAST_SECONDS = 60, 24 * 3600
# The delay before a retry if a queue is busy or a photo server does not answer.
AGAIN_SECONDS = 120


@dataclasses.dataclass(frozen=True)
class Backlog:
    """Whether a tenant has missed jobs, how many runs in a row did not clear them, and when the next may start.

    Times are seconds since 1970.
    """

    missed: bool
    runs: int = 0
    next_at: float = 0

    def failed(self) -> Backlog:
        """Return the backlog after another failed request."""
        return dataclasses.replace(self, missed=True)

    def done(self, now: float, *, all_started: bool) -> Backlog:
        """Return the backlog after a run; it remains if a queue could not be started."""
        if not all_started:
            return dataclasses.replace(self, next_at=now + AGAIN_SECONDS)
        wait = min(FIRST_SECONDS * 2**self.runs, LAST_SECONDS)
        return Backlog(missed=False, runs=min(self.runs + 1, 20), next_at=now + wait)


@dataclasses.dataclass(frozen=True)
class Memory:
    """`started`: start time of the last Traefik; `seen`: tenant to the failed requests that it had counted."""

    started: float = 0
    seen: Mapping[str, int] = dataclasses.field(default_factory=dict)
    backlogs: Mapping[str, Backlog] = dataclasses.field(default_factory=dict)

    def look(self, started: float, failed: Mapping[str, int], tenants: Collection[str], now: float) -> Memory:
        """Return the state after a reading of Traefik's counts.

        After a restart of Traefik the counts are incomplete, because requests may have failed while it was away. Then
        every tenant is taken to have missed jobs, as after a boot.
        """
        backlogs = {}
        for name in tenants:
            backlog = self.backlogs.get(name, Backlog(missed=False))
            before = self.seen.get(name, 0)
            count = failed.get(name, 0)
            # The counter of a route that was removed and added again restarts at zero.
            if started != self.started or count > before or 0 < count < before:
                backlog = backlog.failed()
            if backlog.missed or now < backlog.next_at:
                backlogs[name] = backlog
        return Memory(started, dict(failed), backlogs)

    def due(self, now: float) -> list[str]:
        """Return the tenants whose next run is due, the longest wait first."""
        found = [(one.next_at, name) for name, one in self.backlogs.items() if one.missed and one.next_at <= now]
        return [name for _next_at, name in sorted(found)]

    def after(self, name: str, backlog: Backlog) -> Memory:
        """Return the state after a run for a tenant."""
        return dataclasses.replace(self, backlogs={**self.backlogs, name: backlog})

    @classmethod
    def read(cls, path: Path) -> Memory:
        """Read the state; an empty one, after which every tenant gets a run, if it is missing or invalid."""
        try:
            kept = bounded_json.parse(path.read_text(encoding="utf-8"))
            backlogs = {name: Backlog(**backlog) for name, backlog in kept["backlogs"].items()}
            return cls(float(kept["started"]), {name: int(count) for name, count in kept["seen"].items()}, backlogs)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return cls()

    def write(self, path: Path) -> None:
        """Write the state atomically."""
        files.write(path, json.dumps(dataclasses.asdict(self)), 0o600, scratch=path.with_name(f".{path.name}.tmp"))

"""What is known from one look to the next: who has lost something, and when to try again. Pure but for its file."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Mapping
from pathlib import Path

from ansible_collections.swissphoto.silo.plugins.module_utils.common import files

# A picture at which the machine learning fails each time shall cost a run a day, not one at each look.
FIRST_SECONDS, LAST_SECONDS = 60, 24 * 3600
# A queue that is at work, or a photo server that starts, is asked again after this.
AGAIN_SECONDS = 120


@dataclasses.dataclass(frozen=True)
class Debt:
    """Of one tenant: whether something was lost, and after how many runs that did not end it when the next may be.

    Times are seconds since 1970.
    """

    owed: bool
    runs: int = 0
    next_at: float = 0

    def lost(self) -> Debt:
        """Return the same where one more request has failed."""
        return dataclasses.replace(self, owed=True)

    def done(self, now: float, *, all_started: bool) -> Debt:
        """Return the same after a run; where not all of it could be started, it is still owed."""
        if not all_started:
            return dataclasses.replace(self, next_at=now + AGAIN_SECONDS)
        wait = min(FIRST_SECONDS * 2**self.runs, LAST_SECONDS)
        return Debt(owed=False, runs=min(self.runs + 1, 20), next_at=now + wait)


@dataclasses.dataclass(frozen=True)
class Memory:
    """`started`: when the Traefik began whose numbers were seen last; `seen`: tenant to what had failed by then."""

    started: float = 0
    seen: Mapping[str, int] = dataclasses.field(default_factory=dict)
    debts: Mapping[str, Debt] = dataclasses.field(default_factory=dict)

    def look(self, started: float, failed: Mapping[str, int], tenants: Collection[str], now: float) -> Memory:
        """Return what is known after Traefik's numbers were seen.

        With another Traefik than before, its numbers are not all: what failed while it was away nobody has counted. So
        each tenant is taken to have lost something, as after a boot.
        """
        debts = {}
        for name in tenants:
            debt = self.debts.get(name, Debt(owed=False))
            before = self.seen.get(name, 0)
            count = failed.get(name, 0)
            # A route that went and came back counts from nothing again.
            if started != self.started or count > before or 0 < count < before:
                debt = debt.lost()
            if debt.owed or now < debt.next_at:
                debts[name] = debt
        return Memory(started, dict(failed), debts)

    def due(self, now: float) -> list[str]:
        """Return who is to be told now, who waits for longest first."""
        found = [(debt.next_at, name) for name, debt in self.debts.items() if debt.owed and debt.next_at <= now]
        return [name for _next_at, name in sorted(found)]

    def after(self, name: str, debt: Debt) -> Memory:
        """Return what is known after a tenant was told."""
        return dataclasses.replace(self, debts={**self.debts, name: debt})

    @classmethod
    def read(cls, path: Path) -> Memory:
        """Return what was written; nothing where it is not there or cannot be read, by which all are owed a run."""
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            debts = {name: Debt(**debt) for name, debt in kept["debts"].items()}
            return cls(float(kept["started"]), {name: int(count) for name, count in kept["seen"].items()}, debts)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return cls()

    def write(self, path: Path) -> None:
        """Keep it, whole or not at all."""
        files.write(path, json.dumps(dataclasses.asdict(self)), 0o600, scratch=path.with_name(f".{path.name}.tmp"))

# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Burst: memory that nobody was promised, lent to photo servers for a moment. Pure; all sizes in bytes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

from ..common.sizes import SizeError, parse_size

MIB = 1024**2
# What Compose's variables are called, after the name of a service.
DIGEST, MEMORY, BURST, IMAGE = "_DIGEST", "_MEMORY", "_BURST", "_IMAGE"


@dataclasses.dataclass(frozen=True)
class ServerMemory:
    """The memory of a server by its policy. `set_aside` is for the system and the shared services.

    `template` is what the making of a template takes, for as long as that takes.
    """

    total: int
    set_aside: int
    template: int

    def pool(self, promised: int, template: bool) -> int:
        """Return what is left to lend beside what tenants are `promised`; negative where that exceeds the server."""
        return self.total - self.set_aside - promised - (self.template if template else 0)


@dataclasses.dataclass(frozen=True)
class Promise:
    """What the policy gives a container: `memory` for good, and up to `burst` more while there is some.

    `burst` is None for a container that never borrows.
    """

    memory: int
    burst: int | None = None


@dataclasses.dataclass(frozen=True)
class Claim:
    """A container that may borrow up to `most`. `firm` of what it has is in use, and stays with it; `wants` more."""

    key: str
    most: int
    firm: int = 0
    wants: bool = False


def parse(values: Mapping[str, object], existing: int) -> ServerMemory:
    """Return the memory of a server from its policy, and no more than the `existing` memory; raises SizeError."""
    sizes = {}
    for key in ("total", "reserve", "machine_learning", "traefik", "template"):
        try:
            sizes[key] = parse_size(str(values[key]))
        except KeyError as error:
            raise SizeError(f"{key} is missing; it must be a size such as 512M or 128G") from error
    set_aside = sizes["reserve"] + sizes["machine_learning"] + sizes["traefik"]
    return ServerMemory(min(sizes["total"], existing), set_aside, sizes["template"])


def variables(record: str) -> dict[str, str]:
    """Return the variables of Compose from the text of a tenant's .env."""
    lines = record.splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def promises(values: Mapping[str, str]) -> dict[str, Promise]:
    """Return service to what it is promised, from a tenant's variables; one that is no size counts as nothing."""

    prefixes = [key.removesuffix(DIGEST) for key in values if key.endswith(DIGEST)]
    return {
        prefix.lower(): Promise(
            _bytes(values.get(prefix + MEMORY, "")),
            _bytes(values[prefix + BURST]) if prefix + BURST in values else None,
        )
        for prefix in prefixes
    }


def _bytes(text: str) -> int:
    return int(text) if text.isdecimal() else 0


def allot(pool: int, claims: Iterable[Claim]) -> dict[str, int]:
    """Return key to what it may have beyond its promise, at most `pool` together where what is in use is not more.

    What is in use stays. The rest goes to those who want some, the smallest wish first: who gets less than it wants
    gets as much more as any other. The order of `claims` does not matter.
    """
    known = sorted(claims, key=lambda claim: (_wish(claim), claim.key))
    room = max(0, pool - sum(claim.firm for claim in known))
    wanting = [claim for claim in known if _wish(claim)]
    allotted = {claim.key: claim.firm for claim in known}
    for index, claim in enumerate(wanting):
        share = min(_wish(claim), room // (len(wanting) - index) // MIB * MIB)
        allotted[claim.key] += share
        room -= share
    return allotted


def _wish(claim: Claim) -> int:
    return max(0, claim.most - claim.firm) if claim.wants else 0


def grant(pool: int, held: Mapping[str, int], allotted: Mapping[str, int]) -> dict[str, int]:
    """Return key to what it gets now, while others may still hold more than they are allotted.

    Nobody gets less than it holds, and together they never get more than `pool`, unless they hold more already.
    """
    room = max(0, pool - sum(held.values()))
    given = {}
    for key in sorted(held):
        more = min(max(0, allotted.get(key, 0) - held[key]), room)
        given[key] = held[key] + more
        room -= more
    return given

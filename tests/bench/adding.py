"""Lines 1 and 5: customers from nothing, against bare Compose with the very same stacks and fresh data."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial

from .line import Line, fastest, interleaved
from .place import FRESH, Place

NUMBERS = ("1", "5")
FLEET = 15
# All stacks that are named, so many at a time.
LOOP = """
workers=$1; shift
printf '%s\\n' "$@" | xargs -P "$workers" -I{} sh -c 'cd /srv/silo/tenants/{}; docker compose up --detach --wait'
"""


def one(place: Place, rounds: int) -> Iterator[Line]:
    """Line 1: one tenant, by `silo create`, and by an apply alone."""
    inventory = place.inventory("adding", {})
    place.bury(inventory)
    whole: list[float] = []
    alone: list[float] = []
    floor: list[float] = []
    for number in range(rounds):
        name = f"add{number}"
        whole.append(place.silo(inventory, "create", name, "1", f"{name}@example.ch").seconds)
        floor.append(place.fresh_start(name))
        # Deleted, not only removed: no index is given twice.
        place.silo(inventory, "delete", name, "--confirm", name)
        name = f"alone{number}"
        place.inventory("adding", {name: {"tenant_index": 500 + number}})
        alone.append(place.ansible(inventory, "apply.yml", "--limit", name).seconds)
        place.clean(inventory, name)
    bare = "bare `docker compose up -d --wait` of the same stack, fresh data"
    told = "`silo create`: ground checked, healthy, admin made, set-up closed, routed, certificate, link"
    yield Line("1", told, bare, tuple(whole), tuple(floor), 1.3)
    yield Line("1b", "the same by `apply.yml --limit`, without check and link", bare, tuple(alone), tuple(floor), None)


def fleet(place: Place, rounds: int) -> Iterator[Line]:
    """Line 5: fifteen tenants at once; each of them also gets an admin, closed set-up, a route and a certificate."""
    names = [f"fleet{number}" for number in range(FLEET)]
    tenants = {name: {"tenant_index": 520 + number} for number, name in enumerate(names)}
    cores = os.cpu_count() or 1

    def ours() -> float:
        place.clean(place.inventory("fleet", {}), *names)
        return place.ansible(place.inventory("fleet", tenants), "apply.yml").seconds

    def loop(workers: int) -> float:
        for name in names:
            place.shell(FRESH, name)
        return place.timed(LOOP, str(workers), *names)

    ways = [cores, 2 * cores]
    try:
        found = interleaved(rounds, ours, *(partial(loop, workers) for workers in ways))
    finally:
        place.clean(place.inventory("fleet", {}), *names)
    workers, theirs = fastest({f"{way} at a time": seconds for way, seconds in zip(ways, found[1:], strict=True)})
    told = f"{FLEET} tenants from nothing, to routed with certificates"
    yield Line("5", told, f"bare Compose in a loop, {workers}", found[0], theirs, 1.15)


def lines(place: Place, rounds: int, wanted: frozenset[str]) -> Iterator[Line]:
    """What of this file is wanted."""
    if "1" in wanted:
        yield from one(place, rounds)
    if "5" in wanted:
        yield from fleet(place, min(rounds, 2))

"""Lines 1 and 5: customers from nothing, against stacks that a person wrote, with fresh data."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial

from .by_hand import TOLD, ByHand
from .line import Line, fastest, interleaved
from .place import Place

NUMBERS = ("1", "5")
FLEET = 15


def one(place: Place, rounds: int) -> Iterator[Line]:
    """Line 1: one tenant, by `silo create`, and by an apply alone; of both the places are there in the end."""
    inventory, by_hand = place.inventory("adding", {}), ByHand(place)
    place.bury(inventory)
    whole: list[float] = []
    alone: list[float] = []
    ping: list[float] = []
    places: list[float] = []
    for number in range(rounds):
        name = f"add{number}"
        whole.append(place.silo(inventory, "create", name, "1", f"{name}@example.ch").seconds)
        # Deleted, not only removed: no index is given twice.
        place.silo(inventory, "delete", name, "--confirm", name)
        name = f"alone{number}"
        place.inventory("adding", {name: {"tenant_index": 500 + number}})
        alone.append(place.ansible(inventory, "apply.yml", "--limit", name).seconds)
        place.clean(inventory, name)
        by_hand.make("hand")
        ping.append(by_hand.up("hand"))
        places.append(ping[-1] + by_hand.places("hand"))
        by_hand.remove("hand")
    created, applied = (
        "`silo create`: checked, born, routed, certificate, link, verified",
        "the same by `apply.yml --limit`",
    )
    yield Line("1", created, f"{TOLD}, until ping", tuple(whole), tuple(ping), 1.25)
    yield Line("1b", f"{applied}, without check and link", f"{TOLD}, until ping", tuple(alone), tuple(ping), 1.0)
    yield Line("1c", created, f"{TOLD}, until the places are there", tuple(whole), tuple(places), 0.4)
    yield Line("1d", applied, f"{TOLD}, until the places are there", tuple(alone), tuple(places), 0.4)


def fleet(place: Place, rounds: int) -> Iterator[Line]:
    """Line 5: fifteen tenants at once; theirs are ready when the last one answers a ping, their places come later."""
    names = [f"fleet{number}" for number in range(FLEET)]
    tenants = {name: {"tenant_index": 520 + number} for number, name in enumerate(names)}
    by_hand, cores = ByHand(place), os.cpu_count() or 1

    def ours() -> float:
        place.clean(place.inventory("fleet", {}), *names)
        took = place.ansible(place.inventory("fleet", tenants), "apply.yml").seconds
        place.clean(place.inventory("fleet", {}), *names)
        return took

    def loop(workers: int) -> float:
        by_hand.make(*names)
        took = by_hand.all_up(workers, names)
        by_hand.remove(*names)
        return took

    ways = [cores, 2 * cores]
    try:
        found = interleaved(rounds, ours, *(partial(loop, workers) for workers in ways))
    finally:
        place.clean(place.inventory("fleet", {}), *names)
        by_hand.remove(*names)
    workers, theirs = fastest({f"{way} at a time": seconds for way, seconds in zip(ways, found[1:], strict=True)})
    told = f"{FLEET} tenants from nothing, to routed with certificates"
    yield Line("5", told, f"{TOLD}, in a loop, {workers}, until ping", found[0], theirs, 0.8)


def lines(place: Place, rounds: int, wanted: frozenset[str]) -> Iterator[Line]:
    """What of this file is wanted."""
    if "1" in wanted:
        yield from one(place, rounds)
    if "5" in wanted:
        yield from fleet(place, min(rounds, 2))

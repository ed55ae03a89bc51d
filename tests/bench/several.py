"""Line 19: two servers, which work side by side."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import yaml

from .line import Line, interleaved
from .place import ROOT, Place, add_server, lab_name

NUMBERS = ("19",)
FIRST, SECOND = "silo1", "silo2"
NORTH, SOUTH = "north", "south"


def _joined(place: Place) -> Path:
    """Return an inventory in which a second server, its own NAS, has joined, with a tenant on each."""
    add_server()
    known = json.loads((ROOT / ".lab" / lab_name() / "lab.json").read_text())
    tenants = {NORTH: {"tenant_index": 610}, SOUTH: {"tenant_index": 611}}
    where = {NORTH: FIRST, SOUTH: SECOND}
    settings = {
        name: {**values, "tenant_server": where[name], "tenant_nas": where[name]} for name, values in tenants.items()
    }
    inventory = dataclasses.replace(place, lab=known).inventory("several", settings)
    both = {"hosts": dict.fromkeys((FIRST, SECOND))}
    (inventory / "hosts.yml").write_text(yaml.safe_dump({"servers": both, "nas": both}))
    connection = (inventory / "host_vars" / FIRST / "connection.yml").read_text()
    (inventory / "host_vars" / SECOND).mkdir(exist_ok=True)
    (inventory / "host_vars" / SECOND / "connection.yml").write_text(
        connection.replace("lab.address", "lab.second_address")
    )
    place.ansible(inventory, "site.yml", "--limit", f"{SECOND},tenants")
    return inventory


def lines(place: Place, rounds: int, wanted: frozenset[str]) -> Iterator[Line]:
    """What of this file is wanted."""
    if "19" not in wanted:
        return
    inventory = _joined(place)

    def applied(*names: str) -> float:
        return place.ansible(inventory, "apply.yml", "--limit", ",".join(names)).seconds

    def read(*names: str) -> float:
        # What a machine is asked for, without the tests from the controller, which are as many as the tenants.
        return place.ansible(inventory, "read.yml", "--tags", "stats", "--limit", ",".join(names)).seconds

    both, one = interleaved(rounds, partial(applied, NORTH, SOUTH), partial(applied, NORTH))
    yield Line("19", "an apply with nothing to do, two servers", "the same with one of them", both, one, 1.2)
    both, one = interleaved(rounds, partial(read, FIRST, SECOND, NORTH, SOUTH), partial(read, FIRST, NORTH))
    yield Line("19b", "the usage read, two servers", "the same with one of them", both, one, 1.2)
    place.clean(inventory, NORTH, SOUTH)

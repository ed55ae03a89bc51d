"""Lines 9, 10 and 14: what it costs to know what tenants use, and what is ours on a server."""

from __future__ import annotations

import json
from collections.abc import Iterator

from .line import Line
from .place import Place
from .usage import IN_TURN, measure

NUMBERS = ("9", "10", "14")
CONTAINERS = {"9": 45, "9b": 150}
FILES = 1_000_000
# Small files in the uploads of a tenant of its own; what they hold does not matter to either.
FILL = """
import os, sys
root, count = sys.argv[1], int(sys.argv[2])
for folder in range(count // 2000):
    path = f"{root}/{folder}"
    os.makedirs(path, exist_ok=True)
    for number in range(2000):
        with open(f"{path}/{number}", "wb") as file:
            file.write(b"x" * 100)
os.sync()
"""
# As the storage's modules read it, in one process that is there already; the first look is not counted, as du's is not.
REPORT = f"""{IN_TURN}
from silo_accounting.collector import _run
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.detect import open_backend

look = lambda: open_backend("/instances", ".silo-nas", "auto", _run).read()
for _ in range(int(sys.argv[2]) + 1):
    ours.append(seconds(look))
    theirs.append(seconds(lambda: subprocess.run(["du", "-s", sys.argv[1]], stdout=subprocess.DEVNULL, check=True)))
print(json.dumps([ours[1:], theirs[1:]]))
"""
# The proportional set, so that what processes share is counted once. Timers are not there most of the time.
RESIDENT = r"""
import json, os, pathlib, sys
found = {}
for group in pathlib.Path("/proc").glob("[0-9]*/cgroup"):
    if group.parent.name == str(os.getpid()):
        continue
    try:
        text = group.read_text() + (group.parent / "cmdline").read_text().replace("\0", " ")
        rollup = (group.parent / "smaps_rollup").read_text()
    except OSError:
        continue
    size = sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    name = next((name for name in sys.argv[1:] if name in text), None)
    if name:
        found[name] = found.get(name, 0) + size
print(json.dumps(found))
"""
OURS = ("silo-access", "silo-accounting", "silo-catch-up", "silo-recovery", "silo-alerts")
MONITORING = ("prometheus", "node-exporter")
PAGES = "docker inspect --format '{{.Id}}' silo-pages-pages-1"


def usage(place: Place, rounds: int) -> Iterator[Line]:
    """Line 9: all containers at one look."""
    for number, count in CONTAINERS.items():
        ours, theirs = measure(place.shell, place.python, count, rounds)
        told = f"what {count} containers use, in one look"
        yield Line(number, told, "`docker stats --no-stream`", ours, theirs, 1 / 25, note="containers that sleep")


def quota(place: Place, rounds: int) -> Iterator[Line]:
    """Line 10: how much a tenant has stored, of a million files."""
    inventory = place.inventory("counting", {"count": {"tenant_index": 570, "tenant_quota": "50G"}})
    place.ansible(inventory, "apply.yml", "--tags", "always,storage")
    place.python(FILL, "/instances/count/uploads", str(FILES))
    ours, theirs = json.loads(place.python(REPORT, "/instances/count", str(rounds)))
    told = f"what all tenants have stored, one of them {FILES:,} files"
    yield Line("10", told, "`du -s` of that one, warm", tuple(ours), tuple(theirs), 1 / 200)
    place.clean(inventory, "count")


def resident(place: Place, rounds: int) -> Iterator[Line]:
    """Line 14: what is resident of ours."""
    pages = place.shell(PAGES).strip()
    looks = [json.loads(place.python(RESIDENT, *OURS, *MONITORING, pages)) for _round in range(rounds)]
    ours = tuple(sum(look.get(name, 0) for name in (*OURS, pages)) / 1024 for look in looks)
    every = tuple(sum(look.values()) / 1024 for look in looks)
    told = "resident memory of what is ours on the server"
    yield Line("14", told, "", ours, (), 100, "MB", "without Traefik, machine learning, tenants")
    yield Line("14b", "the same with Debian's Prometheus and node-exporter", "", every, (), None, "MB")


def lines(place: Place, rounds: int, wanted: frozenset[str]) -> Iterator[Line]:
    """What of this file is wanted."""
    for number, work in (("14", resident), ("9", usage), ("10", quota)):
        if number in wanted:
            yield from work(place, rounds)

"""Lines 7, 8 and 15: tenants that are there are stopped, started, made of other images, and probed."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator
from functools import partial

from .by_hand import ByHand
from .line import Line, fastest, interleaved
from .place import ROOT, Place

NUMBERS = ("7", "8", "15")
FLEET = 15
TENANTS = 100
PROBE_SECONDS = 30
RECREATE = """
workers=$1 image=$2; shift 2
for name in "$@"; do sed -i "s|^CACHE_IMAGE=.*|CACHE_IMAGE=$image|" /srv/silo/tenants/$name/.env; done
printf '%s\\n' "$@" | xargs -P "$workers" -I{} sh -c 'cd /srv/silo/tenants/{}; docker compose up --detach --wait'
"""
# The server's own control group: what others on this machine do is not in it.
USED = """
for file in /sys/fs/cgroup/*cpuacct*/cpuacct.usage; do
  if [ -f "$file" ]; then exec cat "$file"; fi
done
awk '/^usage_usec/ {printf "%.0f", $2 * 1000}' /sys/fs/cgroup/cpu.stat
"""
PROBES = """
cd /srv/silo/tenants/$1
cat >/run/bench.yaml <<END
services:
  server: {healthcheck: {interval: $2}}
  database: {healthcheck: {interval: $2}}
  cache: {healthcheck: {interval: $2}}
END
docker compose -f compose.yaml -f /run/bench.yaml up --detach --wait >/dev/null 2>&1
sleep 10
"""


def rest(place: Place, rounds: int) -> Iterator[Line]:
    """Line 7: one tenant stopped and started."""
    inventory = place.inventory("resting", {"rest": {"tenant_index": 540}})
    place.ansible(inventory, "apply.yml")

    def ours(*more: str) -> float:
        stopped = place.silo(inventory, "stop", "rest", "--yes", *more).seconds
        return stopped + place.silo(inventory, "start", "rest", *more).seconds

    by_hand = ByHand(place)
    by_hand.make("rest")
    by_hand.up("rest")
    # Its next start is not its first: nothing is imported meanwhile.
    by_hand.places("rest")
    mine, alone, theirs = interleaved(rounds, ours, partial(ours, "--no-verify"), partial(by_hand.rest, "rest"))
    told, against = (
        "`silo stop` + `silo start`: page, record, works, routed",
        "bare `docker compose stop` + `up -d --wait`",
    )
    yield Line("7", f"{told}, verified", against, mine, theirs, 1.4)
    yield Line("7b", f"{told}, with --no-verify", against, alone, theirs, None)
    by_hand.remove("rest")
    place.clean(inventory, "rest")


def images(place: Place, rounds: int) -> Iterator[Line]:
    """Line 8: all tenants get another image of Valkey, and so another container."""
    names = [f"image{number}" for number in range(FLEET)]
    tenants = {name: {"tenant_index": 550 + number} for number, name in enumerate(names)}
    reference: str = place.lab["images"]["valkey"]
    place.ansible(place.inventory("images", tenants), "apply.yml")
    place.shell('docker tag "$1" valkey:bench1; docker tag "$1" valkey:bench2', reference)
    other = itertools.cycle(["valkey:bench1", "valkey:bench2"])
    cores = os.cpu_count() or 1

    def ours() -> float:
        every = {**place.lab["images"], "valkey": next(other)}
        return place.ansible(place.inventory("images", tenants, silo_images=every), "apply.yml").seconds

    def loop(workers: int) -> float:
        return place.timed(RECREATE, str(workers), next(other), *names)

    ways = [cores, 2 * cores]
    found = interleaved(rounds, ours, *(partial(loop, workers) for workers in ways))
    workers, theirs = fastest({f"{way} at a time": seconds for way, seconds in zip(ways, found[1:], strict=True)})
    told = f"another image for {FLEET} tenants"
    yield Line("8", told, f"bare Compose recreating in a loop, {workers}", found[0], theirs, 1.2)
    place.clean(place.inventory("images", {}), *names)


def interval() -> float:
    """How many seconds lie between two probes of a container by the project's own Compose file."""
    text = (ROOT / "roles" / "tenant" / "files" / "compose.yaml").read_text()
    found = re.findall(r"^  interval: (\d+)s$", text, re.MULTILINE)
    return float(found[0])


def health(place: Place, rounds: int) -> Iterator[Line]:
    """Line 15: what a probe of each container takes, and so those of a hundred tenants."""
    inventory = place.inventory("health", {"well": {"tenant_index": 541}})
    place.ansible(inventory, "apply.yml")

    def used(every: str) -> float:
        place.shell(PROBES, "well", every)
        before = int(place.shell(USED))
        place.shell(f"sleep {PROBE_SECONDS}")
        return (int(place.shell(USED)) - before) / 1e9

    often, never = interleaved(rounds, lambda: used("1s"), lambda: used("1h"))
    probes = 3 * PROBE_SECONDS
    shares = [100 * TENANTS * 3 * (one - other) / probes / interval() for one, other in zip(often, never, strict=True)]
    told = f"CPU of all health checks, {TENANTS} tenants, of one core"
    note = f"real probes of one tenant each second, calculated for {interval():.0f} s"
    yield Line("15", told, "", tuple(shares), (), 10, "%", note)
    place.clean(inventory, "well")


def lines(place: Place, rounds: int, wanted: frozenset[str]) -> Iterator[Line]:
    """What of this file is wanted."""
    if "7" in wanted:
        yield from rest(place, rounds)
    if "8" in wanted:
        yield from images(place, min(rounds, 2))
    if "15" in wanted:
        yield from health(place, min(rounds, 3))

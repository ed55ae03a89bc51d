"""Lines 2, 3, 4, 6 and 13, and what grows: an apply of hundreds of tenants, most of which need nothing."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import yaml

from .line import Line, interleaved
from .place import POLICY
from .stubs import FIRST_INDEX, NOTE, Stubs, names

NUMBERS = ("2", "3", "4", "6", "13")
LOOP = 'for name in "$@"; do cd /srv/silo/tenants/$name; docker compose up --detach; done'
PLAIN = Path(__file__).parent / "plain"
AIMS = {15: 1 / 25, 50: 1 / 80}


def _idle(stubs: Stubs, inventory: Path) -> float:
    return stubs.look_idle(inventory).seconds


def idle(stubs: Stubs, rounds: int, wanted: frozenset[str]) -> Iterator[Line]:
    """Lines 2 and 3: a hundred tenants, with nothing to do."""
    place, hundred, single = stubs.place, stubs.grow(100), stubs.subset(1)
    told = "an apply with nothing to do, 100 tenants"
    if "2" in wanted:

        def loop() -> float:
            return place.timed(LOOP, *names(100))

        # A loop takes a minute.
        many, loops = interleaved(min(rounds, 3), partial(_idle, stubs, hundred), loop)
        yield Line("2", told, "a loop of bare `docker compose up -d`", many, loops, 1 / 5, note=NOTE)
    if "3" in wanted:
        many, one = interleaved(rounds, partial(_idle, stubs, hundred), partial(_idle, stubs, single))
        yield Line("3", told, "the same with 1 tenant", many, one, 1.4, note=NOTE)


def _plain(stubs: Stubs, count: int) -> float:
    """Seconds of a plain role for so many of the stubs, with the very files that they have."""
    place, folder = stubs.place, stubs.place.work / "plain"
    folder.mkdir(exist_ok=True)
    lab = place.lab
    hosts = {}
    for number, name in enumerate(names(count)):
        files = folder / name
        files.mkdir(exist_ok=True)
        for file in (".env", "compose.yaml"):
            (files / file).write_text(place.shell('cat "/srv/silo/tenants/$1/$2"', name, file))
        route = place.shell('cat "/srv/silo/traefik/routes/tenant-$1.yml"', name)
        (files / "route.yml").write_text(route)
        hosts[name] = {"plain_files": str(files), "plain_uid": 200000 + FIRST_INDEX + number}
    variables = {
        "ansible_host": lab["address"],
        "ansible_user": "root",
        "ansible_ssh_private_key_file": lab["ssh_key"],
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={lab['known_hosts']} -o StrictHostKeyChecking=yes",
    }
    (folder / "hosts.yml").write_text(yaml.safe_dump({"plain": {"hosts": hosts, "vars": variables}}))
    playbook = str(PLAIN / "playbook.yml")
    return place.ansible(folder / "hosts.yml", playbook, "--forks", "5").seconds


def plain(stubs: Stubs) -> Iterator[Line]:
    """Line 4: against a role as one would write it, a host and eleven tasks for each tenant."""
    for count, aim in AIMS.items():
        stubs.grow(count)
        inventory = stubs.subset(count)
        rounds = 1 if count > 15 else 2
        mine, theirs = interleaved(rounds, partial(_idle, stubs, inventory), partial(_plain, stubs, count))
        told = f"an apply with nothing to do, {count} tenants"
        yield Line("4", told, "a plain role per tenant, 11 tasks, forks 5", mine, theirs, aim, note=NOTE)


def change(stubs: Stubs, rounds: int) -> Iterator[Line]:
    """Line 6: the same change of the same tenant, in an inventory of a hundred and in one of its own."""
    hundred, single = stubs.grow(100), stubs.subset(1)
    sizes = itertools.cycle(["500M", "512M"])
    changed = {"tenant_index": FIRST_INDEX}

    def work(folder: Path) -> float:
        tenants = {"stub1": {**changed, "tenant_cache_memory": next(sizes)}}
        policy = yaml.safe_load((folder / POLICY).read_text())
        stubs.place.inventory(folder.name, tenants, **policy)
        return stubs.apply(folder, "--limit", "stub1").seconds

    many, one = interleaved(rounds, lambda: work(hundred), lambda: work(single))
    told = "one tenant's memory limit changed, among 100"
    yield Line("6", told, "the same among 1", many, one, 1.25, note=NOTE)
    # Whoever writes the inventory next writes the limit that all have.
    stubs.apply(stubs.inventory(hundred.name, stubs.count), "--limit", "stub1")


def memory(stubs: Stubs, rounds: int) -> Iterator[Line]:
    """Line 13: the largest process of an apply on the controller."""
    all_of_them, single = stubs.grow(200), stubs.subset(1)

    def peak(inventory: Path) -> float:
        return stubs.look_idle(inventory).peak_kib / 1024

    many, one = interleaved(min(rounds, 3), lambda: peak(all_of_them), lambda: peak(single))
    told = "controller's largest process, 200 tenants"
    yield Line("13", told, "the same with 1 tenant", many, one, 1.2, "MiB", NOTE)


SCALE = r"""
cd /srv/silo
resident() { ps -C "$1" -o rss= | sort -n | awk '{last = $1} END {printf "%.0f", last / 1024}'; }
count() { printf '"%s": %s, ' "$1" "$2"; }
printf '{'
count "interfaces on the server" "$(ip -o link | wc -l)"
count "neighbour entries" "$(ip neigh | wc -l)"
count "routes of Traefik, files" "$(ls traefik/routes | wc -l)"
count "nftables rules" "$(nft list ruleset 2>/dev/null | wc -l)"
count "iptables rules" "$(iptables-save | grep -c '^-A')"
count "files and folders below /srv/silo/tenants" "$(find tenants | wc -l)"
count "memory in use, MiB" "$(free -m | awk '/^Mem/ {print $3}')"
count "dockerd resident, MiB" "$(resident dockerd)"
count "containerd resident, MiB" "$(resident containerd)"
count "Traefik resident, MiB" "$(resident traefik)"
start=$(date +%s%N); docker ps --all >/dev/null; end=$(date +%s%N)
printf '"docker ps, ms": %s}' "$(((end - start) / 1000000))"
"""
RESTART = """
wanted=$(docker ps --quiet | wc -l)
systemctl restart docker
until [ "$(docker ps --quiet 2>/dev/null | wc -l)" -ge "$wanted" ]; do sleep 0.2; done
"""
HEALTHY = "while docker ps | grep -q 'health: starting'; do sleep 0.5; done"


def scale(stubs: Stubs, count: int) -> dict[str, float]:
    """What has grown with so many stubs; certificates are those that come due in a week, of 90 days renewed at 60."""
    inventory = stubs.grow(count)
    found = {"tenants": float(count), **json.loads(stubs.place.shell(SCALE))}
    found["plan, s"] = round(stubs.apply(inventory, playbook="plan.yml").seconds, 2)
    found["certificates renewed a week"] = round(count * 7 / 60, 1)
    found["Docker's restart, s"] = round(stubs.place.timed(RESTART), 1)
    stubs.place.shell(HEALTHY)
    return found

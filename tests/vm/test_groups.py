"""Control groups of version 2: all containers of a tenant in one slice, bounded and counted as one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

import pytest

from silo.tenant.render import slice_unit
from tests.lab.vm.guest import Guest

from .storage import LOADS, Storage

MIB = 2**20
SLICE = "/sys/fs/cgroup/silo.slice/silo-hans.slice"
EXPOSITION = "/var/lib/prometheus/node-exporter/silo.prom"
RUN = (
    "docker run -d --name silo-hans-{service}-1 --network none --memory {memory} --memory-swap {memory}"
    " --cgroup-parent silo-hans.slice --label ch.swissphoto.silo.tenant=hans"
    " --label ch.swissphoto.silo.service={service} {image} {command}"
)
# No Traefik runs on this machine, which the collector tells as a problem, and counts the rest.
VARIABLES = {"accounting_tenants_directory": "/srv/silo/tenants", "accounting_metrics_port": 1}
# Nor has it a disk for tenants.
VARIABLES |= {"accounting_disk_root": ""}
Look = Callable[[], dict[str, float]]


@pytest.fixture(scope="module")
def counted(storage: Storage, loads: Guest) -> Guest:
    """The server, with Docker, a slice of 120 MiB, and the collector."""
    server = loads
    server.ssh(f"cat >/etc/systemd/system/silo-hans.slice <<'END'\n{slice_unit('hans', 120 * MIB)}END\n")
    server.ssh("systemctl daemon-reload; mkdir -p /srv/silo/tenants/hans")
    role = ("-m", "include_role", "-a", "name=swissphoto.silo.accounting", "-e", json.dumps(VARIABLES))
    storage.run("ansible", "server", *role)
    server.ssh("systemctl stop silo-accounting.timer")
    return server


@pytest.fixture
def start(counted: Guest) -> Iterator[Callable[..., str]]:
    """Starts a container of hans; all of them are gone afterwards."""

    def of(service: str, command: str, memory: str = "100m") -> str:
        return counted.ssh(RUN.format(image=LOADS, service=service, memory=memory, command=command))

    yield of
    counted.ssh("docker ps -aq | xargs -r docker rm -f >/dev/null; systemctl stop silo-hans.slice")


@pytest.fixture
def look(counted: Guest) -> Look:
    """Has the collector look; returns what it told Prometheus of hans, without the prefix."""

    def now() -> dict[str, float]:
        text = counted.ssh(f"systemctl start silo-accounting.service; cat {EXPOSITION}")
        return {
            name: float(value) for name, value in re.findall(r'^silo_tenant_(\w+)\{tenant="hans"\} (\S+)$', text, re.M)
        }

    return now


def test_known_loads_make_known_numbers_and_outlive_their_container(
    counted: Guest, start: Callable[..., str], look: Look
) -> None:
    start("cache", "sleep 600")
    before = look()
    start(
        "server", "sh -c 'timeout 3 dd if=/dev/zero of=/dev/null; dd if=/dev/zero of=/load bs=1M count=50 conv=fsync'"
    )
    counted.ssh("docker wait silo-hans-server-1; docker rm silo-hans-server-1")
    # The container that made them is gone, and was never looked at.
    after = look()
    grown = {name: after[name] - before[name] for name in before}
    assert 2 <= grown["cpu_seconds_total"] < 30
    assert 50 * MIB <= grown["disk_written_bytes_total"] < 60 * MIB
    usage = int(re.search(r"usage_usec (\d+)", counted.ssh(f"cat {SLICE}/cpu.stat"))[1])
    assert after["memory_bytes"] < 50 * MIB
    assert usage / 10**6 >= grown["cpu_seconds_total"]


def test_the_sum_is_bounded_where_each_alone_is_within_its_limit(
    counted: Guest, start: Callable[..., str], look: Look
) -> None:
    before = look()
    # Each keeps 80 of its 100 MiB; the slice has 120 for both.
    for service in ("server", "database"):
        start(service, "sh -c 'cat /dev/zero | tail -c 83886080'")
    counted.ssh("timeout 60 sh -c 'until docker ps -aq --filter status=exited | grep -q .; do sleep 1; done'")
    after = look()
    assert int(counted.ssh(f"cat {SLICE}/memory.max")) == 120 * MIB
    assert after["oom_kills_total"] - before.get("oom_kills_total", 0) >= 1
    assert after["memory_limit_events_total"] > before.get("memory_limit_events_total", 0)

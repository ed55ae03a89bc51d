"""The ledger of a server that works: known loads make known numbers, and nothing that ends takes any of them away."""

import contextlib
import datetime
import json
import random
import subprocess
import time

import pytest

from silo.reports import report, usage

from ..cloud import picture
from ..waiting import wait_for

MIB = 1024**2
SERVER = "silo-hans-server-1"
# CPU of the process itself, so that a machine that is busy with other things gives it more time and not less work.
LOAD = """
import sys, time
memory = b"x" * (300 * 2**20)
while time.process_time() < 10:
    pass
print("done", flush=True)
sys.stdin.read()
"""
CHECK = """
import sqlite3
print(sqlite3.connect("/var/lib/silo-accounting/ledger.db").execute("PRAGMA integrity_check").fetchone()[0])
"""


@pytest.fixture
def ledger(lab, operator):
    """Has the collector look now, and returns what each tenant used so far, in whole numbers."""

    def look():
        lab.run("systemctl", "start", "silo-accounting.service")
        found = report.read(operator.inventory, report.month(f"{datetime.date.today():%Y-%m}"))
        assert found.problems == ()
        return found.amounts

    return look


def grown(before, after, measure, tenant="hans"):
    return getattr(after[tenant], measure) - getattr(before[tenant], measure)


@contextlib.contextmanager
def loaded(lab):
    """Hans' photo server holds 300 MiB and has burnt 10 seconds of CPU, as long as this holds."""
    inside = ["docker", "exec", "-i", SERVER, "python3", "-c", LOAD]
    with subprocess.Popen(["docker", "exec", "-i", lab.container, *inside], stdin=-1, stdout=-1, text=True) as process:
        assert process.stdout.readline() == "done\n"
        yield
        process.stdin.close()
        assert process.wait(60) == 0


@pytest.mark.slow("loads that last a minute")
@pytest.mark.needs_property("python")
def test_known_loads_make_known_numbers(lab, operator, ledger, customer):
    cloud = customer("hans")
    photo = picture(1060)
    asset = cloud.upload(photo).json["id"]
    lab.run("sync")
    before, quiet = ledger(), {tenant.name: tenant for tenant in usage.read(operator.inventory).tenants}
    with loaded(lab):
        busy = {tenant.name: tenant for tenant in usage.read(operator.inventory).tenants}
        for _ in range(100):
            assert cloud.get(f"/api/assets/{asset}/original").body == photo
        lab.run("docker", "exec", SERVER, "sh", "-euc", "head -c 52428800 /dev/urandom >/data/upload/load; sync")
        after = ledger()
    lab.run("docker", "exec", SERVER, "rm", "/data/upload/load")
    # 300 MiB, and what else a photo server does meanwhile.
    for number in ("memory_bytes", "anonymous_bytes"):
        more = getattr(busy["hans"], number) - getattr(quiet["hans"], number)
        assert 300 * MIB <= more < 340 * MIB, number
    assert after["hans"].memory_peak_bytes >= quiet["hans"].memory_bytes + 300 * MIB
    # 10 seconds, and 100 answers.
    assert 10 <= grown(before, after, "cpu_microseconds") / 10**6 < 20
    assert grown(before, after, "cpu_microseconds", "maria") / 10**6 < 5
    assert grown(before, after, "requests") == 100
    assert 100 * len(photo) <= grown(before, after, "responses_bytes") <= 100 * (len(photo) + 1024)
    assert grown(before, after, "network_sent_bytes") >= 100 * len(photo)
    assert grown(before, after, "requests", "maria") == grown(before, after, "responses_bytes", "maria") == 0
    assert after["hans"].storage_peak_bytes - quiet["hans"].storage_bytes == pytest.approx(50 * MIB, abs=MIB)


def test_what_is_written_to_the_disk_is_counted_where_the_kernel_counts_it(lab, operator, ledger):
    before = ledger()
    script = "dd if=/dev/zero of=/var/lib/postgresql/data/load bs=1M count=50 oflag=direct,dsync 2>/dev/null"
    lab.run("docker", "exec", "silo-hans-database-1", "sh", "-euc", script)
    written = grown(before, ledger(), "disk_written_bytes")
    lab.run("docker", "exec", "silo-hans-database-1", "rm", "/var/lib/postgresql/data/load")
    counted = lab.shell("cat /sys/fs/cgroup/io.stat /sys/fs/cgroup/blkio/docker/*/blkio.throttle.io_service_bytes || :")
    if "Write" not in counted and "wbytes" not in counted:
        pytest.skip("this machine's kernel counts no block I/O in its control groups; a server's with cgroup v2 does")
    assert written == pytest.approx(50 * MIB, rel=0.2)


@pytest.mark.needs_property("light")
def test_nothing_that_ends_takes_what_was_counted_or_counts_it_twice(lab, ledger, customer):
    """A container that is killed, one that is started anew, and Traefik, whose counters are all gone."""
    cloud = customer("hans")
    before = ledger()
    lab.run("docker", "kill", SERVER)
    lab.run("docker", "start", SERVER)
    lab.run("docker", "restart", "--time=1", "silo-hans-cache-1")
    lab.run("docker", "restart", "--time=5", "silo-traefik-traefik-1")
    wait_for(cloud.works, 60)
    # Those that only ask whether it works are counted too; from here on they are known.
    between = ledger()
    for _ in range(7):
        assert cloud.get("/api/server/ping").status == 200
    after = ledger()
    assert grown(between, after, "requests") == 7
    assert 0 <= grown(before, between, "requests") < 300
    # No more than what the start of two containers takes, where all that was counted before was 10 and more.
    assert 0 < grown(before, after, "cpu_microseconds") / 10**6 < 10
    assert grown(before, after, "running_seconds") > 0


def test_a_collector_that_is_killed_at_any_time_leaves_a_ledger_that_balances(lab, ledger, customer):
    cloud = customer("maria")
    before = ledger()
    program = ["python3", "/usr/local/lib/silo/accounting.pyz", "/var/lib/silo-accounting/settings.json"]
    for number in range(8):
        assert cloud.get("/api/server/ping").status == 200
        seconds = f"{random.Random(number).uniform(0.05, 0.6):.2f}"
        assert lab.try_run("timeout", "--signal=KILL", seconds, *program).returncode in (0, 137)
    assert lab.run("python3", "-c", CHECK).strip() == "ok"
    # Two at once count one after the other.
    lab.shell(f"{' '.join(program)} & {' '.join(program)}; wait")
    assert grown(before, ledger(), "requests", "maria") == 8


def test_only_root_reads_the_ledger_and_prometheus_its_file(lab):
    assert lab.shell("stat -c %a:%U /var/lib/silo-accounting /var/lib/silo-accounting/ledger.db").split() == [
        "700:root",
        "600:root",
    ]
    lab.run("setpriv", "--reuid=65534", "--clear-groups", "cat", "/var/lib/prometheus/node-exporter/silo.prom")


def test_the_timer_looks_each_minute(lab):
    (timer,) = json.loads(lab.run("systemctl", "list-timers", "--output=json", "silo-accounting.timer"))
    assert timer["activates"] == "silo-accounting.service"
    assert 0 < timer["next"] / 10**6 - time.time() <= 62

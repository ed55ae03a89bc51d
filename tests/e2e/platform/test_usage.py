"""What `silo stats` is made of: each number against another tool's, and who may not ask for them."""

import http.client
import json
import socket
import subprocess

import pytest

from silo.reports import usage

from ..cloud import Cloud, picture
from ..waiting import wait_for

MEBIBYTE = 1024**2
SERVICES = ("server", "database", "cache")
CGROUP = "/sys/fs/cgroup"
# Memory of a process' control group as its files have it, of either version; cache that can be dropped is not used.
MEMORY = f"""
group=$(grep -E '^[0-9]+:memory:' /proc/$1/cgroup | cut -d: -f3)
if [ -n "$group" ]; then
  dir={CGROUP}/memory$group; use=memory.usage_in_bytes; limit=memory.limit_in_bytes; cache=total_inactive_file
else
  dir={CGROUP}$(grep '^0::' /proc/$1/cgroup | cut -d: -f3); use=memory.current; limit=memory.max; cache=inactive_file
fi
echo $(( $(cat $dir/$use) - $(sed -n "s/^$cache //p" $dir/memory.stat) )) $(cat $dir/$limit)
"""
ASK = """
import sys, urllib.request
print(urllib.request.urlopen(sys.argv[1], timeout=3).read().decode())
"""


@pytest.fixture
def stats(operator):
    """Tenant to what it uses."""

    def read():
        return {tenant.name: tenant for tenant in usage.read(operator.inventory).tenants}

    return read


def memory(lab, container):
    pid = lab.inspect(container)["State"]["Pid"]
    return [int(number) for number in lab.run("sh", "-euc", MEMORY, "sh", str(pid)).split()]


def test_memory_is_what_the_control_groups_say(lab, stats):
    hans = stats()["hans"]
    used, limits = zip(*(memory(lab, f"silo-hans-{service}-1") for service in SERVICES), strict=True)
    # A test that had it killed may have had something lent to it.
    assert hans.memory_limit_bytes == sum(limits) == 2.5 * 1024 * MEBIBYTE + hans.memory_burst_bytes
    # The numbers are of two moments.
    assert hans.memory_bytes == pytest.approx(sum(used), rel=0.15)


def test_the_database_is_as_large_as_postgres_says(lab, stats, customer):
    assert customer("hans").upload(picture()).status == 201
    hans = stats()["hans"]
    # What Postgres does by itself takes some pages meanwhile.
    size = int(lab.psql("hans", "SELECT pg_database_size('immich')"))
    assert hans.database_bytes == pytest.approx(size, abs=MEBIBYTE)
    live = """FROM "asset" WHERE "deletedAt" IS NULL AND "visibility" <> 'hidden'"""
    assert hans.photos + hans.videos == int(lab.psql("hans", f"SELECT count(*) {live}"))
    assert hans.photos >= 1
    assert hans.users == int(lab.psql("hans", """SELECT count(*) FROM "user" """))


def test_the_disks_are_as_full_as_their_own_tools_say(lab, operator, stats):
    lab.run("sync")
    hans = stats()["hans"]
    folders = [f"/databases/hans/{folder}" for folder in ("database", "backups", "queue")]
    disk = sum(int(line.split()[0]) for line in lab.run("du", "-sk", *folders).splitlines()) * 1024
    assert hans.local_bytes == pytest.approx(disk, rel=0.05)
    assert hans.storage_limit_bytes == lab.quota(operator.settings("hans")["tenant_index"]) == 100 * 1024 * MEBIBYTE
    groups = json.loads(lab.run("btrfs", "--format", "json", "qgroup", "show", "--raw", "/instances"))["qgroup-show"]
    (referenced,) = [int(group["referenced"]) for group in groups if group["qgroupid"] == "1/1"]
    assert hans.storage_bytes == pytest.approx(referenced, abs=MEBIBYTE)
    assert hans.space_limit_bytes == lab.quota(operator.settings("hans")["tenant_index"], "/databases")
    assert hans.space_bytes == pytest.approx(disk, rel=0.1)


def test_what_is_uploaded_and_downloaded_is_counted_and_hardly_more(stats, customer):
    cloud = customer("hans")
    before = stats()["hans"]
    data = picture(1024)
    answer = cloud.upload(data)
    assert answer.status == 201
    bodies = [cloud.get(f"/api/assets/{answer.json['id']}/original").body for _ in range(3)]
    assert bodies == [data] * 3
    after = stats()["hans"]
    assert after.since == before.since
    received, sent = after.received_bytes - before.received_bytes, after.sent_bytes - before.sent_bytes
    assert len(data) <= received <= len(data) + 4096
    assert 3 * len(data) <= sent <= 3 * len(data) + 4096
    # Bodies of four requests, and of no others.
    assert after.requests - before.requests == 4


def test_what_others_do_is_not_counted_to_hans(stats, customer):
    before = stats()["hans"]
    assert customer("maria").upload(picture()).status == 201
    after = stats()["hans"]
    assert (after.requests, after.received_bytes, after.sent_bytes) == (
        before.requests,
        before.received_bytes,
        before.sent_bytes,
    )


def test_cpu_is_counted_where_it_is_burnt(lab, stats):
    before = stats()
    burn = ["docker", "exec", "silo-hans-server-1", "timeout", "20", "sh", "-c", "while :; do :; done"]
    with subprocess.Popen(["docker", "exec", lab.container, *burn]) as process:
        during = stats()
        process.wait(60)
    after = stats()
    # Other tests may run on this machine's two cores.
    assert 0.2 < during["hans"].cpu_cores < 1.2
    assert during["maria"].cpu_cores < during["hans"].cpu_cores / 2
    assert 6 < after["hans"].cpu_seconds - before["hans"].cpu_seconds < 30
    assert after["maria"].cpu_seconds - before["maria"].cpu_seconds < 6


def test_a_database_that_hangs_is_unknown_and_the_others_are_not(lab, operator):
    first = str(lab.inspect("silo-hans-database-1")["State"]["Pid"])
    # Below the container's init; it takes connections, and answers none of them.
    postgres = lab.run("sh", "-euc", "cat /proc/$1/task/$1/children", "sh", first).split()
    lab.run("kill", "-STOP", *postgres)
    try:
        found = usage.read(operator.inventory)
    finally:
        lab.run("kill", "-CONT", *postgres)
    hans, maria = (next(tenant for tenant in found.tenants if tenant.name == name) for name in ("hans", "maria"))
    assert hans.database_bytes is None
    assert hans.memory_bytes > 0
    assert maria.database_bytes > 0
    assert "database_bytes" in found.totals.at_least
    # Nothing of the look is left in the container.
    assert wait_for(lambda: "psql" not in lab.run("docker", "top", "silo-hans-database-1"))


def test_who_is_stopped_uses_what_lies_there(operator, newcomer, stats):
    name = newcomer("resting", state="stopped")
    operator.apply("--limit", name)
    found = stats()[name]
    assert (found.desired, found.orphan) == ("stopped", False)
    assert (found.memory_bytes, found.cpu_cores, found.database_bytes) == (0, 0, None)
    assert found.storage_bytes is not None


def test_who_is_in_no_inventory_is_marked(lab, stats):
    image = lab.inspect("silo-hans-cache-1")["Config"]["Image"]
    labels = ["--label", "ch.swissphoto.silo.tenant=stranger", "--label", "ch.swissphoto.silo.service=cache"]
    lab.run("docker", "run", "-d", "--name", "silo-stranger-cache-1", *labels, "--entrypoint", "sleep", image, "300")
    try:
        stranger = stats()["stranger"]
    finally:
        lab.run("docker", "rm", "--force", "silo-stranger-cache-1")
    assert stranger.orphan
    assert stranger.observed == "1 of 3 running"
    assert stranger.memory_bytes > 0
    assert "stranger" not in stats()


@pytest.mark.needs_property("python")
def test_the_server_alone_reads_the_metrics(lab):
    read = ["python3", "-c", ASK]
    assert "traefik_router_requests_total" in lab.run(*read, "http://127.0.0.1:8082/metrics")
    inside = ["docker", "exec", "silo-hans-server-1", *read]
    own = lab.gateway("hans")
    for address in (own, lab.address, lab.gateway("maria"), "127.0.0.1", "10.82.0.1"):
        refused = lab.try_run(*inside, f"http://{address}:8082/metrics")
        assert refused.returncode != 0
        assert "traefik" not in refused.stdout
    # The way that is open to a tenant leads elsewhere.
    assert "traefik_" not in lab.try_run(*inside, f"http://{own}:3003/metrics").stdout


def test_a_stranger_does_not_read_the_metrics(lab):
    # The server is closed, and does not even say so.
    with pytest.raises(TimeoutError):
        socket.create_connection((lab.address, 8082), timeout=5)
    for name in ("hans", "nobody"):
        cloud = Cloud(lab, name, verify=False)
        for host in (cloud.host, "127.0.0.1:8082"):
            assert b"traefik_" not in cloud.get("/metrics", Host=host).body
    connection = http.client.HTTPConnection(lab.address, 80, timeout=10)
    connection.request("GET", "/metrics", headers={"Host": "127.0.0.1:8082"})
    assert b"traefik_" not in connection.getresponse().read()


def test_looking_changes_nothing(lab, operator):
    before = lab.files(), lab.containers("hans", "maria")
    assert set(operator.run("read.yml", "--tags", "stats").changed.values()) == {0}
    assert (lab.files(), lab.containers("hans", "maria")) == before
    assert set(operator.run("site.yml", "--tags", "traefik").changed.values()) == {0}

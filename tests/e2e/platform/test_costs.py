"""What the real photo server costs, within a tenant's limits: the stand-in at STAND_IN_COSTS=real."""

import mmap
import os

import pytest

from silo.reports import usage

from ..cloud import picture
from ..waiting import wait_for

MIB = 1024**2
PLACES = 196_578
NAME = "costly"
SERVER = f"silo-{NAME}-server-1"
STATE = "FROM system_metadata WHERE key = 'reverse-geocoding-state'"

pytestmark = [
    pytest.mark.slow("starts as slow as the real ones, an import of half a minute, and the first day of two customers"),
    pytest.mark.needs_property("costs"),
]


@pytest.fixture
def costly(lab, operator, newcomer):
    name = newcomer(NAME, environment={"STAND_IN_COSTS": "real"})
    operator.apply("--limit", name)
    wait_for(lambda: imported(lab), 900)
    return name


def imported(lab):
    """Whether the places are all there, by the photo server's own word."""
    return lab.psql(NAME, f"SELECT count(*) {STATE}") == "1"


def memory(lab):
    """MiB that the photo server's processes have in memory."""
    script = "cat /proc/[0-9]*/statm"
    pages = [int(line.split()[1]) for line in lab.run("docker", "exec", SERVER, "sh", "-c", script).splitlines()]
    return sum(pages) * mmap.PAGESIZE / MIB


def restart(lab):
    lab.run("docker", "restart", SERVER)
    wait_for(lambda: lab.inspect(SERVER)["State"]["Health"]["Status"] == "healthy", 300)


def at_rest(cloud):
    """Whether the photo server has worked on all that it got."""
    counts = [queue["statistics"] for queue in cloud.get("/api/queues").json]
    return not any(count["active"] or count["waiting"] for count in counts)


def photos(cloud, count):
    for _ in range(count):
        assert cloud.upload(picture(1024)).status == 201


def film(cloud):
    assert cloud.upload(os.urandom(4 * MIB), "film.mp4").status == 201


def check_day(lab, operator, name):
    """Nothing of a tenant was killed or ended; its dump is whole."""
    (tenant,) = [one for one in usage.read(operator.inventory).tenants if one.name == name]
    assert (tenant.oom_kills, tenant.restarts) == (0, 0)
    assert not lab.inspect(f"silo-{name}-server-1")["State"]["OOMKilled"]
    (dump,) = lab.shell(f"ls /databases/{name}/backups/*.sql.gz").split()
    assert lab.shell(f"zcat {dump} | grep -c '^COPY public'").strip() != "0"
    return tenant


def test_a_customers_first_day_ends_without_a_kill_in_what_was_promised(lab, operator, newcomer, customer):
    name = newcomer("firstday", environment={"STAND_IN_COSTS": "real"}, server_burst="0")
    operator.apply("--limit", name)
    cloud = customer(name)
    photos(cloud, 12)
    assert cloud.post("/api/jobs", {"name": "backup-database"}).status == 204
    photos(cloud, 12)
    wait_for(lambda: at_rest(cloud), 900)
    film(cloud)
    wait_for(lambda: at_rest(cloud), 900)
    assert check_day(lab, operator, name).memory_limit_bytes == 5 * 1024 * MIB // 2


def test_photos_and_films_at_once_end_without_a_kill_by_what_is_lent(lab, operator, newcomer, customer):
    name = newcomer("busyday", environment={"STAND_IN_COSTS": "real"})
    operator.apply("--limit", name)
    cloud = customer(name)

    def lent():
        photos(cloud, 4)
        lab.run("systemctl", "start", "silo-accounting.service")
        return lab.inspect(f"silo-{name}-server-1")["HostConfig"]["Memory"] == 1536 * MIB

    wait_for(lent, 300)
    assert cloud.post("/api/jobs", {"name": "backup-database"}).status == 204
    for _ in range(4):
        film(cloud)
        photos(cloud, 6)
    wait_for(lambda: at_rest(cloud), 900)
    assert check_day(lab, operator, name).memory_burst_bytes == 512 * MIB


def test_it_idles_imports_begins_anew_and_ends_as_the_real_one(lab, costly):
    restart(lab)
    wait_for(lambda: 600 < memory(lab) < 690, 300)

    lab.psql(costly, f"DELETE {STATE}")
    restart(lab)
    wait_for(lambda: 900 < memory(lab) < 1000, 300)
    before = lab.inspect(SERVER)["RestartCount"]
    lab.shell(f"kill -9 {lab.inspect(SERVER)['State']['Pid']}")
    wait_for(lambda: lab.inspect(SERVER)["RestartCount"] > before, 300)
    assert not imported(lab)

    wait_for(lambda: imported(lab), 900)
    assert lab.psql(costly, "SELECT count(*), count(DISTINCT id) FROM geodata_places") == f"{PLACES}|{PLACES}"
    assert lab.inspect(SERVER)["RestartCount"] == before + 1

    with lab.without_recovery():
        lab.run("docker", "stop", SERVER)
        assert lab.inspect(SERVER)["State"]["ExitCode"] == 143

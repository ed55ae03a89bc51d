"""What the real photo server costs, within a tenant's limits: the stand-in at STAND_IN_COSTS=real."""

import mmap

import pytest

from ..waiting import wait_for

MIB = 1024**2
PLACES = 196_578
NAME = "costly"
SERVER = f"silo-{NAME}-server-1"
STATE = "FROM system_metadata WHERE key = 'reverse-geocoding-state'"

pytestmark = [
    pytest.mark.slow("three starts as slow as the real ones, and an import of half a minute"),
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

    lab.run("docker", "stop", SERVER)
    assert lab.inspect(SERVER)["State"]["ExitCode"] == 143

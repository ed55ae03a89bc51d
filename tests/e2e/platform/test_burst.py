"""Memory that is lent: to who presses against its limit, live, and taken back; and no difference to anybody else."""

import contextlib
import json
import subprocess

import pytest

from silo.reports import usage

from ..waiting import wait_for

MIB = 1024**2
GIB = 1024**3
NAME = "pressed"
SERVER = f"silo-{NAME}-server-1"
STATE = "/run/silo-burst.json"
# Fills the container up to 960 MiB of what counts and cannot be dropped, and holds it until its input ends.
PRESS = """
import sys
blocks = []
def used():
    for now, stat, word in (
        ("/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory.stat", "inactive_file"),
        ("/sys/fs/cgroup/memory/memory.usage_in_bytes", "/sys/fs/cgroup/memory/memory.stat", "total_inactive_file"),
    ):
        try:
            words = dict(line.split() for line in open(stat))
            return int(open(now).read()) - int(words[word])
        except FileNotFoundError:
            pass
while used() < 960 * 2**20:
    blocks.append(bytearray(b"x") * (4 * 2**20))
print("full", flush=True)
sys.stdin.read()
"""

pytestmark = pytest.mark.needs_property("python", "light")


@pytest.fixture
def pressed(lab, operator, newcomer):
    """A tenant, on a server whose timer runs when these tests say."""
    name = newcomer(NAME)
    operator.apply("--limit", name)
    lab.run("systemctl", "stop", "silo-accounting.timer")
    step(lab)
    yield name
    lab.run("systemctl", "start", "silo-accounting.timer")


@contextlib.contextmanager
def pressing(lab):
    """The photo server's container has little left of its limit, as long as this holds."""
    command = ["docker", "exec", "-i", lab.container, "docker", "exec", "-i", SERVER, "python3", "-c", PRESS]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as process:
        assert process.stdout.readline() == "full\n"
        yield
        process.stdin.close()
        assert process.wait(60) == 0


def limit(lab):
    """MiB, by the engine."""
    host = lab.inspect(SERVER)["HostConfig"]
    assert host["Memory"] == host["MemorySwap"]
    return host["Memory"] // MIB


def step(lab):
    """One run of the timer; it lends nothing while an apply of another test holds the lock."""
    lab.run("systemctl", "start", "silo-accounting.service")


def forget(lab):
    """Have ten minutes pass: nobody needed anything for as long."""
    script = (
        f"import json; p={STATE!r}; s=json.load(open(p)); s[{f'{NAME}/server'!r}][2]=None; json.dump(s,open(p,'w'))"
    )
    lab.run("python3", "-c", script)


def run_of(lab):
    state = lab.inspect(SERVER)
    return state["Id"], state["State"]["StartedAt"], state["RestartCount"]


def test_who_presses_gets_more_and_gives_it_back_and_nothing_restarts(lab, operator, silo, pressed):
    before = run_of(lab)
    step(lab)
    assert limit(lab) == 1024
    with pressing(lab):
        step(lab)
        assert limit(lab) == 1536
        forget(lab)
        step(lab)
        assert limit(lab) == 1536  # it still presses
        tenant = next(one for one in usage.read(operator.inventory).tenants if one.name == pressed)
        assert (tenant.memory_burst_bytes, tenant.memory_limit_bytes) == (GIB // 2, 3 * GIB)
        assert "512 MiB burst" in silo.run("stats")
        # What is lent is no difference.
        assert set(operator.apply("--limit", pressed).changed.values()) == {0}
        assert silo.try_run("verify", pressed).code == 0
        assert limit(lab) == 1536
    step(lab)
    assert limit(lab) == 1536  # for ten minutes
    forget(lab)
    step(lab)
    assert limit(lab) == 1024
    assert run_of(lab) == before


def test_a_limit_that_somebody_changed_is_the_promised_one_again(lab, pressed):
    for size in ("512m", "2g"):
        lab.run("docker", "update", "--memory", size, "--memory-swap", size, SERVER)
        step(lab)
        assert limit(lab) == 1024


def test_what_is_in_use_is_not_taken_by_a_server_that_has_nothing_to_lend(lab, pressed):
    policy = lab.run("cat", "/srv/silo/memory.json")
    none = json.dumps({**json.loads(policy), "total": "1G"})
    try:
        with pressing(lab):
            step(lab)
            lab.run("tee", "/srv/silo/memory.json", text=none)
            step(lab)
            # 960 MiB are in use, and 64 stay free above them: a part of what was lent at most is still there.
            assert 1024 <= limit(lab) < 1536
            assert not lab.inspect(SERVER)["State"]["OOMKilled"]
        step(lab)
        wait_for(lambda: (step(lab), limit(lab) == 1024)[1], 60)
    finally:
        lab.run("tee", "/srv/silo/memory.json", text=policy)


def test_the_server_says_what_there_is_to_lend(lab, silo):
    (server,) = silo.json("capacity")["servers"]
    sizes = json.loads(lab.run("cat", "/srv/silo/memory.json"))
    assert set(sizes) == {"total", "reserve", "machine_learning", "traefik", "template"}
    running = server["tenants"]
    assert server["tenants_burst_bytes"] == running * GIB // 2
    step(lab)
    told = lab.run("cat", "/var/lib/prometheus/node-exporter/silo.prom")
    pool = next(float(line.split()[1]) for line in told.splitlines() if line.startswith("silo_burst_pool_bytes "))
    # A machine with less than its policy says lends less.
    assert 0 <= pool <= max(0, server["total_bytes"] - server["promised_bytes"])

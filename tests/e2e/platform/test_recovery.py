"""Tenants come back by themselves, on the NAS and on nothing else; a NAS that hangs hangs nobody."""

import contextlib
import re
import subprocess
import sys
import threading
import time

import pytest

from silo.diagnostics import verify

from ..cloud import Cloud, picture
from ..operator import ROOT
from ..waiting import seconds_until, wait_for

SERVICES = ("server", "database", "cache")
# A file system whose server never answers, mounted over the NAS for as long as its input is open.
HANG = """
import ctypes, os, stat, sys
if not os.path.exists("/dev/fuse"):
    os.mknod("/dev/fuse", stat.S_IFCHR | 0o600, os.makedev(10, 229))
libc = ctypes.CDLL(None, use_errno=True)
device = os.open("/dev/fuse", os.O_RDWR)
options = f"fd={device},rootmode=40000,user_id=0,group_id=0".encode()
if libc.mount(b"hanging", b"/instances", b"fuse", 0, options):
    sys.exit(os.strerror(ctypes.get_errno()))
print("mounted", flush=True)
sys.stdin.read()
libc.umount2(b"/instances", 2)
"""


def states(lab, name):
    return {lab.inspect(f"silo-{name}-{service}-1")["State"]["Status"] for service in SERVICES}


def healthy(lab, name):
    details = [lab.inspect(f"silo-{name}-{service}-1")["State"] for service in SERVICES]
    return all(state["Running"] and state["Health"]["Status"] == "healthy" for state in details)


def said(lab, since):
    """What the recovery has written into the journal since a time of the server's clock, line by line."""
    lines = ("--unit=silo-recovery.service", f"--since=@{since}")
    return lab.run("journalctl", "--quiet", "--no-pager", "--output=cat", *lines).splitlines()


def now(lab):
    return lab.run("date", "+%s").strip()


def look_now(lab):
    """Have the recovery look now, and wait for the end of it."""
    lab.run("systemctl", "start", "silo-recovery.service")


def reboot():
    subprocess.run(
        [sys.executable, "-m", "tests.lab", "reboot"], cwd=ROOT, check=True, capture_output=True, timeout=300
    )


@pytest.fixture
def stopped(operator):
    """Peter, stopped by will; he runs again afterwards."""
    operator.edit("peter", state="stopped")
    operator.apply("--limit", "peter")
    yield "peter"
    operator.edit("peter", state=None)
    operator.apply("--limit", "peter")


CABLE = "/run/the-nas-is-connected"
DROP_IN = "/etc/systemd/system/instances.mount.d/cable.conf"


@pytest.fixture
def nas(lab):
    """A NAS that is there when `connect` was called, and not there after a boot; it is there afterwards."""
    lab.shell(f"mkdir -p {DROP_IN.rpartition('/')[0]}; printf '[Unit]\\nAssertPathExists={CABLE}\\n' >{DROP_IN}")

    def connect():
        lab.run("touch", CABLE)

    yield connect
    lab.shell(f"rm -r {DROP_IN.rpartition('/')[0]}; systemctl daemon-reload")
    for name in ("hans", "maria"):
        wait_for(lambda name=name: healthy(lab, name), seconds=120)


@contextlib.contextmanager
def hanging_nas(lab):
    command = ["docker", "exec", "-i", lab.container, "python3", "-c", HANG]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        try:
            assert process.stdout.readline() == "mounted\n"
            yield
        finally:
            process.stdin.close()
            process.wait(30)


@contextlib.contextmanager
def visitors(lab, name):
    """Somebody who looks at a photo cloud all the time; a list of what did not work, with how often it did."""
    failures, counted, done = [], [0], threading.Event()

    def look():
        while not done.is_set():
            counted[0] += 1
            if not Cloud(lab, name).works():
                failures.append(counted[0])
            time.sleep(0.05)

    visitor = threading.Thread(target=look, daemon=True)
    visitor.start()
    try:
        yield failures, counted
    finally:
        done.set()
        visitor.join()


# First, as a reboot follows: Docker forgets by a restart that containers work, and probes them minutes later.
@pytest.mark.fault(2)
def test_a_daemon_that_is_killed_takes_no_container_with_it(lab, seen):
    before = lab.running()
    with visitors(lab, "hans") as (failures, counted):
        daemon = lab.run("pidof", "dockerd").strip()
        lab.run("kill", "-KILL", daemon)
        took = seconds_until(lambda: lab.try_run("docker", "info").returncode == 0, 60)
        assert lab.run("pidof", "dockerd").strip() != daemon
        time.sleep(1)
    assert lab.running() == before
    assert counted[0] > 10
    assert failures == []
    seen(f"{len(before)} containers as before; {counted[0]} looks at a cloud all answered; dockerd back in {took} s")


def forgotten(lab, service):
    """Whether the engine does not know yet that a service of maria's works."""
    return lab.inspect(f"silo-maria-{service}-1")["State"]["Health"]["Status"] == "starting"


@pytest.fixture
def forget(lab):
    """Has the engine forget that containers work; it probes them again in four minutes."""
    ages = (
        "docker inspect --format '{{.State.StartedAt}}' $(docker ps -q --filter label=ch.swissphoto.silo.tenant=maria)"
    )

    def old():
        """Whether their start period is over, in which the engine probes them each moment."""
        now, *started = lab.shell(f"date +%s; {ages} | xargs -n 1 date +%s --date").split()
        return all(int(now) - int(begin) > 300 for begin in started)

    wait_for(old, 330)
    lab.run("systemctl", "restart", "docker")
    wait_for(lambda: all(forgotten(lab, service) for service in SERVICES), 30)


@pytest.mark.fault(2)
def test_after_a_restart_of_the_daemon_list_and_verify_tell_the_truth_at_once(lab, operator, silo, forget):
    tenants = {tenant["name"]: tenant["observed"] for tenant in silo.json("list")["tenants"]}
    assert (tenants["hans"], tenants["maria"]) == ("running", "running")
    assert [check for check in verify.verify(operator.inventory, ["maria"]) if not check.ok] == []
    assert all(forgotten(lab, service) for service in SERVICES), "the engine has probed meanwhile, so nothing was seen"


@pytest.mark.fault(2)
def test_after_a_restart_of_the_daemon_a_change_waits_for_no_probe(lab, operator, forget):
    before = lab.containers("maria")
    operator.edit("maria", log_level="debug")
    try:
        operator.apply("--limit", "maria")
        # The photo server needs the database, which the engine has not probed to this moment.
        assert forgotten(lab, "database")
        assert forgotten(lab, "cache")
        after = lab.containers("maria")
        assert {name for name in before if after[name] != before[name]} == {"silo-maria-server-1"}
        assert Cloud(lab, "maria").works()
    finally:
        operator.edit("maria", log_level=None)
        operator.apply("--limit", "maria")


@pytest.mark.fault(1, 6, 7)
def test_when_the_nas_comes_late_the_tenants_come_back_without_hands(lab, operator, customer, stopped, nas):
    data, cloud = picture(), customer("hans")
    asset = cloud.upload(data).json["id"]
    boot = now(lab)
    reboot()
    look_now(lab)
    for name in ("hans", "maria"):
        assert lab.inspect(f"silo-{name}-server-1")["State"]["Status"] == "exited"
    page = Cloud(lab, "hans").get("/")
    assert page.status == 503
    assert Cloud(lab, "hans").get("/api/server/ping").json["reason"] == "starting"
    # Nothing was written beside the NAS, and nothing can be.
    assert lab.try_run("findmnt", "--mountpoint", "/instances").returncode == 1
    assert lab.run("ls", "-A", "/instances") == ""
    assert "i" in lab.run("lsattr", "-d", "/instances").split()[0]
    assert lab.try_run("mkdir", "/instances/hans").returncode != 0
    # Said once, however often it is looked.
    look_now(lab)
    assert len([line for line in said(lab, boot) if "the NAS is not mounted" in line]) == 1

    nas()
    for name in ("hans", "maria"):
        wait_for(lambda name=name: healthy(lab, name), seconds=60)
    assert cloud.get(f"/api/assets/{asset}/original").body == data
    assert states(lab, stopped) == {"exited"}
    assert Cloud(lab, stopped).get("/").status == 503
    assert set(operator.apply().changed.values()) == {0}


def test_what_died_on_the_way_comes_back(lab):
    """The record says what should be, not the last hand that touched a container."""
    begun = now(lab)
    lab.run("docker", "stop", "silo-maria-server-1")
    lab.run("docker", "rm", "silo-maria-cache-1", "--force")
    wait_for(lambda: "started maria" in said(lab, begun), seconds=90)
    wait_for(lambda: healthy(lab, "maria"), seconds=60)


@pytest.mark.fault(6)
def test_a_nas_that_hangs_hangs_nobody(lab, operator):
    before = lab.containers("hans", "maria")
    operator.edit("maria", server_memory="1536M")
    try:
        with hanging_nas(lab):
            begun = now(lab)
            start = time.monotonic()
            run = operator.try_run("apply.yml", "--tags", "stacks")
            took = time.monotonic() - start
            look_now(lab)
        assert run.code != 0
        sentence = (
            "the NAS does not answer: /instances/.silo-nas could not be read within 5 s; no container was started"
        )
        assert f"maria: {sentence}" in " ".join(run.output.split())
        assert re.findall(r"^(\w+) .* failed=1 ", run.output, re.M) == ["maria"]
        assert took < 60
        assert len([line for line in said(lab, begun) if "the NAS does not answer" in line]) == 1
        assert lab.containers("hans", "maria") == before
        assert lab.run("findmnt", "--noheadings", "--output=FSTYPE", "/instances").split() == ["btrfs"]
        assert lab.try_run("pgrep", "-x", "stat").stdout == ""
    finally:
        operator.edit("maria", server_memory=None)
        operator.apply()

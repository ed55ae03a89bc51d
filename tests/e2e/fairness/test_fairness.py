"""One tenant at its worst, in one dimension after the other, while fourteen others work: what they lose.

The table of `make test-all` shows what is measured.
"""

import concurrent.futures
import contextlib
import dataclasses
import http.client
import statistics
import subprocess
import time

import pytest
import yaml

from ..cloud import Cloud, picture
from ..conftest import newcomers
from ..waiting import wait_for

OTHERS = 14
HOSTILE = "worst"
SECONDS = 25
# A customer looks at something about twice in a second.
PAUSE = 0.4
# What two cores need that serve fifteen tenants and these tests.
ENOUGH = 0.5

BUSY = """
import os
for _ in range(63):
    if os.fork() == 0:
        while True:
            pass
os.wait()
"""
FORKS = """
import os, time
while True:
    try:
        if os.fork() == 0:
            time.sleep(1000)
    except OSError:
        time.sleep(0.01)
"""
# Killed at its limit, and begun anew.
FILLS = "while :; do python3 -c 'b = []\nwhile True: b.append(bytearray(b\"x\") * 2**22)'; done"
WRITES = "while :; do dd if=/dev/zero of=/data/worst bs=1M count=64 conv=fsync 2>/dev/null; done"
INODES = """
import os
os.makedirs("/data/worst.d", exist_ok=True)
for number in range(200_000):
    open(f"/data/worst.d/{number}", "w").close()
"""
LOGS = """
line = b"x" * 1000 + b"\\n"
with open("/proc/1/fd/1", "wb", buffering=0) as log:
    while True:
        log.write(line)
"""
DATAGRAMS = """
import itertools, socket, sys
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for port in itertools.cycle(range(1024, 65536)):
    try:
        one.sendto(b"x", (sys.argv[1], port))
    except OSError:
        pass
"""
# So many predictions at once as the gateway takes.
PREDICTS = """
import http.client, sys, threading
head = '--b\\r\\nContent-Disposition: form-data; name="%s"\\r\\n\\r\\n%s\\r\\n'
entries = '{"clip": {"textual": {"modelName": "ViT-B-32__openai"}}}'
body = (head % ("entries", entries) + head % ("text", "a cat") + "--b--\\r\\n").encode()
def work():
    while True:
        try:
            one = http.client.HTTPConnection(sys.argv[1], 3003, timeout=30)
            one.request("POST", "/predict", body, {"Content-Type": "multipart/form-data; boundary=b"})
            one.getresponse().read()
            one.close()
        except (OSError, http.client.HTTPException):
            pass
for _ in range(100):
    threading.Thread(target=work).start()
"""
TABLE = """
PGPASSWORD= psql --username immich --dbname immich --command "CREATE TABLE IF NOT EXISTS worst (text text)"
while :; do
  psql --username immich --dbname immich --command \
    "INSERT INTO worst SELECT repeat('x', 1000) FROM generate_series(1, 20000); CHECKPOINT; TRUNCATE worst"
done
"""

pytestmark = [
    pytest.mark.slow("fifteen tenants, one of which does its worst in nine ways for half a minute each"),
    pytest.mark.timeout(3600),
    pytest.mark.needs_property("python", "light"),
]


@dataclasses.dataclass(frozen=True)
class Worst:
    """What a hostile tenant runs: `command` in its container `service`; `address` adds that of another one."""

    service: str
    command: tuple[str, ...]
    address: str = ""


def python(script, address=""):
    return Worst("server", ("python3", "-c", script), address)


def shell(script, service="server"):
    return Worst(service, ("sh", "-c", script))


WAYS = {
    "CPU": python(BUSY),
    "processes": python(FORKS),
    "memory": shell(FILLS),
    "disk of the NAS": shell(WRITES),
    "files on the NAS": python(INODES),
    "disk of the server": shell(TABLE, "database"),
    "logs": python(LOGS),
    "table of connections": python(DATAGRAMS, "database"),
    "connections": python(PREDICTS, "gateway"),
}


@dataclasses.dataclass(frozen=True)
class Work:
    """What others got: seconds of each request, and what failed."""

    seconds: list[float]
    failures: list[str]

    @property
    def median(self):
        return statistics.median(self.seconds)

    @property
    def slowest(self):
        """The 95th percentile."""
        return statistics.quantiles(self.seconds, n=20)[-1]


@pytest.fixture(scope="module")
def fifteen(lab, operator, indexes):
    """The hostile tenant and fourteen others, on a server that promises more memory than it has, as they are idle."""
    settings = operator.inventory / "group_vars" / "all" / "fairness.yml"
    settings.write_text(yaml.safe_dump({"silo_memory_overcommit": 6.0}))
    others = [f"other{number}" for number in range(1, OTHERS + 1)]
    try:
        with newcomers(lab, operator, indexes) as add:
            for name in (HOSTILE, *others):
                add(name)
            operator.apply("--limit", ",".join((HOSTILE, *others)))
            yield others
    finally:
        settings.unlink()


@pytest.fixture(scope="module")
def clouds(lab, operator, fifteen):
    found = [Cloud(lab, name) for name in fifteen]
    for cloud, name in zip(found, fifteen, strict=True):
        answer = cloud.login(f"{name}@example.ch", operator.secrets(name)["admin_password"])
        assert answer.status == 201, answer
    return found


def one_customer(cloud, until):
    """Look at the cloud, put a photo in, look at it, delete it, again and again."""
    seconds, failures = [], []

    def timed(ask, expected):
        begun = time.monotonic()
        try:
            answer = ask()
        except (OSError, http.client.HTTPException) as error:
            failures.append(f"{cloud.host}: {error!r}")
            return None
        seconds.append(time.monotonic() - begun)
        if answer.status != expected:
            failures.append(f"{cloud.host}: {answer.status}")
            return None
        return answer

    while time.monotonic() < until:
        timed(lambda: cloud.get("/api/server/config"), 200)
        if stored := timed(lambda: cloud.upload(picture(64)), 201):
            timed(lambda: cloud.get(f"/api/assets/{stored.json['id']}/original"), 200)
            timed(lambda: cloud.delete(stored.json["id"]), 204)
        time.sleep(PAUSE)
    return seconds, failures


def work(clouds):
    until = time.monotonic() + SECONDS
    with concurrent.futures.ThreadPoolExecutor(len(clouds)) as pool:
        found = list(pool.map(lambda cloud: one_customer(cloud, until), clouds))
    return Work([one for seconds, _ in found for one in seconds], [one for _, failed in found for one in failed])


@pytest.fixture(scope="module")
def usual(clouds):
    work(clouds)  # what is needed first is in memory afterwards
    return work(clouds)


@pytest.fixture
def attack(lab):
    """Gives a context, in which the hostile tenant does its worst; it is the same as before afterwards."""

    @contextlib.contextmanager
    def attack(way):
        container = f"silo-{HOSTILE}-{way.service}-1"
        places = {"gateway": lab.gateway, "database": lambda name: lab.address_of(name, "database")}
        arguments = (places[way.address](HOSTILE),) if way.address else ()
        # Not "timeout": the container's own processes are what an attacker has.
        command = ["docker", "exec", lab.container, "docker", "exec", container, *way.command, *arguments]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            time.sleep(2)
            try:
                yield process
            finally:
                # Whatever happens to the container, the test does not wait for its attacker for ever.
                try:
                    lab.run("docker", "restart", "--time", "1", container)
                finally:
                    process.kill()
        wait_for(Cloud(lab, HOSTILE).works, 120)
        lab.run("docker", "exec", f"silo-{HOSTILE}-server-1", "rm", "-rf", "/data/worst", "/data/worst.d")

    return attack


@pytest.mark.fault(33)
@pytest.mark.parametrize("name", WAYS)
def test_a_tenant_at_its_worst_costs_others_little(clouds, usual, attack, seen, name):
    with attack(WAYS[name]):
        found = work(clouds)
    seen(
        f"{name}: a request of others takes {found.median * 1000:.0f} ms, else {usual.median * 1000:.0f} "
        f"({found.median / usual.median:.1f}x); of twenty the slowest {found.slowest * 1000:.0f}, else "
        f"{usual.slowest * 1000:.0f} ({found.slowest / usual.slowest:.1f}x); {len(found.failures)} of "
        f"{len(found.seconds)} failed"
    )
    assert found.failures == []
    assert found.median < max(2 * usual.median, ENOUGH)

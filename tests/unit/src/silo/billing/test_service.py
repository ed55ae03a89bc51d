"""Intake and worker as real processes, killed at random points: no event is lost, none out of its order.

The rules are the test's: they write down when they begin and end with an event, on disk, and are slow enough to be cut
off in the middle.
"""

import collections
import contextlib
import http.client
import itertools
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from stripe import WebhookSignature

from silo.billing.inbox import Inbox
from tests.unit.forks import Forks
from tests.unit.patience import LONGER, PATIENCE

SECRET, KEY = "whsec_ofThisTest1", "rk_test_51ofThisTest1"
CHECKOUT_SECRET = "a-secret-of-this-test-0123456789abcdef"
RULES = """
import os, random, sys, time
from pathlib import Path
from silo.billing import service
from silo.billing.inbox import Inbox
from silo.billing.protocols import EventOutcome

log = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

class Rules:
    def settle(self, subscription):
        os.write(log, f"{os.getpid()} begins {subscription}\\n".encode())
        time.sleep(random.uniform(0, 0.03))
        os.write(log, f"{os.getpid()} ends {subscription}\\n".encode())
        return EventOutcome("as it should be")

    def waiting(self):
        return ()

service.worker(Inbox(Path(sys.argv[1])), Rules, print, 4)
"""
# An intake that has less patience with a body, so that nobody has to wait for its end.
HURRY = 5
IMPATIENT = f"""
from silo import cli
from silo.billing import webhook_server

webhook_server.BODY_SECONDS /= {HURRY}
cli.main()
"""
SUBSCRIPTIONS = 5


@pytest.fixture
def port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture
def secrets_file(tmp_path):
    file = tmp_path / "secrets"
    file.touch(0o600)
    file.write_text(f"{SECRET}\n")
    return file


@pytest.fixture(scope="module")
def services():
    with Forks("tests.unit.src.silo.billing.service_forks") as forks:
        yield forks


@pytest.fixture
def start(tmp_path, secrets_file, port, services):
    """Start a process; all are gone afterwards."""
    secrets = {"SILO_STRIPE_WEBHOOK_SECRETS_FILE": str(secrets_file)}
    others = {"SILO_STRIPE_CHECKOUT_KEY_FILE": KEY, "SILO_CHECKOUT_SECRETS_FILE": CHECKOUT_SECRET}
    for variable, text in others.items():
        file = tmp_path / variable.lower()
        file.touch(0o600)
        file.write_text(text)
        secrets[variable] = str(file)
    running = []
    silo = str(Path(sys.executable).with_name("silo"))
    intake = ["serve", "intake", "--inbox", str(tmp_path / "inbox.db"), "--port", str(port)]
    commands = {
        "intake": [silo, *intake],
        "impatient intake": [sys.executable, "-c", IMPATIENT, *intake],
        "checkout": [silo, "serve", "checkout", "--catalogue", str(tmp_path / "none.json"), "--port", str(port)],
        "worker": [sys.executable, "-c", RULES, str(tmp_path / "inbox.db"), str(tmp_path / "log")],
    }

    def start(kind, fresh=False, **more):
        """Start it as a fork, or fresh by its command line."""
        environment = {**os.environ, **secrets, **more}
        with (tmp_path / f"{kind}.said").open("ab") as said:
            run = subprocess.Popen if fresh else services.start
            process = run(commands[kind], stdout=said, stderr=said, env=environment)
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.wait()


def body(number):
    about = {"subscription": f"sub_{number % SUBSCRIPTIONS}"}
    return json.dumps({"id": f"evt_{number}", "type": "invoice.paid", "created": 1, "data": {"object": about}})


def post(port, text):
    """Post an event as Stripe does; the status, or None where nobody answered."""
    header = WebhookSignature.generate_signature_header(text, SECRET)
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as connection:
        try:
            connection.request("POST", "/stripe/webhook", text, {"Stripe-Signature": header})
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return None


def wait_until(holds):
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def listens(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=PATIENCE):
        return True
    return False


def wait_for(port):
    wait_until(lambda: listens(port))


def works(process):
    """Whether a worker holds the lock of its inbox."""
    with contextlib.suppress(OSError):
        return any(one.readlink().name == "inbox.db.worker" for one in Path(f"/proc/{process.pid}/fd").iterdir())
    return False


class Stripe(threading.Thread):
    """Posts events one after the other until each is taken, and now and then one that was taken before."""

    def __init__(self, port, numbers):
        super().__init__()
        self.port, self.numbers, self.taken = port, numbers, []

    def run(self):
        for number in self.numbers:
            while post(self.port, body(number)) != 200:
                time.sleep(0.02)
            self.taken.append(number)
            time.sleep(random.uniform(0, 0.2))
            if random.random() < 0.2:
                post(self.port, body(random.choice(self.taken)))


@pytest.mark.long("a service that is killed and started many times")
@pytest.mark.parametrize("seed", range(2))
def test_killed_at_random_points_no_event_is_lost_and_each_line_keeps_its_order(start, port, tmp_path, seed):
    random.seed(seed)
    processes = {"intake": start("intake"), "worker": start("worker")}
    wait_for(port)
    senders = [Stripe(port, range(first, 120, 3)) for first in range(3)]
    for sender in senders:
        sender.start()
    kills = collections.Counter()
    for kind in itertools.cycle(processes):
        # From the moment on at which there is something to kill.
        wait_until(lambda: listens(port) and works(processes["worker"]))
        time.sleep(random.uniform(0, 0.5))
        processes[kind].kill()
        processes[kind].wait()
        kills[kind] += 1
        processes[kind] = start(kind)
        if not any(sender.is_alive() for sender in senders):
            break
    inbox = Inbox(tmp_path / "inbox.db")
    deadline = time.monotonic() + PATIENCE
    while inbox.tally().counts["new"] and time.monotonic() < deadline:
        time.sleep(0.1)

    rows = inbox.rows()
    assert min(kills["intake"], kills["worker"]) >= 2
    assert {row.id: row.state for row in rows} == {f"evt_{number}": "done" for number in range(120)}
    assert {row.body.decode() for row in rows} == {body(number) for number in range(120)}
    # What was cut off was begun again; what was done was not.
    begun, ended = collections.Counter(), collections.Counter()
    open_of = {}
    for line in (tmp_path / "log").read_text().splitlines():
        process, what, subscription = line.split()
        if what == "begins":
            assert open_of.get(subscription, ("", ""))[0] != process, "two of one queue key at once"
            open_of[subscription] = (process, what)
            begun[subscription] += 1
        else:
            assert open_of.pop(subscription)[0] == process
            ended[subscription] += 1
    for number in range(SUBSCRIPTIONS):
        # At most one more each time that the worker was killed: between the end of the job and its record.
        assert 24 <= ended[f"sub_{number}"] <= begun[f"sub_{number}"] <= 24 + kills["worker"]
    with inbox._database() as database:
        for number in range(SUBSCRIPTIONS):
            order = database.execute(
                "SELECT seq, ended FROM event WHERE queue_key = ? ORDER BY seq", (f"sub_{number}",)
            )
            ends = [end for _seq, end in order]
            assert len(ends) == 24
            assert all(one <= other for one, other in itertools.pairwise(ends))


@pytest.mark.parametrize("kind", ["intake", "worker", "checkout"])
def test_it_ends_when_it_is_told_to(start, port, tmp_path, kind):
    Inbox(tmp_path / "inbox.db")
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(address))
        systemd.settimeout(PATIENCE)
        process = start(kind, fresh=True, NOTIFY_SOCKET=str(address))
        assert [systemd.recv(100) for _ in range(2)] == [b"READY=1", b"WATCHDOG=1"]
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) in (0, -signal.SIGTERM)


def test_two_workers_are_one_too_many(start, tmp_path):
    Inbox(tmp_path / "inbox.db")
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(address))
        systemd.settimeout(PATIENCE)
        start("worker", NOTIFY_SOCKET=str(address))
        systemd.recv(100)
        assert start("worker").wait(PATIENCE) == 1
    assert "another worker already processes" in (tmp_path / "worker.said").read_text()


def test_a_body_that_does_not_end_is_not_waited_for(start, port, tmp_path):
    start("impatient intake")
    wait_for(port)
    with socket.create_connection(("127.0.0.1", port), timeout=LONGER) as slow:
        started = time.monotonic()
        slow.sendall(b"POST /stripe/webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        assert post(port, body(1)) == 200
        assert slow.recv(100).startswith(b"HTTP/1.1 408")
        assert 8 / HURRY < time.monotonic() - started < PATIENCE


def test_no_secret_is_in_what_others_see_of_the_process(start, port, tmp_path):
    process = start("intake", fresh=True)
    wait_for(port)
    assert post(port, body(1)) == 200
    assert post(port, body(1) + " ") == 200
    forged = {"Stripe-Signature": WebhookSignature.generate_signature_header(body(1), "whsec_ofNobody123")}
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as connection:
        connection.request("POST", "/stripe/webhook", body(1), forged)
        assert connection.getresponse().status == 400
    of_process = Path("/proc") / str(process.pid)
    process_seen = b"".join((of_process / name).read_bytes() for name in ("cmdline", "environ"))
    process.terminate()
    process.wait(PATIENCE)
    seen = process_seen + b"".join(file.read_bytes() for file in tmp_path.iterdir() if file.name != "secrets")
    assert b"secrets" in process_seen
    assert SECRET.encode() not in seen


@pytest.mark.parametrize(("mode", "said"), [(0o644, "others can read"), (None, "No such file")])
def test_without_a_secret_of_its_own_it_does_not_begin(start, tmp_path, secrets_file, mode, said):
    secrets_file.unlink() if mode is None else secrets_file.chmod(mode)
    assert start("intake").wait(PATIENCE) == 1
    text = (tmp_path / "intake.said").read_text()
    assert said in text
    assert "Traceback" not in text

"""Traefik itself, with what is written for it, bounds what a stranger and a tenant's server take from others."""

import contextlib
import http.server
import json
import re
import socket
import ssl
import threading
import time
import urllib.request

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.common import metrics

from silo.tenant import secrets
from silo.tenant.model import derive
from silo.tenant.render import render
from silo_learning_gate import gate
from tests import templates
from tests.lab.command import LabError

from . import traefik
from .test_traefik import VARIABLES

HOST = "hans.swissphoto.ch"
BILLING = "billing.swissphoto.ch"
STARTING = "/starting"
# How long a stranger waits for an answer, and what is held for it: longer, so that whoever gets in is never answered
# while the others are held.
ANSWER_SECONDS, HOLD_SECONDS = 60, 600
NO_ANSWER = 0


class Answer(http.server.BaseHTTPRequestHandler):
    """Answers with the status in the path, and at /hold when it is told to."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_arguments):
        pass

    def _answer(self):
        self.server.asked.append((self.path, self.headers.get("X-Silo-Count")))
        if "/hold" in self.path:
            self.server.go_on.wait(HOLD_SECONDS)
        status = re.search(r"(\d{3})$", self.path)
        body = b"{}" if self.path.startswith(STARTING) else b"photo"
        self.wfile.write(b"HTTP/1.1 %s OK\r\nContent-Length: %d\r\n" % ((status or ["", "200"])[1].encode(), len(body)))
        self.wfile.write(b"Connection: close\r\n\r\n" + body)
        self.close_connection = True

    do_GET = do_POST = _answer


class Behind(http.server.ThreadingHTTPServer):
    """What is behind Traefik in one test, and what it was asked: of another test nothing counts here.

    It takes many at once, and ends with the test; who goes away before the answer is none of its trouble.
    """

    request_queue_size = 100
    daemon_threads = True

    def __init__(self):
        self.asked: list[tuple[str, str | None]] = []
        self.go_on = threading.Event()
        super().__init__(("127.0.0.1", 0), Answer)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_request):
        pass

    def wait_until_asked(self, count):
        deadline = time.monotonic() + ANSWER_SECONDS
        while time.monotonic() < deadline and len(self.asked) < count:
            time.sleep(0.02)
        assert len(self.asked) == count, self.asked


@pytest.fixture
def behind():
    """Everything that is behind Traefik."""
    with Behind() as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.go_on.set()
        server.shutdown()


@pytest.fixture
def running(behind, tmp_path):
    """Gives a function: a Traefik with hans' route and that of billing; without its program nothing can be told."""
    with contextlib.ExitStack() as stack:

        def start(**changes):
            values = VARIABLES | {"traefik_pages_url": behind.url, "traefik_billing_url": behind.url} | changes
            tenant = derive("hans", templates.HANS | {"tenant_state": "running", "tenant_certificate_resolver": ""})
            route = render(tenant, secrets.make()).route.replace(tenant.photo_server, behind.url)
            # The photo server of hans is this machine.
            route = route.replace(f"ClientIP(`{tenant.network.subnet}`)", "ClientIP(`127.0.0.0/8`)")
            files = {
                name: templates.render("traefik", f"{name}.j2", **values) for name in ("_base.yml", "_billing.yml")
            }
            static = templates.render("traefik", "traefik.yml.j2", **values)
            try:
                one = stack.enter_context(traefik.running(static, files | {"tenant-hans.yml": route}, tmp_path))
            except LabError as error:
                pytest.skip(str(error))
            assert one.errors == []
            return Client(one)

        yield start


class Client:
    """Strangers on the internet, from several addresses."""

    def __init__(self, one):
        self.one, self.context = one, ssl.create_default_context()
        # No authority has signed the certificate that Traefik makes for itself.
        self.context.check_hostname = False
        self.context.verify_mode = ssl.CERT_NONE

    def open(self, source="127.0.0.1"):
        place = ("127.0.0.1", self.one.ports["websecure"])
        connected = socket.create_connection(place, ANSWER_SECONDS, (source, 0))
        return self.context.wrap_socket(connected, server_hostname=HOST)

    def begin(self, path, *headers, source="127.0.0.1", host=HOST):
        """Send a request; it is under way until its answer is read."""
        opened = self.open(source)
        lines = [f"POST {path} HTTP/1.1", f"Host: {host}", "Connection: close", *headers, "", ""]
        opened.sendall("\r\n".join(lines).encode())
        return opened

    def status(self, path, *headers, source="127.0.0.1", host=HOST):
        with self.begin(path, *headers, source=source, host=host) as opened:
            return status_of(opened)

    def codes(self):
        """The statuses that count in Traefik's metrics, of hans' routes."""
        url = f"http://127.0.0.1:{self.one.ports['local']}/metrics"
        with urllib.request.urlopen(url, timeout=ANSWER_SECONDS) as answer:
            found = answer.read().decode()
        return set(re.findall(r'code="(\d+)"[^\n]*router="tenant-hans', found))


def status_of(opened):
    """The status that it is answered with, or NO_ANSWER."""
    try:
        return int(opened.recv(64).split()[1])
    except TimeoutError:
        return NO_ANSWER


def test_a_header_is_refused_before_it_ends(running):
    client = running()
    assert client.status("/200", f"X-Long: {'a' * 10_000}") == 200
    with client.open() as opened:
        opened.sendall(f"GET / HTTP/1.1\r\nHost: {HOST}\r\nX-Long: {'a' * 24_000}".encode())
        assert status_of(opened) == 431


@pytest.mark.parametrize("path", ["/", "/api/", "/api/auth/login/"])
def test_a_status_that_nobody_understands_is_one_of_ours(running, path):
    client = running(traefik_login_burst=100)
    assert [client.status(f"{path}{code}") for code in (201, 207, 404, 418, 502, 777, 999)] == [
        *(201, 502, 404, 502, 503, 502, 502)
    ]


@pytest.mark.long("hundreds of requests")
def test_a_tenant_does_not_multiply_traefik_s_numbers(running):
    client = running()
    for code in range(200, 1000, 7):
        client.status(f"/{code}")
    assert {"200", "502"} < client.codes()
    assert not {code for code in client.codes() if code[0] in "6789"}
    assert len(client.codes()) < metrics.CODES
    # The accounting reads it, whatever the tenant has done.
    _started, counts = metrics.parse(metrics.read(client.one.ports["local"]))
    assert sum(one.value for one in counts if one.counter == metrics.REQUESTS) == len(range(200, 1000, 7))


def test_the_machine_learning_does_not_either(running):
    client = running(traefik_machine_learning_url="http://127.0.0.1:1")
    (learning,) = (one for name, one in client.one.objects("routers").items() if name == "tenant-hans-ml@file")
    assert "statuses@file" in learning["middlewares"]
    assert learning["status"] == "enabled"


@pytest.mark.parametrize(
    "path",
    [
        "/predict",
        "/../maria/predict",
        "//maria/predict",
        "/%2e%2e/maria/predict",
        "/..%2fmaria/predict",
        "/maria/predict",
    ],
)
def test_the_gate_is_told_who_asks_whatever_the_path(running, behind, path):
    client = running(traefik_machine_learning_url=behind.url)
    with socket.create_connection(("127.0.0.1", client.one.ports["machinelearning"]), ANSWER_SECONDS) as opened:
        headers = "Host: maria\r\nX-Forwarded-Prefix: /maria\r\nX-Replaced-Path: /maria/predict\r\nContent-Length: 0"
        opened.sendall(f"POST {path} HTTP/1.1\r\n{headers}\r\nConnection: close\r\n\r\n".encode())
        status = status_of(opened)
    # Either Traefik refuses the path, or it is one of hans', and never another tenant's to the gate.
    assert status == 400 or [gate.PATH.fullmatch(asked)[1] for asked, _count in behind.asked] == ["hans"]
    if path == "/predict":
        assert [asked for asked, _count in behind.asked] == ["/hans/predict"]


def test_one_source_holds_few_requests_and_all_together_a_few_more(running, behind):
    client = running(traefik_requests_of_source=3, traefik_requests_of_route=5)
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(client.begin("/hold")) for _number in range(3)]
        behind.wait_until_asked(3)
        # What a client says of itself is nothing, neither a host name in capitals nor a header.
        assert client.status("/200") == 429
        assert client.status("/200", "X-Silo-Count: another", "X-Forwarded-For: 192.0.2.7") == 429
        assert client.status("/200", host="HANS.swissphoto.ch") == 429
        held += [stack.enter_context(client.begin("/hold", source="127.0.0.2")) for _number in range(2)]
        behind.wait_until_asked(5)
        assert client.status("/200", "X-Silo-Count: another", source="127.0.0.3") == 429
        # Another address of this server is not concerned.
        assert client.status("/", host="nobody.swissphoto.ch") == 200
        behind.go_on.set()
        assert [status_of(opened) for opened in held] == [200] * 5
    assert client.status("/200") == 200
    assert {count for _path, count in behind.asked} == {None}


def test_an_event_of_stripe_is_not_kept_here_until_it_is_complete(running):
    """The intake has it although the body has only begun; what it answers then, such as 413, reaches the sender."""
    client = running(traefik_billing_path="/stripe/413")
    with client.begin("/stripe/413", "Content-Length: 1048577", host=BILLING) as opened:
        opened.sendall(b"{" + b"x" * 1000)
        assert status_of(opened) == 413
    # Not even a byte of the body is needed.
    with client.begin("/stripe/413", "Content-Length: 1048577", host=BILLING) as opened:
        assert status_of(opened) == 413


def test_one_source_sends_few_events_at_once(running, behind):
    client = running(traefik_billing_requests_of_source=2, traefik_billing_path="/stripe/hold")
    with contextlib.ExitStack() as stack:
        for _number in range(2):
            stack.enter_context(client.begin("/stripe/hold", "Content-Length: 0", host=BILLING))
        behind.wait_until_asked(2)
        assert client.status("/stripe/hold", "Content-Length: 0", host=BILLING) == 429
        behind.go_on.set()


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/checkout", "/checkout"),
        ("/pay", "/pay"),
        ("/plans", "/unknown/auto/plans"),
        ("/metrics", "/unknown/auto/metrics"),
        ("/checkout/", "/unknown/auto/checkout/"),
        # Traefik cleans a path before it looks whose it is.
        ("//checkout", "/checkout"),
    ],
)
def test_of_the_checkout_its_own_paths_are_reached_and_nothing_else(running, behind, path, asked):
    client = running(traefik_checkout_url=behind.url)
    assert client.status(path, "Content-Length: 0", host=BILLING) in (200, 301, 404)
    # Either it is one of its paths, or the page for what nobody has.
    assert {found for found, _count in behind.asked} <= {asked}
    if asked == path:
        assert [found for found, _count in behind.asked] == [asked]


def test_one_source_orders_little_and_another_is_not_concerned(running, behind):
    client = running(traefik_checkout_url=behind.url, traefik_checkout_requests_per_minute=5)
    statuses = [client.status("/checkout", "Content-Length: 0", host=BILLING) for _time in range(8)]
    assert statuses.count(429) >= 2
    assert statuses[:5] == [200] * 5
    assert client.status("/checkout", "Content-Length: 0", source="127.0.0.2", host=BILLING) == 200


def test_all_of_it_is_what_servers_have(running):
    """Each of these is in the static configuration as Traefik itself has read it."""
    points = running().one.static["entryPoints"]
    assert {name: point["http"]["maxHeaderBytes"] for name, point in points.items() if name != traefik.API} == (
        dict.fromkeys(("web", "websecure", "machinelearning", "local"), 16384)
    )
    assert points["websecure"]["http2"]["maxConcurrentStreams"] == 100
    assert json.dumps(points["websecure"]["transport"]["respondingTimeouts"])

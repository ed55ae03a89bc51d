"""Traefik's metrics: what is kept of them, and what is said where they do not come."""

import http.server
import threading

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.common import metrics

from tests.unit.patience import PATIENCE

REQUESTS = 'traefik_router_requests_total{code="200",method="GET",protocol="http",router="%s",service="s@file"} 7\n'
HANS = REQUESTS % "tenant-hans@file"
OTHERS = [
    "# HELP process_start_time_seconds Start time of the process since unix epoch in seconds.\n",
    "go_goroutines 42\n",
    HANS.replace("requests_total", "request_duration_seconds_bucket"),
    HANS.replace("router_", "service_"),
    *[REQUESTS % f"{router}@file" for router in ("unknown", "tenant-hans-ml", "tenant-hans-api", "tenant-Hans")],
]
# Of these, the sums by counter, route and status.
KEPT = [
    "process_start_time_seconds 1.79e+09\n",
    HANS,
    HANS.replace("requests_total", "requests_bytes_total"),
    HANS.replace("requests_total", "responses_bytes_total"),
]
SUMS = [
    KEPT[0],
    *[
        f'{counter}{{code="200",router="tenant-hans@file"}} 7\n'
        for counter in (metrics.REQUESTS, metrics.RECEIVED, metrics.SENT)
    ],
]


def answered(code, method="GET"):
    return HANS.replace("200", str(code)).replace("GET", method)


@pytest.fixture
def traefik():
    servers = []

    def start(body, code=200):
        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_arguments):
                pass

            def do_GET(self):
                self.send_response(code if self.path == "/metrics" else 404)
                self.end_headers()
                self.wfile.write(body.encode())

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        servers.append(server)
        return server.server_address[1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_only_what_was_served_for_tenants_is_kept(traefik):
    mixed = [line for pair in zip(OTHERS, [*KEPT, *[""] * len(OTHERS)], strict=False) for line in pair]
    assert metrics.read(traefik("".join(mixed))) == "".join(SUMS)


def test_what_a_client_chooses_is_one_sum(traefik):
    """Methods and protocols; of statuses, what a tenant's server chooses, the first ones and the rest."""
    ways = [HANS, HANS.replace("GET", "PUT"), HANS.replace('"http"', '"sse"').replace(" 7", " 1.2e+02")]
    assert metrics.read(traefik("".join(ways))) == SUMS[1].replace(" 7", " 134")
    started, counts = metrics.parse(metrics.read(traefik(KEPT[0] + "".join(map(answered, range(100, 1000))))))
    assert (started, len(counts)) == (1.79e9, metrics.CODES + 1)
    assert {one.code: one.value for one in counts}[metrics.OTHER] == 7 * (900 - metrics.CODES)
    assert sum(one.value for one in counts) == 7 * 900


def test_one_tenant_at_its_worst_costs_the_others_nothing(traefik):
    worst = "".join(answered(code, method) for code in range(100, 1000) for method in ("GET", "PUT", "HEAD"))
    text = metrics.read(traefik(KEPT[0] + worst + HANS.replace("hans", "maria")))
    assert text.endswith(SUMS[1].replace("hans", "maria"))
    assert len(text) < 100 * (metrics.CODES + 3)


def test_a_count_that_is_none_is_told(traefik):
    with pytest.raises(metrics.MetricsError, match="which is no count"):
        metrics.read(traefik(HANS.replace(" 7", " 1e+999")))


def test_what_is_read_has_a_bound(traefik, monkeypatch):
    monkeypatch.setattr(metrics, "READ_LIMIT", 10_000)
    with pytest.raises(metrics.MetricsError, match="more than can be read"):
        metrics.read(traefik("go_goroutines 42\n" * 1000))


def test_a_line_without_an_end_is_not_kept(traefik):
    endless = HANS.replace("200", "2" * 10_000)
    assert metrics.read(traefik(endless + KEPT[0])) == KEPT[0]
    assert metrics.read(traefik(KEPT[0] + HANS.strip())) == KEPT[0]


def test_a_refusal_is_told(traefik):
    port = traefik("", 500)
    with pytest.raises(metrics.MetricsError, match=f"Traefik answers /metrics at port {port} with 500"):
        metrics.read(port)


def test_a_traefik_that_is_not_there_is_told():
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    port = server.server_address[1]
    server.server_close()
    with pytest.raises(metrics.MetricsError, match=f"Traefik does not return its metrics at port {port}"):
        metrics.read(port)


def test_a_traefik_that_hangs_is_not_waited_for_for_ever(monkeypatch):
    monkeypatch.setattr(metrics, "SECONDS", 0.3)
    held = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_arguments):
            pass

        def do_GET(self):
            held.wait(PATIENCE)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        with pytest.raises(metrics.MetricsError, match="timed out"):
            metrics.read(server.server_address[1])
    finally:
        held.set()
        server.shutdown()
        server.server_close()


def test_what_was_counted_is_read_by_part():
    learning = (REQUESTS % "tenant-hans-ml@file").replace('code="200"', 'code="502"')
    text = "".join([*KEPT, learning, *OTHERS])
    started, counts = metrics.parse(text)
    assert started == 1.79e9
    assert [(one.counter, one.tenant, one.code, one.value) for one in counts if one.counter in metrics.COUNTERS] == [
        (counter, "hans", "200", 7) for counter in metrics.COUNTERS
    ]
    (failed,) = metrics.parse(learning + KEPT[0], metrics.LEARNING)[1]
    assert (failed.tenant, failed.code, failed.value) == ("hans", "502", 7)


@pytest.mark.parametrize(
    "text", ["", HANS, KEPT[0] + HANS.replace(" 7", " 1e+999"), KEPT[0] + HANS.replace(" 7", " 7e")]
)
def test_what_cannot_be_counted_is_an_error(text):
    with pytest.raises(ValueError, match="."):
        metrics.parse(text)

"""What strangers and tenants can take from all others: each check says so where its one wall is not there."""

import http.server
import re
import socket
import socketserver
import ssl
import threading
from pathlib import Path

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.command import CommandError, Completed
from ansible_collections.swissphoto.silo.plugins.module_utils.common import metrics
from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics import edge

from tests import templates
from tests.lab import certificates
from tests.lab.state import Directory

# As nft lists what the template of the firewall has.
LISTED = Path(__file__).with_name("edge.nft").read_text()
STARTED = "process_start_time_seconds 1.79e+09\n"
BASE = """http:
  middlewares:
    requests-of-source:
      inFlightReq: {amount: 400, sourceCriterion: {ipStrategy: {ipv6Subnet: 64}}}
    requests-of-all:
      inFlightReq: {amount: 1000, sourceCriterion: {requestHeaderName: X-Silo-Count}}
"""
ROUTE = "http:\n  routers:\n    tenant-hans:\n      middlewares:\n      - hsts@file\n      - requests@file\n"


@pytest.fixture
def of_rules(given):
    """Gives a function: the finding of a check where the kernel has these rules, and the operator wants this."""

    def of(check, rules=LISTED, **wanted):
        given.parameters |= wanted
        (finding,) = check(given.server(lambda _argv: Completed(0, rules)))
        return finding

    return of


@pytest.mark.parametrize("check", [edge.connection_limits, edge.connection_table, edge.root_ports])
def test_the_rules_of_the_template_hold(of_rules, check):
    assert of_rules(check).ok


def test_the_listing_is_that_of_the_template():
    """So that the checks read what a server has; nft writes a set of one without its braces."""
    text = templates.render("host", "firewall.nft.j2", __host_ssh={"ports": [22]})
    marks = ("ct count", "notrack", "skuid")
    written = [line.strip() for line in text.splitlines() if any(mark in line for mark in marks)]
    listed = [line.strip().replace('"lo"', "lo") for line in LISTED.splitlines() if any(mark in line for mark in marks)]
    assert [re.sub(r"\{ (\d+) \}", r"\1", line) for line in written] == listed


@pytest.mark.parametrize(
    ("before", "after", "seen"),
    [
        ("ip saddr ct count over 400", "ip saddr ct count over 4000", "sources_ipv4: 4000 in place of 400"),
        ("add @sources_ipv6", "add @others", "sources_ipv6: no limit in place of 400"),
        ("mod 32 ct count over 125", "mod 32 ct count over 65535", "shares: 65535 in place of 125"),
        ("iifname ct count over 100", "iifname ct count over 1000", "bridges: 1000 in place of 100"),
    ],
)
def test_a_limit_that_is_not_there_or_is_another(of_rules, before, after, seen):
    assert before in LISTED
    finding = of_rules(edge.connection_limits, LISTED.replace(before, after))
    assert (finding.ok, finding.seen, finding.fix) == (False, seen, "run playbooks/site.yml")


def test_what_the_operator_limits_alone_is_asked(of_rules):
    without = "\n".join(line for line in LISTED.splitlines() if "80, 443" not in line)
    assert not of_rules(edge.connection_limits, without).ok
    assert of_rules(edge.connection_limits, without, limited_ports=[]).ok


def test_a_bridge_that_fills_the_table_of_all(of_rules):
    finding = of_rules(edge.connection_table, LISTED.replace("notrack", "accept"))
    assert (finding.ok, finding.seen) == (False, "what im-* sends itself is in it")
    assert not of_rules(edge.connection_table, tenant_interfaces=["im-*", "vm-*"]).ok


def test_a_nas_that_every_user_reaches(of_rules):
    finding = of_rules(edge.root_ports, LISTED.replace("meta skuid != 0 drop", "accept"))
    assert (finding.ok, finding.seen) == (False, "port 2049 is open to every user")
    assert not of_rules(edge.root_ports, root_ports=[2049, 20490]).ok
    assert of_rules(edge.root_ports, LISTED.replace("dport 2049", "dport { 2049, 20490 }")).ok


def test_rules_that_cannot_be_read_are_no_rules(given):
    def broken(argv):
        raise CommandError(argv, Completed(127, err="nft is not installed on this host"))

    for check in (edge.connection_limits, edge.connection_table, edge.root_ports):
        assert [finding.ok for finding in check(given.server(broken))] == [False]


@pytest.fixture(scope="module")
def secured(tmp_path_factory):
    """Gives a function: the port at which somebody answers to a header, by TLS, after so many bytes."""
    folder = Directory(tmp_path_factory.mktemp("tls"), "silo-test")
    folder.make()
    certificates.ensure(folder, ["silo.invalid"], ["127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder.certificate, folder.key)
    servers = []

    def start(after, answer):
        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                with context.wrap_socket(self.request, server_side=True) as opened:
                    size = 0
                    while size < after and (part := opened.recv(65536)):
                        size += len(part)
                    opened.sendall(answer)
                    # A connection that is closed before all is read loses its answer.
                    while answer and opened.recv(65536):
                        pass

        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        servers.append(server)
        return server.server_address[1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("after", "answer", "seen"),
    [
        (16_400, b"HTTP/1.1 431 Request Header Fields Too Large\r\n\r\n", "refused"),
        (1_000_000, b"", "24576 bytes of a header are kept, and more are waited for"),
        (100, b"HTTP/1.1 200 OK\r\n\r\n", "answered with 'HTTP/1.1 200 OK'"),
    ],
)
def test_a_header_that_has_no_end(given, secured, monkeypatch, after, answer, seen):
    monkeypatch.setattr(edge, "SECONDS", 2.0)
    given.parameters |= {"header_bytes": 16384, "https_port": secured(after, answer)}
    (finding,) = edge.header_limit(given.server())
    assert (finding.seen, finding.ok) == (seen, seen == "refused")


def test_a_header_that_nobody_reads(given):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    given.parameters |= {"header_bytes": 16384, "https_port": port}
    (finding,) = edge.header_limit(given.server())
    assert not finding.ok


def line(code, tenant="hans", value=1):
    return (
        f'traefik_router_requests_total{{code="{code}",method="GET",protocol="http",router="tenant-{tenant}@file",'
        f'service="s@file"}} {value}\n'
    )


@pytest.fixture
def traefik():
    class Handler(http.server.BaseHTTPRequestHandler):
        text = ""

        def log_message(self, *_arguments):
            pass

        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(self.text.encode())

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

    def say(text):
        Handler.text = text
        return server.server_address[1]

    yield say
    server.shutdown()
    server.server_close()


def test_a_tenant_that_multiplies_numbers(given, traefik):
    few = STARTED + "".join(line(code) for code in range(200, 200 + metrics.CODES))
    given.parameters["metrics_port"] = traefik(few + line(200, "maria"))
    assert [finding.ok for finding in edge.status_codes(given.server())] == [True]
    traefik(few + line(777) + line(200, "maria"))
    (finding,) = edge.status_codes(given.server())
    assert (finding.ok, finding.seen) == (False, "hans has 64 and more")
    traefik("")
    assert [finding.ok for finding in edge.status_codes(given.server())] == [False]


@pytest.fixture
def routes(given, tmp_path):
    given.parameters |= {"routes": str(tmp_path), "requests_of_source": 400, "requests_of_route": 1000}
    (tmp_path / "_base.yml").write_text(BASE)
    (tmp_path / "tenant-hans.yml").write_text(ROUTE)
    return tmp_path


def test_requests_that_have_a_limit(given, routes):
    # Maria's route is not written yet.
    assert [finding.ok for finding in edge.requests(given.server())] == [True]
    found = templates.render("traefik", "_base.yml.j2", traefik_pages_url="http://10.82.0.18:8080")
    (routes / "_base.yml").write_text(found)
    assert [finding.ok for finding in edge.requests(given.server())] == [True]


@pytest.mark.parametrize(
    ("file", "before", "after", "seen"),
    [
        ("_base.yml", "amount: 400", "amount: 4000", "requests-of-source is not 400"),
        ("_base.yml", "requests-of-all", "requests-of-none", "requests-of-all is not 1000"),
        ("tenant-hans.yml", "      - requests@file\n", "", "hans has no limit"),
    ],
)
def test_requests_without_a_limit(given, routes, file, before, after, seen):
    path = routes / file
    path.write_text(path.read_text().replace(before, after))
    (finding,) = edge.requests(given.server())
    assert (finding.ok, finding.seen) == (False, seen)


def test_routes_that_cannot_be_read(given, routes):
    (routes / "_base.yml").unlink()
    (finding,) = edge.requests(given.server())
    assert "cannot be read" in finding.seen

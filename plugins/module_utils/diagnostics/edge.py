# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of what a stranger or a tenant can take from all others: connections, the proxy's memory, its numbers."""

from __future__ import annotations

import collections
import math
import re
import socket
import ssl
from collections.abc import Iterator

from ..command import CommandError, run
from ..common import metrics
from ..common.tls import unverified
from .finding import Finding, holds, none_of, same
from .registry import check
from .snapshot import ASK
from .subjects import SITE, Server

RULES = (*ASK, "table", "inet", "silo_firewall")
COUNTED = re.compile(r"add @(\w+) \{ [^}]* ct count over (\d+) \} drop")
ROOT_ALONE = re.compile(r"th dport (?:\{ )?([\d, ]+?)(?: \})? meta skuid != 0 drop")
# The firewall counts all connections together in so many parts.
SHARES = 32
HTTPS = 443
SECONDS = 3.0
# Go reads a little more than it is told, before it refuses.
SLACK = 8192
REFUSED = b"431"


def _rules(server: Server) -> str:
    """Return the rules in the kernel; empty if there are none, which the check `firewall` reports."""
    try:
        return run(server.runner, RULES)
    except CommandError:
        return ""


@check("connection_limits", scope="server", fix=SITE)
def connection_limits(server: Server) -> Finding | None:
    """Check that the kernel bounds connections: of one source, of all together, and of one bridge."""
    expected = server.expected
    if not expected.number("bridge_connections", 0):
        return None
    wanted = {"bridges": int(expected.number("bridge_connections", 0))}
    if expected.texts("limited_ports"):
        source = int(expected.number("source_connections", 0))
        whole = math.ceil(expected.number("connections", 0) / SHARES)
        wanted |= {"sources_ipv4": source, "sources_ipv6": source, "shares": whole}
    seen = collections.defaultdict(set)
    for name, number in COUNTED.findall(_rules(server)):
        seen[name].add(int(number))
    wrong = [
        f"{name}: {_numbers(seen[name])} in place of {most}" for name, most in wanted.items() if seen[name] != {most}
    ]
    told = ", ".join(f"{name}: {most}" for name, most in sorted(wanted.items()))
    return none_of(wrong, told, told)


def _numbers(found: set[int]) -> str:
    return ", ".join(map(str, sorted(found))) or "no limit"


@check("connection_table", scope="server", fix=SITE)
def connection_table(server: Server) -> Finding:
    """Check that what stays on a tenant's bridge is not in the kernel's table of connections, which all share."""
    rules = _rules(server)
    tracked = [
        f"what {interface} sends itself is in it"
        for interface in server.expected.texts("tenant_interfaces")
        if f'iifname "{interface}" fib daddr type != local notrack' not in rules
    ]
    return none_of(tracked, "nothing of a tenant's bridge", "nothing of a tenant's bridge")


@check("root_ports", scope="server", fix=SITE)
def root_ports(server: Server) -> Finding | None:
    """Check that only root and the kernel reach the ports at which a NAS trusts this server."""
    wanted = server.expected.texts("root_ports")
    if not wanted:
        return None
    closed = {port.strip() for ports in ROOT_ALONE.findall(_rules(server)) for port in ports.split(",")}
    open_to_all = [f"port {port} is open to every user" for port in wanted if port not in closed]
    return none_of(open_to_all, f"{', '.join(wanted)} for root alone", "for root alone")


@check("header_limit", scope="server", fix=SITE)
def header_limit(server: Server) -> Finding | None:
    """Check that Traefik refuses a header before it is complete, once it is larger than agreed."""
    most = int(server.expected.number("header_bytes", 0))
    if not most:
        return None
    port = int(server.expected.number("https_port", HTTPS))
    return same(_answer_to_a_large_header(port, most + SLACK), "refused")


def _answer_to_a_large_header(port: int, size: int) -> str:
    # Nothing secret is sent, so the certificate does not matter; the check `tls` is about that.
    context = unverified()
    try:
        opened = socket.create_connection(("127.0.0.1", port), SECONDS)
    except OSError as error:
        return f"nobody answers: {error}"
    try:
        with opened, context.wrap_socket(opened, server_hostname="silo.invalid") as secured:
            secured.sendall(b"GET / HTTP/1.1\r\nHost: silo.invalid\r\nX-Long: " + b"a" * size)
            line = secured.recv(64).split(b"\r\n")[0]
    except TimeoutError:
        return f"{size} bytes of a header are kept, and more are waited for"
    except (ConnectionError, ssl.SSLEOFError):
        return "refused"
    except OSError as error:
        return f"no answer: {error}"
    # An end without an answer keeps no header either.
    return "refused" if not line or REFUSED in line.split() else f"answered with {line.decode(errors='replace')!r}"


@check("status_codes", scope="server", fix=SITE)
def status_codes(server: Server) -> Iterator[Finding]:
    """Check that no tenant multiplies Traefik's metrics by statuses of its own."""
    port = int(server.expected.number("metrics_port", 0))
    if not port:
        return
    try:
        _started, counts = metrics.parse(metrics.read(port))
    except (metrics.MetricsError, ValueError) as error:
        yield holds(False, str(error), "Traefik's metrics")
        return
    codes: dict[str, set[str]] = collections.defaultdict(set)
    for count in counts:
        codes[count.tenant].add(count.code)
    too_many = [
        f"{name} has {metrics.CODES} and more" for name, found in sorted(codes.items()) if metrics.OTHER in found
    ]
    few = f"fewer than {metrics.CODES} statuses of each tenant"
    yield none_of(too_many, few, few)


@check("requests", scope="server", fix=SITE)
def requests(server: Server) -> Finding | None:
    """Check that Traefik bounds the requests under way at each tenant."""
    folder = server.expected.text("routes")
    if not folder:
        return None
    routes = server.expected.path("routes", folder)
    wanted = {
        "requests-of-source": int(server.expected.number("requests_of_source", 0)),
        "requests-of-all": int(server.expected.number("requests_of_route", 0)),
    }
    try:
        base = (routes / "_base.yml").read_text(encoding="utf-8")
        wrong = [
            f"{name} is not {most}"
            for name, most in wanted.items()
            if not re.search(rf"^    {name}:\n      inFlightReq: \{{amount: {most},", base, re.MULTILINE)
        ]
        for tenant in server.tenants:
            path = routes / f"tenant-{tenant.name}.yml"
            if path.exists() and "- requests@file\n" not in path.read_text(encoding="utf-8"):
                wrong.append(f"{tenant.name} has no limit")
    except OSError as error:
        return holds(False, f"the routes cannot be read: {error}", "a limit for each tenant")
    return none_of(wrong, "a limit for each tenant", "a limit for each tenant")

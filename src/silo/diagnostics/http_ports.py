"""Checks of ports 80 and 443 of a server, as a customer's browser sees them: does Traefik answer?"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import http.client
import json
import socket
import ssl
import threading
import typing as t
from collections.abc import Callable, Iterator

from ansible_collections.swissphoto.silo.plugins.module_utils.common.tls import unverified
from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics.registry import PREFLIGHT

from silo.diagnostics import Finding
from silo.diagnostics.engine import check
from silo.diagnostics.server import Server

SECONDS = 5.0
LARGEST = 64 * 1024
REDIRECTS = (301, 302, 307, 308)
# The page for an unknown name, in the form for programs; role `pages`.
PATH, STATUS, REASON = "/api", 404, "unknown"


@dataclasses.dataclass(frozen=True)
class Reply:
    """An HTTP answer; `body` is its beginning."""

    status: int
    location: str
    body: bytes


class _Connection(http.client.HTTPConnection):
    """An HTTP connection over a socket that is open already."""

    def __init__(self, host: str, opened: socket.socket) -> None:
        super().__init__(host)
        self.sock = opened


def _shut(opened: socket.socket) -> None:
    with contextlib.suppress(OSError):
        opened.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def _opened(address: str, port: int, seconds: float) -> Iterator[socket.socket]:
    """Connect, and close the connection after the deadline; a socket's own time-out restarts with each byte."""
    # TLS detaches its socket, so this duplicate closes the connection.
    with socket.create_connection((address, port), timeout=seconds) as opened, opened.dup() as same:
        watch = threading.Timer(seconds, _shut, (same,))
        watch.start()
        try:
            yield opened
        finally:
            watch.cancel()


def _get(opened: socket.socket, host_name: str, path: str) -> Reply:
    connection = _Connection(host_name, opened)
    connection.request("GET", path, headers={"Connection": "close", "Accept": "application/json"})
    answer = connection.getresponse()
    return Reply(answer.status, answer.getheader("Location", ""), answer.read(LARGEST))


def _closed(server: str, address: str, port: int, error: Exception, seconds: float) -> tuple[str, str]:
    """Return the message and the fix for a port that gives no HTTP answer."""
    start = f"run playbooks/site.yml, or read `docker logs silo-traefik-traefik-1` on {server}"
    if isinstance(error, ConnectionRefusedError):
        return f"no program listens at {address} port {port}: Traefik does not run", start
    if isinstance(error, ssl.SSLError):
        what = error.reason or error.strerror or type(error).__name__
        return f"{address} port {port} answers without TLS ({what}): it is not Traefik", (
            f"`ss -ltnp 'sport = :{port}'` on {server} names the program; stop it, then {start}"
        )
    if isinstance(error, TimeoutError):
        return f"{address} port {port} does not answer within {seconds:g} seconds", (
            f"open TCP port {port} in the provider's firewall and in that of {server}; if it is open, {start}"
        )
    what = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return f"{address} port {port} cannot be reached, or does not answer by HTTP: {what}", (
        f"check that TCP port {port} of {server} is open, and that Traefik listens on it; then {start}"
    )


def check_http(server: str, address: str, host_name: str, port: int = 80, seconds: float = SECONDS) -> Finding:
    """Check that port 80 redirects to HTTPS, as Traefik does."""
    check_id = "port_80"
    try:
        with _opened(address, port, seconds) as opened:
            reply = _get(opened, host_name, "/")
    except (OSError, http.client.HTTPException) as error:
        return Finding(check_id, server, "wrong", *_closed(server, address, port, error, seconds))
    if reply.status in REDIRECTS and f"{reply.location}/".startswith(f"https://{host_name}/"):
        return Finding(check_id, server, "ok", f"Traefik answers at {address} and redirects to HTTPS")
    text = f"{address} port {port} does not redirect to HTTPS (status {reply.status}): it is not Traefik"
    return Finding(check_id, server, "wrong", text, _stranger(server, port))


def check_https(server: str, address: str, host_name: str, port: int = 443, seconds: float = SECONDS) -> Finding:
    """Check that port 443 returns silo's page for an unknown name, through Traefik."""
    check_id = "port_443"
    try:
        with (
            _opened(address, port, seconds) as opened,
            # The name is unused, so it has no certificate; the request contains no secret.
            unverified().wrap_socket(opened, server_hostname=host_name) as tls,
        ):
            reply = _get(tls, host_name, PATH)
    except (OSError, http.client.HTTPException) as error:
        return Finding(check_id, server, "wrong", *_closed(server, address, port, error, seconds))
    if reply.status == STATUS and _reason(reply.body) == REASON:
        return Finding(check_id, server, "ok", f"Traefik answers at {address}, with silo's page for an unknown name")
    if reply.status in (500, 502, 503, 504):
        text = f"Traefik answers at {address}, but the pages behind it do not (status {reply.status})"
        fix = f"run playbooks/site.yml, or read `docker logs silo-pages-pages-1` on {server}"
        return Finding(check_id, server, "wrong", text, fix)
    text = f"{address} port {port} does not return silo's page for an unknown name"
    return Finding(check_id, server, "wrong", f"{text} (status {reply.status})", _stranger(server, port))


@check("port_80", scope="server", selections=PREFLIGHT)
def port_80(server: Server) -> list[Finding]:
    """Check port 80 at every address of a server."""
    return _at_every_address(check_http, server)


@check("port_443", scope="server", selections=PREFLIGHT)
def port_443(server: Server) -> list[Finding]:
    """Check port 443 at every address of a server."""
    return _at_every_address(check_https, server)


def _at_every_address(check_port: Callable[[str, str, str], Finding], server: Server) -> list[Finding]:
    if not server.addresses:
        return []
    with concurrent.futures.ThreadPoolExecutor(len(server.addresses)) as pool:
        return list(pool.map(lambda address: check_port(server.name, address, server.unused_name), server.addresses))


def _stranger(server: str, port: int) -> str:
    return (
        f"`ss -ltnp 'sport = :{port}'` on {server} names the program; if it is not Traefik, stop it; "
        "then run playbooks/site.yml"
    )


def _reason(body: bytes) -> t.Any:
    try:
        said = json.loads(body)
    except ValueError:
        return None
    return said.get("reason") if isinstance(said, dict) else None

"""Checks of ports 80 and 443 of a server, as a customer's browser sees them: does Traefik answer?"""

from __future__ import annotations

import concurrent.futures
import ssl
import typing as t
from collections.abc import Callable

from ansible_collections.swissphoto.silo.plugins.module_utils.common import http_client
from ansible_collections.swissphoto.silo.plugins.module_utils.common.http_client import (
    REDIRECTS,
    Answer,
    HttpError,
    Route,
)
from ansible_collections.swissphoto.silo.plugins.module_utils.common.text import printable
from ansible_collections.swissphoto.silo.plugins.module_utils.common.tls import unverified
from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics.registry import PREFLIGHT

from silo.diagnostics import Finding
from silo.diagnostics.engine import check
from silo.diagnostics.server import Server

SECONDS = 5.0
# The page for an unknown name, in the form for programs; role `pages`.
PATH, STATUS, REASON = "/api", 404, "unknown"


def _closed(server: str, address: str, port: int, error: BaseException, seconds: float) -> tuple[str, str]:
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
    what = printable(str(getattr(error, "strerror", None) or error or type(error).__name__))
    return f"{address} port {port} cannot be reached, or does not answer by HTTP: {what}", (
        f"check that TCP port {port} of {server} is open, and that Traefik listens on it; then {start}"
    )


def check_http(server: str, address: str, host_name: str, port: int = 80, seconds: float = SECONDS) -> Finding:
    """Check that port 80 redirects to HTTPS, as Traefik does."""
    check_id = "port_80"
    try:
        reply = http_client.ask(f"http://{host_name}/", seconds=seconds, route=Route(address=(address, port)))
    except HttpError as error:
        return Finding(check_id, server, "wrong", *_closed(server, address, port, error.__cause__ or error, seconds))
    location = reply.headers.get("location", "")
    if reply.status in REDIRECTS and f"{location}/".startswith(f"https://{host_name}/"):
        return Finding(check_id, server, "ok", f"Traefik answers at {address} and redirects to HTTPS")
    text = f"{address} port {port} does not redirect to HTTPS (status {reply.status}): it is not Traefik"
    return Finding(check_id, server, "wrong", text, _stranger(server, port))


def check_https(server: str, address: str, host_name: str, port: int = 443, seconds: float = SECONDS) -> Finding:
    """Check that port 443 returns silo's page for an unknown name, through Traefik."""
    check_id = "port_443"
    # The name is unused, so it has no certificate; the request contains no secret.
    route = Route(address=(address, port), tls=unverified())
    headers = {"Accept": "application/json"}
    try:
        reply = http_client.ask(f"https://{host_name}{PATH}", headers=headers, seconds=seconds, route=route)
    except HttpError as error:
        return Finding(check_id, server, "wrong", *_closed(server, address, port, error.__cause__ or error, seconds))
    if reply.status == STATUS and _reason(reply) == REASON:
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


def _reason(reply: Answer) -> t.Any:
    try:
        said = reply.json()
    except ValueError:
        return None
    return said.get("reason") if isinstance(said, dict) else None

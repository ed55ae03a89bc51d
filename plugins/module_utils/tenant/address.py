# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The addresses of new tenants: one works when Traefik has read the route and got the certificate."""

from __future__ import annotations

import concurrent.futures
import http.client
import socket
import ssl
import time
from collections.abc import Sequence

from ..common import tls

POLL_SECONDS = 0.2
# Each is a handshake, and those whom they are for have Traefik make certificates meanwhile.
MOST_AT_ONCE = 8
PING = "/api/server/ping"


def names(certificate: bytes, host_name: str) -> bool:
    """Whether a certificate is for `host_name`, or for all names beside it; names stand in DER as they are."""
    return any(name.encode() in certificate for name in (host_name, f"*.{host_name.split('.', 1)[1]}"))


def _connect(host_name: str, address: tuple[str, int]) -> ssl.SSLSocket:
    # Whether the authority is trusted is the browser's question; here the name is enough.
    return tls.unverified().wrap_socket(socket.create_connection(address, timeout=5), server_hostname=host_name)


def problem(host_name: str, address: tuple[str, int]) -> str:
    """Return what keeps `host_name` from working, as a customer would find it; empty where it works."""
    connection = http.client.HTTPConnection(host_name, timeout=5)
    try:
        with _connect(host_name, address) as channel:
            if not names(channel.getpeercert(binary_form=True) or b"", host_name):
                return "has no certificate"
            connection.sock = channel
            connection.request("GET", PING)
            status = connection.getresponse().status
            return "" if status == http.client.OK else f"answers {status}"
    except (OSError, http.client.HTTPException) as error:
        return f"does not answer: {error}"


def wait(host_names: Sequence[str], seconds: float, address: tuple[str, int] = ("127.0.0.1", 443)) -> dict[str, str]:
    """Wait until all of `host_names` work, and return what keeps those from it that do not.

    As certificates come one after the other, each name that begins to work gives the others `seconds` more.
    """
    problems = dict.fromkeys(host_names, "")
    waiting = list(host_names)
    start = time.monotonic()
    deadline = start + seconds
    with concurrent.futures.ThreadPoolExecutor(max_workers=MOST_AT_ONCE) as pool:
        while waiting:
            problems.update(zip(waiting, pool.map(lambda name: problem(name, address), waiting), strict=True))
            left = [name for name in waiting if problems[name]]
            if len(left) < len(waiting):
                deadline = time.monotonic() + seconds
            elif time.monotonic() >= deadline:
                break
            waiting = left
            if waiting:
                time.sleep(POLL_SECONDS)
    waited = time.monotonic() - start
    return {
        name: f"its containers run, but after {waited:.0f} s {name} {found}; "
        "see why by 'docker logs silo-traefik-traefik-1' on the server"
        for name, found in problems.items()
        if found
    }

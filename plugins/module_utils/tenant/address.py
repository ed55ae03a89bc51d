# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The addresses of new tenants: one works once Traefik has read its route and received its certificate."""

from __future__ import annotations

import concurrent.futures
import http
import time
from collections.abc import Sequence

from ..common import http_client, tls
from ..common.http_client import Route

# The first look is soon repeated, as a route without a new certificate works within some tenths of a second.
FIRST_POLL_SECONDS = 0.05
POLL_SECONDS = 0.2
SECONDS = 5
# Each poll is a TLS handshake, and costs CPU while Traefik requests certificates.
MOST_AT_ONCE = 8
PING = "/api/server/ping"
# What the pages say of maintenance that is switched on.
OFF = "maintenance"


def names(certificate: bytes, host_name: str) -> bool:
    """Return whether a DER certificate contains `host_name` or its wildcard; DER stores names as plain text."""
    return any(name.encode() in certificate for name in (host_name, f"*.{host_name.split('.', 1)[1]}"))


def problem(host_name: str, address: tuple[str, int]) -> str:
    """Return why `host_name` does not work for a customer; empty if it works."""
    # `silo verify` checks whether browsers trust the certificate; here the name is enough.
    route = Route(address=address, tls=tls.unverified())
    try:
        answer = http_client.ask(f"https://{host_name}{PING}", seconds=SECONDS, route=route)
    except http_client.HttpError as error:
        return f"does not answer: {error}"
    if not names(answer.certificate, host_name):
        return "has no certificate"
    works = answer.status == http.HTTPStatus.OK or _is_maintenance(answer)
    return "" if works else f"answers {answer.status}"


def _is_maintenance(answer: http_client.Answer) -> bool:
    """Return whether the operator's page of maintenance answers, behind which nothing can be asked."""
    try:
        body = answer.json()
    except ValueError:
        return False
    return answer.status == http.HTTPStatus.SERVICE_UNAVAILABLE and isinstance(body, dict) and body.get("reason") == OFF


def wait(host_names: Sequence[str], seconds: float, address: tuple[str, int] = ("127.0.0.1", 443)) -> dict[str, str]:
    """Wait until all of `host_names` work; return the reason for each that does not.

    Certificates arrive one after the other, so each name that starts to work gives the others `seconds` more.
    """
    problems = dict.fromkeys(host_names, "")
    waiting = list(host_names)
    start = time.monotonic()
    deadline, pause = start + seconds, FIRST_POLL_SECONDS
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
                time.sleep(pause)
                pause = min(2 * pause, POLL_SECONDS)
    waited = time.monotonic() - start
    return {
        name: f"its containers run, but after {waited:.0f} s {name} {found}; "
        "'docker logs silo-traefik-traefik-1' on the server shows why"
        for name, found in problems.items()
        if found
    }

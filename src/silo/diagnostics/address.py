"""Checks of a tenant's address, as a customer's browser sees it: the certificate, and the service that answers."""

from __future__ import annotations

import datetime
import http.client
import json
import socket
from collections.abc import Mapping

from ansible_collections.swissphoto.silo.plugins.module_utils.common.tls import unverified
from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics.finding import holds

from silo import certificate
from silo.diagnostics import Finding
from silo.diagnostics.engine import Tenant, check

SECONDS = 5.0
LARGEST = 64 * 1024
PATH = "/api/server/ping"
# State of a tenant to the expected status, and the key and value in the JSON answer.
ANSWERS: Mapping[str, tuple[int, str, str]] = {
    "running": (200, "res", "pong"),
    "stopped": (503, "reason", "stopped"),
    "suspended": (503, "reason", "suspended"),
    "absent": (404, "reason", "unknown"),
}


@check("address", scope="tenant")
def address(tenant: Tenant) -> Finding:
    """Check that the right service answers."""
    return check_answer(tenant.host_name, tenant.address, tenant.state)


@check("tls", scope="tenant")
def tls(tenant: Tenant) -> Finding | None:
    """Check the certificate. An absent tenant has no address any more, and thus no certificate."""
    return check_certificate(tenant.host_name, tenant.address, tenant.ca_file) if tenant.state != "absent" else None


def check_certificate(host_name: str, address: str, ca_file: str, now: datetime.datetime | None = None) -> Finding:
    """Check that a browser trusts the certificate of `host_name` at `address`."""
    expected = "a certificate that browsers trust"
    try:
        found = certificate.read(host_name, address, ca_file)
    # An invalid file of authorities is a finding of this check.
    except (OSError, ValueError) as error:
        return holds(False, f"cannot be verified: {error}", expected, host_name)
    if found is None:
        return holds(False, f"no TLS at {address} port 443", expected, host_name)
    left = found.not_after - (now or datetime.datetime.now(datetime.UTC))
    seen = f"{'' if found.trusted else 'not trusted, '}by {found.issuer}, to {found.not_after.date().isoformat()}"
    return holds(found.trusted and left > datetime.timedelta(0), seen, expected, host_name)


def _ask(host_name: str, address: str, port: int) -> tuple[int, object]:
    # The check of the certificate examines trust.
    connection = http.client.HTTPConnection(host_name, timeout=SECONDS)
    with (
        socket.create_connection((address, port), timeout=SECONDS) as opened,
        unverified().wrap_socket(opened, server_hostname=host_name) as tls,
    ):
        connection.sock = tls
        connection.request("GET", PATH, headers={"Accept": "application/json", "Connection": "close"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read(LARGEST))


def check_answer(host_name: str, address: str, state: str, port: int = 443) -> Finding:
    """Check that the right service answers at `host_name`: the photo server, or the page of a stopped tenant."""
    status, key, value = ANSWERS[state]
    expected = f"{status}, {key} {value}"
    try:
        seen, body = _ask(host_name, address, port)
    except ValueError:
        return holds(False, "an answer that is not JSON", expected, host_name)
    except (OSError, http.client.HTTPException) as error:
        return holds(False, f"does not answer: {error}", expected, host_name)
    said = body.get(key) if isinstance(body, dict) else None
    return holds((seen, said) == (status, value), f"{seen}, {key} {said}", expected, host_name)

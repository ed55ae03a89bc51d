"""Checks of a tenant's address, as a customer's browser sees it: the certificate, and the service that answers."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

from ansible_collections.swissphoto.silo.plugins.module_utils.common import http_client
from ansible_collections.swissphoto.silo.plugins.module_utils.common.http_client import Route
from ansible_collections.swissphoto.silo.plugins.module_utils.common.text import printable
from ansible_collections.swissphoto.silo.plugins.module_utils.common.tls import unverified
from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics.finding import holds

from silo import certificate
from silo.diagnostics import Finding
from silo.diagnostics.engine import Tenant, check

SECONDS = 5.0
PATH = "/api/server/ping"
MAINTENANCE = "maintenance"
# State of a tenant to the expected status, and the key and value in the JSON answer.
ANSWERS: Mapping[str, tuple[int, str, str]] = {
    "running": (200, "res", "pong"),
    "stopped": (503, "reason", "stopped"),
    "suspended": (503, "reason", "unavailable"),
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


def check_certificate(
    host_name: str, address: str, ca_file: str, now: datetime.datetime | None = None, port: int = 443
) -> Finding:
    """Check that a browser trusts the certificate of `host_name` at `address`."""
    expected = "a certificate that browsers trust"
    try:
        found = certificate.read(host_name, address, ca_file, port)
    # An invalid file of authorities is a finding of this check.
    except (OSError, ValueError) as error:
        return holds(False, f"cannot be verified: {error}", expected, host_name)
    if found is None:
        return holds(False, f"no TLS at {address} port {port}", expected, host_name)
    left = found.not_after - (now or datetime.datetime.now(datetime.UTC))
    trust = "" if found.trusted else "not trusted, "
    seen = f"{trust}by {printable(found.issuer)}, to {found.not_after.date().isoformat()}"
    return holds(found.trusted and left > datetime.timedelta(0), seen, expected, host_name)


def check_answer(host_name: str, address: str, state: str, port: int = 443) -> Finding:
    """Check that the right service answers at `host_name`: the photo server, or the page of a stopped tenant."""
    status, key, value = ANSWERS[state]
    expected = f"{status}, {key} {value}"
    # The check of the certificate examines trust.
    route = Route(address=(address, port), tls=unverified())
    headers = {"Accept": "application/json"}
    try:
        answer = http_client.ask(f"https://{host_name}{PATH}", headers=headers, seconds=SECONDS, route=route)
        body = answer.json()
    except ValueError:
        return holds(False, "an answer that is not JSON", expected, host_name)
    except http_client.HttpError as error:
        return holds(False, f"does not answer: {error}", expected, host_name)
    reason = body.get("reason") if isinstance(body, dict) else None
    if state == "running" and (answer.status, reason) == (503, MAINTENANCE):
        return holds(True, "maintenance, which the operator has switched on", expected, host_name)
    said = body.get(key) if isinstance(body, dict) else None
    seen = f"{answer.status}, {key} {printable(str(said))}"
    return holds((answer.status, said) == (status, value), seen, expected, host_name)

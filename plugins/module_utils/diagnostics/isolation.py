# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of the connections that each container can make: to its own services, and a tenant to machine learning."""

from __future__ import annotations

import re
from pathlib import Path

from ..common.cgroup import PROC
from .finding import Finding, holds, none_of
from .registry import check
from .subjects import SITE, Container, Server

EXPECTED = "nothing but its own"


@check("isolation", scope="server")
def own_addresses(server: Server) -> Finding | None:
    """Check that the checks could try connections at all."""
    error = server.connections.error
    return holds(False, error, EXPECTED) if error else None


@check("isolation", scope="container", fix=SITE)
def isolation(container: Container) -> Finding | None:
    """Check that no other service answers than those that it may reach."""
    connection = container.server.connections.by_label.get(container.name)
    if connection is None:
        return None
    reached = connection.reached
    if reached.error:
        return holds(False, f"its network cannot be entered: {reached.error}", EXPECTED)
    wrong = [str(target) for target in connection.foreign if target in reached.open]
    # A machine that refuses a connection was reached, too.
    wrong += [f"{target}, closed" for target in connection.foreign if target in reached.refused]
    return none_of(wrong, f"none of {len(connection.foreign)} ports of others", EXPECTED)


@check("own_network", scope="container")
def own_network(container: Container) -> Finding | None:
    """Check that it reaches its own services in the same way; otherwise the check above would prove nothing."""
    connection = container.server.connections.by_label.get(container.name)
    if connection is None or connection.reached.error:
        return None
    wrong = [f"not {target}" for target in connection.own if target not in connection.reached.open]
    expected = ", ".join(target.owner or target.address for target in connection.own)
    return none_of(wrong, expected, expected)


@check("default_route", scope="container")
def default_route(container: Container) -> Finding | None:
    """Check that a container has no route out of its own network; Traefik has the server's."""
    return routes(container, PROC) if container.service.port or container.tenant else None


def routes(container: Container, proc: Path) -> Finding:
    """Return a finding on a container's default routes in the kernel."""
    try:
        text = (proc / str(container.found.pid) / "net" / "route").read_text(encoding="ascii")
    except OSError as error:
        return holds(False, f"its routes cannot be read: {error.strerror}", "none")
    gateways = re.findall(r"^\S+\t00000000\t([0-9A-F]{8})\t", text, re.MULTILINE)
    return none_of((f"a default route by {gate}" for gate in gateways), "none", "none")

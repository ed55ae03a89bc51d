# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of a tenant's state: its containers, its closed set-up, its data."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path

from ..common import http_client, tenant_env
from ..common.http_client import HttpError
from ..common.text import printable
from ..tenant.stack import FROZEN
from ..tenant.uploads import MARKED, MARKER
from .container import Item
from .expected import ExpectedService, ExpectedTenant
from .finding import Finding, holds, none_of, same
from .registry import check
from .subjects import Container, Tenant

SECONDS = 5
WELL = "running, healthy"
THAW = "'docker compose unpause' in its directory on the server lets it run on, 'silo stop {}' ends it"
CLOSED = b"IMMICH_ALLOW_SETUP=false"
OPEN = b"IMMICH_ALLOW_SETUP="
RESTORE = "see that the NAS is mounted and has the tenant's directory; otherwise restore the tenant from its backup"

Get = Callable[[str, int], t.Any]


def _get(address: str, port: int) -> t.Any:
    """Return the photo server's public information; raises HttpError and ValueError."""
    return http_client.ask(f"http://{address}:{port}/api/server/config", seconds=SECONDS).json()


@check("state", scope="tenant")
def state(tenant: Tenant) -> Iterator[Finding]:
    """Check that each service of a tenant that should run works, asked now, and that one at rest takes no memory."""
    items = tenant.server.items
    if tenant.expected.state != "running":
        yield _resting(tenant.expected, items)
        return
    by_name = {item.name: item for item in items}
    for service in tenant.expected.services:
        yield _running(service, by_name.get(service.container), tenant.server.health)


def _running(service: ExpectedService, item: Item | None, health: Mapping[str, str]) -> Finding:
    if item and item.state == "paused":
        return dataclasses.replace(same(FROZEN, WELL, service.label), fix=THAW.format(item.tenant))
    seen = ", ".join(filter(None, (item.state, health[item.name]))) if item else "no container"
    return same(seen, WELL, service.label)


def _resting(tenant: ExpectedTenant, items: Iterable[Item]) -> Finding:
    """Check that no container runs; for an absent tenant, that none exists."""
    rests = ("exited", "created", "dead") if tenant.state != "absent" else ()
    wrong = [f"{item.name} is {item.state}" for item in items if item.tenant == tenant.name and item.state not in rests]
    expected = f"no container{'' if tenant.state == 'absent' else ' runs'}"
    return none_of(wrong, expected, expected)


@check("setup_closed", scope="container")
def setup_closed(container: Container) -> Finding | None:
    """Check that no visitor can become admin: set-up is closed, and there is an admin."""
    is_server = container.tenant is not None and container.name == f"{container.tenant.name}/server"
    return closed(container) if is_server else None


def closed(container: Container, get: Get = _get) -> Finding:
    """Return whether set-up is off in every process of a photo server, and whether it has an admin."""
    expected, service = "closed, with an admin", container.service
    environments = [process.environment for process in container.found.processes]
    found = [part for environment in environments for part in environment.split(b"\0") if part.startswith(OPEN)]
    if not found or any(part != CLOSED for part in found):
        seen = printable(found[0].decode(errors="replace")) if found else "IMMICH_ALLOW_SETUP is not set"
        return holds(False, f"open ({seen})", expected)
    try:
        answer = get(service.address, service.port)
        is_there = isinstance(answer, dict) and answer.get("isInitialized") is True
    except (HttpError, ValueError) as error:
        return holds(False, f"closed, and the photo server does not answer: {error}", expected)
    return same(expected if is_there else "closed, without an admin", expected)


def ran(tenant: ExpectedTenant, directories: Collection[Path]) -> bool:
    """Return whether a tenant ever had to run; one that was created stopped has no files and no photos.

    `directories` are those that the NAS has. A photo server marks each of its folders, which have known names: nobody
    can tell how many others a customer has made.
    """
    uploads = tenant.storage / "uploads"
    is_used = uploads in directories and any((uploads / folder / MARKER).exists() for folder in MARKED)
    return tenant.state == "running" or tenant.directory.is_dir() or is_used


@check("data", scope="tenant", fix=RESTORE)
def data(tenant: Tenant) -> Finding | None:
    """Check that the uploads and the database of a tenant are there."""
    found = tenant.expected
    return stored(found, tenant.server.storage.directories) if found.state != "absent" else None


def stored(tenant: ExpectedTenant, directories: Collection[Path]) -> Finding:
    """Return whether the uploads and the database are there; `directories` are those that the NAS has."""
    expected = "uploads and database are there"
    if not ran(tenant, directories):
        return holds(True, "none yet, it never ran", expected)
    wrong = [] if tenant.storage / "uploads" in directories else [f"{tenant.storage}/uploads is missing"]
    database = tenant.disk / "database" / "PG_VERSION"
    wrong += [] if database.is_file() else [f"{database} is missing"]
    if not (tenant.directory / tenant_env.SET_UP).is_file():
        wrong.append(f"{tenant.directory / tenant_env.SET_UP} is missing")
    return none_of(wrong, expected, expected)

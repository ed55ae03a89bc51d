# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a tenant is what it should be: what runs, that set-up is closed, that its data is there."""

from __future__ import annotations

import http.client
import json
import typing as t
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path

from ..common import tenant_env
from ..tenant import engine
from .check import Check, none_of, same
from .container import Found, Item
from .expected import ExpectedService, ExpectedTenant

SECONDS = 5
LARGEST = 64 * 1024
CLOSED = b"IMMICH_ALLOW_SETUP=false"
OPEN = b"IMMICH_ALLOW_SETUP="

Get = Callable[[str, int], t.Any]


def _get(address: str, port: int) -> t.Any:
    """Return what a photo server says of itself to whoever asks; raises OSError, HTTPException and ValueError."""
    connection = http.client.HTTPConnection(address, port, timeout=SECONDS)
    try:
        connection.request("GET", "/api/server/config")
        return json.loads(connection.getresponse().read(LARGEST))
    finally:
        connection.close()


def _running(service: ExpectedService, items: Mapping[str, Item]) -> Check:
    item = items.get(service.container)
    if item is None:
        seen = "no container"
    else:
        health = engine.health(item.status)
        seen = ", ".join(filter(None, (item.state, health)))
    return same("state", service.label, seen, "running, healthy")


def _resting(tenant: ExpectedTenant, items: Iterable[Item]) -> Check:
    """Return whether nothing takes memory; where the tenant is to be absent, not even a container is there."""
    rests = ("exited", "created", "dead") if tenant.state != "absent" else ()
    wrong = [f"{item.name} is {item.state}" for item in items if item.tenant == tenant.name and item.state not in rests]
    expected = f"no container{'' if tenant.state == 'absent' else ' runs'}"
    return none_of("state", tenant.name, wrong, expected, expected)


def closed(service: ExpectedService, found: Found, get: Get = _get) -> Check:
    """Return whether a visitor cannot make themselves the admin: set-up is off, and there is an admin."""
    expected = "closed, with an admin"
    told = [part for process in found.processes for part in process.environment.split(b"\0") if part.startswith(OPEN)]
    if not told or any(part != CLOSED for part in told):
        seen = told[0].decode(errors="replace") if told else "IMMICH_ALLOW_SETUP is not set"
        return Check("set-up", service.label, False, f"open ({seen})", expected)
    try:
        answer = get(service.address, service.port)
        is_there = isinstance(answer, dict) and answer.get("isInitialized") is True
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Check("set-up", service.label, False, f"closed, and the photo server does not answer: {error}", expected)
    return same("set-up", service.label, expected if is_there else "closed, without an admin", expected)


def ran(tenant: ExpectedTenant, directories: Collection[Path]) -> bool:
    """Whether a tenant ever had to run; who was made at rest has no files on the server, and no photos.

    `directories` are those that the NAS has. A photo server marks each of its folders.
    """
    uploads = tenant.storage / "uploads"
    is_used = uploads in directories and any(uploads.glob("*/.immich"))
    return tenant.state == "running" or tenant.directory.is_dir() or is_used


def data(tenant: ExpectedTenant, directories: Collection[Path]) -> Check:
    """Return whether the uploads and the database are there; `directories` are those that the NAS has."""
    if not ran(tenant, directories):
        return Check("data", tenant.name, True, "none yet, it never ran", "uploads and database are there")
    wrong = [] if tenant.storage / "uploads" in directories else [f"{tenant.storage}/uploads is missing"]
    database = tenant.directory / "database" / "PG_VERSION"
    wrong += [] if database.is_file() else [f"{database} is missing"]
    if not (tenant.directory / tenant_env.SET_UP).is_file():
        wrong.append(f"{tenant.directory / tenant_env.SET_UP} is missing")
    return none_of("data", tenant.name, wrong, "uploads and database are there", "uploads and database are there")


def checks(tenant: ExpectedTenant, items: Mapping[str, Item], directories: Collection[Path]) -> Iterator[Check]:
    """Yield what a tenant's state asks for."""
    if tenant.state == "running":
        for service in tenant.services:
            yield _running(service, items)
    else:
        yield _resting(tenant, items.values())
    if tenant.state != "absent":
        yield data(tenant, directories)

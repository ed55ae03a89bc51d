# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Secrets: who may read their files, and that nobody else sees them elsewhere. What they are is never told."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from .check import Check, none_of
from .container import Found
from .expected import ExpectedService, ExpectedTenant
from .process import Process

HIDDEN = "not in arguments, docker inspect, or the environment of another user's process"


def _wanted(tenant: ExpectedTenant) -> Iterator[tuple[Path, int, int]]:
    """Yield path, mode and owner of all that is secret of a tenant on its server."""
    folder = tenant.directory / "secrets"
    yield tenant.directory, 0o700, 0
    yield folder, 0o700, 0
    for name in tenant.secrets:
        yield folder / name, 0o400, tenant.uid
    for name in tenant.configuration:
        yield tenant.directory / name, 0o400, tenant.uid
    yield tenant.directory / ".env", 0o600, 0
    for name in tenant.data:
        yield tenant.directory / name, 0o700, tenant.uid


def _problem(path: Path, mode: int, owner: int) -> str:
    try:
        found = path.lstat()
    except OSError as error:
        return f"{path}: {error.strerror}"
    seen = stat.S_IMODE(found.st_mode)
    if stat.S_ISLNK(found.st_mode):
        return f"{path} is a link"
    if seen != mode or found.st_uid != owner:
        return f"{path} has mode {seen:04o} and belongs to {found.st_uid}; {mode:04o} and {owner} are right"
    return ""


def files(tenant: ExpectedTenant) -> Check:
    """Return whether the tenant's secrets and data are readable for who needs them, and for nobody else."""
    wanted = list(_wanted(tenant))
    wrong = [problem for path, mode, owner in wanted if (problem := _problem(path, mode, owner))]
    return none_of("secrets' files", tenant.name, wrong, f"{len(wanted)} as they should be", "their owner's alone")


def passwords(tenant: ExpectedTenant) -> Mapping[str, bytes]:
    """Return the tenant's passwords by name; raises OSError where one is not there."""
    return {name: (tenant.directory / "secrets" / name).read_bytes().strip() for name in tenant.passwords}


def _exposed(process: Process, owner: int) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of what others than the user `owner` and root can read of a process.

    Immich's images export the secrets of their files into their own environment. The kernel shows the environment of a
    process to its user and to root alone, and these can read the files as well.
    """
    label = f"process {process.number} ({process.name})"
    yield f"the arguments of {label}", process.arguments
    if process.users != {owner}:
        users = " and ".join(map(str, sorted(process.users)))
        yield f"the environment of {label}, user {users}", process.environment


def hidden(service: ExpectedService, found: Found, secrets: Mapping[str, bytes]) -> Check:
    """Return whether no password is where others than the tenant's own user and root can read it."""
    places = [("docker inspect", json.dumps(found.details).encode())]
    for process in found.processes:
        places += _exposed(process, service.uid)
    wrong = [
        f"{name} in {place}" for place, text in places for name, secret in secrets.items() if secret and secret in text
    ]
    return none_of("secrets hidden", service.label, wrong, HIDDEN, HIDDEN)


def checks(tenant: ExpectedTenant, running: Mapping[ExpectedService, Found]) -> Iterator[Check]:
    """Yield all of these of a tenant that runs."""
    yield files(tenant)
    try:
        secrets = passwords(tenant)
    except OSError as error:
        yield Check("secrets hidden", tenant.name, False, f"cannot be looked for: {error}", HIDDEN)
        return
    for service, found in running.items():
        yield hidden(service, found, secrets)

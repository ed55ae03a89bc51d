# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of secrets: the permissions of their files, and that they are nowhere else. No finding has a secret."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..common import tenant_env
from ..tenant.stack import StackError
from . import state
from .expected import ExpectedTenant
from .finding import Finding, holds, none_of
from .process import Process
from .registry import check
from .subjects import Container, Tenant

FILES = "their owner's alone"
HIDDEN = "not in arguments, docker inspect, logs, or the environment of another user's process"


def _expected(tenant: ExpectedTenant) -> Iterator[tuple[Path, int, int]]:
    """Yield path, mode and owner of all that is secret of a tenant on its server."""
    folder = tenant.directory / "secrets"
    yield tenant.directory, 0o700, 0
    yield folder, 0o700, 0
    for name in tenant.secrets:
        yield folder / name, 0o400, tenant.uid
    for name in tenant.configuration:
        yield tenant.directory / name, 0o400, tenant.uid
    yield tenant.directory / tenant_env.FILE, 0o600, 0
    for name in tenant.data:
        yield tenant.disk / name, 0o700, tenant.uid


def _problem(path: Path, mode: int, owner: int) -> str:
    try:
        found = path.lstat()
    except OSError as error:
        return f"{path}: {error.strerror}"
    seen = stat.S_IMODE(found.st_mode)
    if stat.S_ISLNK(found.st_mode):
        return f"{path} is a link"
    if seen != mode or found.st_uid != owner:
        return f"{path} has mode {seen:04o} and belongs to {found.st_uid}; they must be {mode:04o} and {owner}"
    return ""


@check("secret_files", scope="tenant")
def secret_files(tenant: Tenant) -> Finding | None:
    """Check that only the right users can read the tenant's secrets and data."""
    if not _has_secrets(tenant):
        return None
    expected = list(_expected(tenant.expected))
    wrong = [problem for path, mode, owner in expected if (problem := _problem(path, mode, owner))]
    return none_of(wrong, f"{len(expected)} as they should be", FILES)


def _has_secrets(tenant: Tenant) -> bool:
    return tenant.expected.state != "absent" and state.ran(tenant.expected, tenant.server.storage.directories)


def passwords(tenant: ExpectedTenant) -> Mapping[str, bytes]:
    """Return the tenant's passwords by name; raises OSError where one is not there."""
    return {name: (tenant.directory / "secrets" / name).read_bytes().strip() for name in tenant.passwords}


def _exposed(process: Process, owner: int) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of the files of a process that others than the user `owner` and root can read.

    Immich's images export the secrets of their files into their own environment. The kernel shows the environment of a
    process to its user and to root alone, and these can read the files as well.
    """
    label = f"process {process.number} ({process.name})"
    yield f"the arguments of {label}", process.arguments
    if process.users != {owner}:
        users = " and ".join(map(str, sorted(process.users)))
        yield f"the environment of {label}, user {users}", process.environment


@check("secrets_hidden", scope="tenant")
def secrets_hidden(tenant: Tenant) -> Iterator[Finding]:
    """Check that only the tenant's own user and root can read its passwords in its containers."""
    if not _has_secrets(tenant):
        return
    try:
        secrets = passwords(tenant.expected)
    except OSError as error:
        yield holds(False, f"cannot be looked for: {error}", HIDDEN)
        return
    for container in tenant.containers:
        try:
            wrong = [
                f"{name} in {place}"
                for place, text in _places(container)
                for name, secret in secrets.items()
                if secret and secret in text
            ]
        except StackError as error:
            wrong = [f"the log cannot be read: {error}"]
        yield none_of(wrong, HIDDEN, HIDDEN, container.name)


def _places(container: Container) -> Iterator[tuple[str, bytes]]:
    yield "docker inspect", json.dumps(container.found.details).encode()
    yield "the log", container.server.log(container.found.details["Id"])
    for process in container.found.processes:
        yield from _exposed(process, container.service.uid)

# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tenants, read from the variables of inventory hosts."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Iterable, Mapping

from silo.tenant.hostvars import Merged
from silo.tenant.model import Tenant, check_fleet, derive
from silo.tenant.schema import PREFIX, TenantError, options


def _settings(name: str, merged: Merged) -> dict[str, t.Any]:
    host = merged[name]
    values = {key: host[key] for key in host if key.startswith(PREFIX)}
    # Convert to plain values: Ansible's have extra attributes that other libraries cannot handle.
    try:
        return dict(json.loads(json.dumps(values)))
    except (TypeError, ValueError) as error:
        raise TenantError([f"{name}: its settings cannot be read: {error}"]) from error


def _read(name: str, merged: Merged) -> Tenant:
    return derive(name, _settings(name, merged))


def read_policy(server: str, hostvars: Mapping[str, Mapping[str, t.Any]]) -> Tenant:
    """Return a tenant as the policy of a server has new ones: its images count, and the rest is nobody's.

    Raises TenantError.
    """
    policy = {key: value for key, value in _settings(server, Merged(hostvars)).items() if key in options()}
    nobody = {
        "index": 1,
        "email": "nobody@example.ch",
        "quota": "1G",
        "server": server,
        "nas": server,
        "state": "stopped",
    }
    return derive("nobody", {**policy, **{f"{PREFIX}{key}": value for key, value in nobody.items()}})


def read(name: str, hostvars: Mapping[str, Mapping[str, t.Any]]) -> Tenant:
    """Return the tenant that the inventory host `name` describes; raises TenantError."""
    return _read(name, Merged(hostvars))


def read_some(names: Iterable[str], hostvars: Mapping[str, Mapping[str, t.Any]]) -> list[Tenant]:
    """Return tenants, each validated by itself; raises TenantError for the first invalid one."""
    merged = Merged(hostvars)
    return [_read(name, merged) for name in names]


def read_all(names: Iterable[str], hostvars: Mapping[str, Mapping[str, t.Any]]) -> list[Tenant]:
    """Return all tenants, validated one by one and together; raises TenantError."""
    tenants: list[Tenant] = []
    problems: list[str] = []
    merged = Merged(hostvars)
    for name in names:
        try:
            tenants.append(_read(name, merged))
        except TenantError as error:
            problems += error.problems
    try:
        check_fleet(tenants)
    except TenantError as error:
        problems += error.problems
    if problems:
        raise TenantError(problems)
    return tenants

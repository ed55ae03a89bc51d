# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tenants, read from the variables of inventory hosts."""

from __future__ import annotations

import dataclasses
import json
import typing as t
from collections.abc import Iterable, Mapping

from ansible.errors import AnsibleError

from silo.tenant.hostvars import Merged
from silo.tenant.model import Tenant, conflicts, derive
from silo.tenant.schema import PREFIX, TenantError, options

# What the inventory plugin has found wrong in the files of a tenant, which Ansible then does not read.
PROBLEMS = "__tenant_problems"


@dataclasses.dataclass(frozen=True)
class Fleet:
    """The tenants of an inventory. `problems` are sentences by the names of those that are not to be changed.

    A tenant that is right by itself, and in conflict with another, is among both.
    """

    tenants: tuple[Tenant, ...]
    problems: Mapping[str, tuple[str, ...]]

    @property
    def sound(self) -> tuple[Tenant, ...]:
        """Those with which nothing is wrong."""
        return tuple(tenant for tenant in self.tenants if tenant.name not in self.problems)


def _settings(name: str, merged: Merged) -> dict[str, t.Any]:
    host = merged[name]
    # Convert to plain values: Ansible's have extra attributes that other libraries cannot handle.
    try:
        if problems := host.get(PROBLEMS):
            raise TenantError([str(problem) for problem in problems])
        values = {key: host[key] for key in host if key.startswith(PREFIX)}
        return dict(json.loads(json.dumps(values)))
    except (AnsibleError, TypeError, ValueError) as error:
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


def read_all(names: Iterable[str], hostvars: Mapping[str, Mapping[str, t.Any]]) -> Fleet:
    """Return all tenants, validated one by one and together; one that is wrong keeps nobody else away."""
    tenants: list[Tenant] = []
    problems: dict[str, tuple[str, ...]] = {}
    merged = Merged(hostvars)
    for name in names:
        try:
            tenants.append(_read(name, merged))
        except TenantError as error:
            problems[name] = error.problems
    problems |= {name: tuple(texts) for name, texts in conflicts(tenants).items()}
    return Fleet(tuple(tenants), problems)

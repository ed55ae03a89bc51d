# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tenants, read from the variables of inventory hosts."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Iterable, Mapping

from .model import Tenant, check_fleet, derive
from .schema import TenantError

PREFIX = "tenant_"


def read(name: str, hostvars: Mapping[str, Mapping[str, t.Any]]) -> Tenant:
    """Return the tenant that the inventory host `name` describes; raises TenantError."""
    host = hostvars[name]
    values = {key: host[key] for key in host if key.startswith(PREFIX)}
    # Plain values: Ansible's carry their origin along, and other libraries do not know them.
    return derive(name, json.loads(json.dumps(values)))


def read_all(names: Iterable[str], hostvars: Mapping[str, Mapping[str, t.Any]]) -> list[Tenant]:
    """Return all tenants, each right by itself and all of them together; raises TenantError."""
    tenants, problems = [], []
    for name in names:
        try:
            tenants.append(read(name, hostvars))
        except TenantError as error:
            problems += error.problems
    try:
        check_fleet(tenants)
    except TenantError as error:
        problems += error.problems
    if problems:
        raise TenantError(problems)
    return tenants

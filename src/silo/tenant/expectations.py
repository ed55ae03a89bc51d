# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a tenant's containers have to be, read from the Compose file and the tenant's own settings."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator, Mapping

from silo.tenant.model import Tenant
from silo.tenant.render import services

PORTS: Mapping[str, int] = {"server": 2283, "database": 5432, "cache": 6379}


def seccomp() -> str:
    """Return the server's file with the profile of the system calls; it is the same for all services."""
    (option,) = {
        option for service in services().values() for option in service["security_opt"] if option.startswith("seccomp:")
    }
    return str(option.removeprefix("seccomp:"))


def _writable(service: Mapping[str, t.Any]) -> Iterator[str]:
    for volume in service.get("volumes", []):
        if not volume.get("read_only"):
            yield volume["target"]
    for text in service.get("tmpfs", []):
        yield text.partition(":")[0]


def _service(tenant: Tenant, name: str) -> dict[str, t.Any]:
    section = services()[name]
    return {
        "name": name,
        "image": tenant.settings["tenant_images"][name],
        "memory": getattr(tenant, f"{name}_memory"),
        "processes": section["pids_limit"],
        "memory_order": section["oom_score_adj"],
        "writable": list(_writable(section)),
        "address": getattr(tenant.network, name),
        "port": PORTS[name],
    }


def promise(tenant: Tenant) -> dict[str, t.Any]:
    """Return what is promised to `tenant`, as diagnostics_info takes it; no secret is in it."""
    return {
        "name": tenant.name,
        "state": tenant.state,
        "uid": tenant.uid,
        "directory": tenant.directory,
        "storage": tenant.storage,
        "gateway": tenant.network.gateway,
        "bridge": tenant.network.bridge,
        "services": [_service(tenant, name) for name in PORTS],
    }

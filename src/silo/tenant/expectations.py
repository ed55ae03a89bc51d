# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The expected state of a tenant's containers, from the Compose file and the tenant's settings."""

from __future__ import annotations

import typing as t

from silo.tenant import secrets
from silo.tenant.model import Tenant
from silo.tenant.services import Service, configuration_files, folders, secret_files, services


def seccomp() -> str:
    """Return the path of the seccomp profile on the server, the same for all services."""
    options = (option for service in services().values() for option in service.section["security_opt"])
    (option,) = {option for option in options if option.startswith("seccomp:")}
    return str(option.removeprefix("seccomp:"))


def ports() -> list[int]:
    """Return the ports of tenants' containers, which no other tenant's container may reach."""
    return sorted({service.port for service in services().values()} - {0})


def _service(tenant: Tenant, service: Service) -> dict[str, t.Any]:
    return {
        "name": service.name,
        "image": service.image(tenant.settings),
        "memory": tenant.memory[service.name],
        "burst": tenant.burst[service.name],
        "processes": service.section["pids_limit"],
        "memory_order": service.section["oom_score_adj"],
        "open_files": service.section["ulimits"]["nofile"],
        "writable": list(service.writable),
        "address": tenant.network.addresses[service.name],
        "port": service.port,
    }


def expected_state(tenant: Tenant) -> dict[str, t.Any]:
    """Return the expected state of `tenant`, in the format of diagnostics_info; it contains no secret."""
    return {
        "name": tenant.name,
        "state": tenant.state,
        "uid": tenant.uid,
        "directory": tenant.directory,
        "disk": tenant.disk,
        "storage": tenant.storage,
        "gateway": tenant.network.gateway,
        "bridge": tenant.network.bridge,
        "services": [_service(tenant, service) for service in services().values()],
        "secrets": list(secret_files()),
        "passwords": [name for name in secret_files() if name in secrets.NAMES],
        "configuration": list(configuration_files()),
        "folders": list(folders()),
    }

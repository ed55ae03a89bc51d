"""The desired and actual state of all tenants of an inventory, read by one run of a playbook."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import typing as t
from collections.abc import Iterable, Mapping
from pathlib import Path

from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.stack import FROZEN

from silo import certificate
from silo.ansible import runner
from silo.ansible.contract import ReadTag, TaskId
from silo.tenant import services as stack

# Service to the state of its container.
Services = Mapping[str, Mapping[str, t.Any]]


@dataclasses.dataclass(frozen=True)
class TenantStatus:
    """One tenant. Sizes in bytes; `quota_bytes` and `used_bytes` on the NAS, `disk_*` on its server's own disk.

    `desired` is empty for an orphan: containers on a server for which the inventory has no tenant of this name.
    `reason` is why it is not running and `since` since which day, empty if nobody wrote it down.
    `version` is that of the photo server; `certificate_until` the last day of its certificate, as ISO 8601.
    """

    name: str
    url: str
    desired: str
    observed: str
    server: str
    plan: str | None
    quota_bytes: int
    used_bytes: int
    disk_limit_bytes: int
    disk_bytes: int
    memory_limit_bytes: int
    memory_bytes: int
    version: str
    certificate_issuer: str
    certificate_trusted: bool
    certificate_until: str
    reason: str = ""
    since: str = ""


def observed(services: Services) -> str:
    """Return the state of a tenant's containers in a word."""
    if any(service["state"] == "paused" for service in services.values()):
        return FROZEN
    running = [service for service in services.values() if service["state"] == "running"]
    count = len(stack.services())
    if len(running) == count:
        return "running" if all(service["health"] == "healthy" for service in running) else "not healthy"
    if running:
        return f"{len(running)} of {count} running"
    return "stopped" if services else "absent"


def _certificates(
    facts: Mapping[str, Mapping[str, t.Any]], policy: Mapping[str, t.Any]
) -> dict[str, certificate.Certificate | None]:
    def read(name: str) -> certificate.Certificate | None:
        server = policy[facts[name]["server"]]["msg"]
        return certificate.read(facts[name]["host_name"], server["address"], server["ca_file"])

    with concurrent.futures.ThreadPoolExecutor(max_workers=16) as pool:
        return dict(zip(facts, pool.map(read, facts), strict=True))


def _tenant(
    name: str,
    server: str,
    services: Services,
    facts: Mapping[str, t.Any],
    used: int,
    space: int,
    seen: certificate.Certificate | None,
) -> TenantStatus:
    return TenantStatus(
        name=name,
        url=facts.get("url", ""),
        desired=facts.get("desired", ""),
        observed=observed(services),
        server=server,
        plan=facts.get("plan"),
        quota_bytes=facts.get("quota_bytes", 0),
        used_bytes=used,
        disk_limit_bytes=facts.get("disk_bytes", 0),
        disk_bytes=space,
        memory_limit_bytes=sum(service["memory_limit_bytes"] for service in services.values()),
        memory_bytes=sum(service["memory_bytes"] for service in services.values()),
        version=services.get(stack.PHOTO_SERVER, {}).get("version", ""),
        certificate_issuer=seen.issuer if seen else "",
        certificate_trusted=bool(seen and seen.trusted),
        certificate_until=seen.not_after.date().isoformat() if seen else "",
        reason=facts.get("reason", ""),
        since=facts.get("since", ""),
    )


def stacks(results: runner.Results) -> dict[tuple[str, str], Services]:
    """Return tenant and server to the existing containers; a tenant that was moved may have some on both."""
    return {
        (name, server): services
        for server, result in results.get(TaskId.STACKS, {}).items()
        for name, services in result["tenants"].items()
    }


def _used(name: str, storages: Iterable[str], quotas: Mapping[str, Mapping[str, t.Any]]) -> int:
    found = (quotas[nas]["tenants"].get(name) for nas in storages if nas in quotas)
    return next((int(directory["used"] or 0) for directory in found if directory), 0)


def tenants(results: runner.Results) -> tuple[TenantStatus, ...]:
    """Return all tenants by name, each with the state on its own server and NAS, then the orphans."""
    facts: Mapping[str, t.Any] = next((result["tenants"] for result in results.get(TaskId.TENANTS, {}).values()), {})
    found, quotas, disks = stacks(results), results.get(TaskId.QUOTAS, {}), results.get(TaskId.DISKS, {})
    certificates = _certificates(facts, results.get(TaskId.POLICY, {}))
    own = [
        _tenant(
            name,
            one["server"],
            found.pop((name, one["server"]), {}),
            one,
            _used(name, [one["nas"]], quotas),
            _used(name, [one["server"]], disks),
            certificates[name],
        )
        for name, one in sorted(facts.items())
    ]
    # The usage is in the tenant's own line, wherever its containers are.
    orphans = [
        _tenant(
            name,
            server,
            services,
            {},
            0 if name in facts else _used(name, quotas, quotas),
            _used(name, [server], disks),
            None,
        )
        for (name, server), services in sorted(found.items(), key=lambda item: item[0])
    ]
    return (*own, *orphans)


def read(inventory: Path) -> tuple[TenantStatus, ...]:
    """Read all tenants of `inventory`, as `tenants` returns them; raises silo.ansible.runner.RunError."""
    return tenants(runner.read(inventory, ReadTag.LIST))

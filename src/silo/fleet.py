"""All tenants of an inventory: what each should be, and how it is. Read by one playbook, in one run."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import typing as t
from collections.abc import Mapping
from pathlib import Path

from silo import certificate, runner

SERVICES = 3


@dataclasses.dataclass(frozen=True)
class Tenant:
    """One tenant. Sizes in bytes; `desired` is empty for an orphan: one that runs and is in no inventory.

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
    memory_limit_bytes: int
    memory_bytes: int
    version: str
    certificate_issuer: str
    certificate_trusted: bool
    certificate_until: str


def observed(services: Mapping[str, Mapping[str, t.Any]]) -> str:
    """Return in a word how the containers of a tenant are."""
    running = [service for service in services.values() if service["state"] == "running"]
    if len(running) == SERVICES:
        return "running" if all(service["health"] == "healthy" for service in running) else "not healthy"
    if running:
        return f"{len(running)} of {SERVICES} running"
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
    facts: Mapping[str, t.Any],
    services: Mapping[str, Mapping[str, t.Any]],
    used: int,
    seen: certificate.Certificate | None,
) -> Tenant:
    return Tenant(
        name=name,
        url=facts.get("url", ""),
        desired=facts.get("desired", ""),
        observed=observed(services),
        server=facts.get("server", ""),
        plan=facts.get("plan"),
        quota_bytes=facts.get("quota_bytes", 0),
        used_bytes=used,
        memory_limit_bytes=sum(service["memory_limit_bytes"] for service in services.values()),
        memory_bytes=sum(service["memory_bytes"] for service in services.values()),
        version=services.get("server", {}).get("version", ""),
        certificate_issuer=seen.issuer if seen else "",
        certificate_trusted=bool(seen and seen.trusted),
        certificate_until=seen.not_after.date().isoformat() if seen else "",
    )


def read(inventory: Path) -> tuple[Tenant, ...]:
    """Read all tenants of `inventory`, by name; raises silo.runner.RunError."""
    results = runner.results("list.yml", inventory)
    facts: dict[str, t.Any] = {}
    for result in results.get("Read the tenants", {}).values():
        facts = dict(result["tenants"])
    used = {
        name: storage["used"]
        for result in results.get("Read the quotas", {}).values()
        for name, storage in result["tenants"].items()
    }
    stacks = results.get("Read the stacks", {}).values()
    services = {name: found for result in stacks for name, found in result["tenants"].items()}
    certificates = _certificates(facts, results.get("Read the policy", {}))
    return tuple(
        _tenant(name, facts.get(name, {}), services.get(name, {}), used.get(name) or 0, certificates.get(name))
        for name in sorted(facts.keys() | services.keys())
    )

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
from silo.ansible.results import ask
from silo.tenant import services as stack

# Service to the state of its container.
Services = Mapping[str, Mapping[str, t.Any]]
# The state of a tenant whose server does not answer.
UNKNOWN = "unknown"


@dataclasses.dataclass(frozen=True)
class TenantStatus:
    """One tenant. Sizes in bytes; `quota_bytes` and `used_bytes` on the NAS, `disk_*` on its server's own disk.

    `desired` is empty for an orphan: containers on a server for which the inventory has no tenant of this name.
    `reason` is why it is not running and `since` since which day, empty if nobody wrote it down.
    `version` is that of the photo server; `certificate_until` the last day of its certificate, as ISO 8601.
    `problem` is what is wrong with its settings: then an apply leaves it alone, and where they cannot be read,
    `desired` is empty as well. `exceptions` are what its own files say otherwise than its plan: setting, value, plan.
    Sizes are None, and `observed` is unknown, where the machine does not answer.
    """

    name: str
    url: str
    desired: str
    observed: str
    server: str
    plan: str | None
    quota_bytes: int
    used_bytes: int | None
    disk_limit_bytes: int
    disk_bytes: int | None
    memory_limit_bytes: int | None
    memory_bytes: int | None
    version: str
    certificate_issuer: str
    certificate_trusted: bool
    certificate_until: str
    reason: str = ""
    since: str = ""
    problem: str = ""
    exceptions: tuple[Mapping[str, t.Any], ...] = ()
    nas: str = ""


@dataclasses.dataclass(frozen=True)
class FleetStatus:
    """All tenants, and machine to a sentence for each that does not say all."""

    tenants: tuple[TenantStatus, ...]
    missing: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def missing_of(self, tenant: TenantStatus) -> tuple[str, ...]:
        """What is missing of one tenant: all that is, where its own files do not say where it is."""
        hosts = {tenant.server, tenant.nas}
        return tuple(text for host, text in self.missing.items() if "" in hosts or host in hosts)

    @property
    def problems(self) -> tuple[str, ...]:
        """What is missing, or wrong with settings of tenants."""
        return (*self.missing.values(), *(tenant.problem for tenant in self.tenants if tenant.problem))


def observed(services: Services | None) -> str:
    """Return the state of a tenant's containers in a word; None are those of a server that does not answer."""
    if services is None:
        return UNKNOWN
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
        if (said := policy.get(facts[name]["server"])) is None:
            return None
        server = said["msg"]
        return certificate.read(facts[name]["host_name"], server["address"], server["ca_file"])

    with concurrent.futures.ThreadPoolExecutor(max_workers=16) as pool:
        return dict(zip(facts, pool.map(read, facts), strict=True))


def _tenant(
    name: str,
    server: str,
    services: Services | None,
    facts: Mapping[str, t.Any],
    used: int | None,
    space: int | None,
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
        memory_limit_bytes=_memory(services, "memory_limit_bytes"),
        memory_bytes=_memory(services, "memory_bytes"),
        version=(services or {}).get(stack.PHOTO_SERVER, {}).get("version", ""),
        certificate_issuer=seen.issuer if seen else "",
        certificate_trusted=bool(seen and seen.trusted),
        certificate_until=seen.not_after.date().isoformat() if seen else "",
        reason=facts.get("reason", ""),
        since=facts.get("since", ""),
        problem="; ".join(facts.get("problems", ())),
        exceptions=tuple(facts.get("exceptions", ())),
        nas=facts.get("nas", ""),
    )


def _memory(services: Services | None, key: str) -> int | None:
    return None if services is None else sum(service[key] for service in services.values())


def stacks(results: runner.Results) -> dict[tuple[str, str], Services]:
    """Return tenant and server to the existing containers; a tenant that was moved may have some on both."""
    return {
        (name, server): services
        for server, result in results.get(TaskId.STACKS, {}).items()
        for name, services in result["tenants"].items()
    }


def _used(name: str, storages: Iterable[str], quotas: Mapping[str, Mapping[str, t.Any]]) -> int | None:
    """Return what is used in the first directory of this name; None where none of the machines answers."""
    answered = [quotas[nas] for nas in storages if nas in quotas]
    found = (said["tenants"].get(name) for said in answered)
    return next((int(directory["used"] or 0) for directory in found if directory), 0 if answered else None)


def scope(results: runner.Results) -> tuple[Mapping[str, t.Any], Mapping[str, t.Sequence[str]]]:
    """Return tenant to its desired state, with its `problems`, and to the sentences on those that cannot be read."""
    said: Mapping[str, t.Any] = next(iter(results.get(TaskId.TENANTS, {}).values()), {})
    facts, problems = said.get("tenants", {}), said.get("problems", {})
    known = {name: {**one, "problems": problems.get(name, ())} for name, one in facts.items()}
    return known, {name: sentences for name, sentences in problems.items() if name not in facts}


def _unread(
    name: str,
    sentences: t.Sequence[str],
    found: dict[tuple[str, str], Services],
    quotas: Mapping[str, Mapping[str, t.Any]],
    disks: Mapping[str, Mapping[str, t.Any]],
) -> TenantStatus:
    """Return a tenant whose settings cannot be read, as the machines have it; takes its containers out of `found`."""
    server = next((server for one, server in sorted(found) if one == name), "")
    used, space = _used(name, quotas, quotas), _used(name, disks, disks)
    return _tenant(name, server, found.pop((name, server), {}), {"problems": sentences}, used, space, None)


def tenants(results: runner.Results) -> tuple[TenantStatus, ...]:
    """Return all tenants by name, each with the state on its own server and NAS; then those whose settings cannot be
    read, then the orphans.
    """
    facts, lost = scope(results)
    found, quotas, disks = stacks(results), results.get(TaskId.QUOTAS, {}), results.get(TaskId.DISKS, {})
    certificates = _certificates(facts, results.get(TaskId.POLICY, {}))
    answered = results.get(TaskId.STACKS, {})
    own = [
        _tenant(
            name,
            one["server"],
            found.pop((name, one["server"]), {}) if one["server"] in answered else None,
            one,
            _used(name, [one["nas"]], quotas),
            _used(name, [one["server"]], disks),
            certificates[name],
        )
        for name, one in sorted(facts.items())
    ]
    unread = [_unread(name, sentences, found, quotas, disks) for name, sentences in sorted(lost.items())]
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
    return (*own, *unread, *orphans)


def read(inventory: Path) -> FleetStatus:
    """Read all tenants of `inventory`, as `tenants` returns them; raises silo.ansible.runner.RunError."""
    answers = ask(inventory, ReadTag.LIST)
    return FleetStatus(tenants(answers.results), answers.missing)

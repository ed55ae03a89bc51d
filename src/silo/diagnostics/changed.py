"""The verification after an apply: checks the tenants that the run changed, on their machines and their addresses."""

from __future__ import annotations

from collections.abc import Mapping

from silo.ansible.contract import TaskId
from silo.ansible.results import Book, TaskResult
from silo.diagnostics import Finding, engine
from silo.diagnostics.engine import Nas, Tenant
from silo.diagnostics.verify import Facts, tenant

# Tasks of apply.yml, and of verify-changed.yml.
TENANTS, STORED = TaskId.SCOPE, TaskId.STORAGE
NAMED, SERVER, QUOTAS = TaskId.CHANGED, TaskId.CHANGED_CHECKS, TaskId.CHANGED_QUOTAS
# Traefik reads a new route after some tenths of a second.
PATIENCE_SECONDS = 5.0


def broken(book: Book) -> list[Finding]:
    """Return the failed checks; a machine that does not answer is one."""
    scope = next((result.values for result in book.get(TENANTS, {}).values() if not result.problem), {})
    facts: Facts = scope.get("tenants", {})
    # The result of a machine is registered for one of its tenants.
    servers = {host: one["server"] for host, one in facts.items() if "server" in one}
    storages = {host: one["nas"] for host, one in facts.items() if "nas" in one}
    answered, silent = engine.split(engine.SERVER, book.get(SERVER, {}), servers)
    stored, away = engine.split(engine.NAS, book.get(QUOTAS, {}), storages)
    nas = [_nas(storages[host], result, book[STORED][host], facts) for host, result in stored.items() if _read(result)]
    findings = [
        *silent,
        *engine.from_servers(answered.values()),
        *away,
        *engine.run("verify", {"nas": nas}),
        *engine.run("verify", {"tenant": _tenants(book.get(NAMED, {}), facts)}, PATIENCE_SECONDS),
    ]
    return engine.failed("verify", findings)


def _read(result: TaskResult) -> bool:
    """Return whether a NAS was read; a skipped task returns nothing."""
    return "tenants" in result.values


def _nas(name: str, result: TaskResult, stored: TaskResult, facts: Facts) -> Nas:
    """Return a NAS with the tenants whose directory the run changed."""
    done = stored.values["tenants"].items()
    changed = [tenant for tenant, one in done if one["changed"] and not one["failed"]]
    return Nas(name, result.values, {tenant: facts[tenant] for tenant in changed})


def _tenants(answers: Mapping[str, TaskResult], facts: Facts) -> list[Tenant]:
    """Return the tenants that changed; a skipped or failed task has none."""
    named = [result for result in answers.values() if not result.problem and not result.values.get("skipped")]
    return [
        tenant(name, facts[name], result.values["msg"]) for result in named for name in result.values["msg"]["tenants"]
    ]

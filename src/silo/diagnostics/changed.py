"""The verification after an apply: checks the tenants that the run changed, on their machines and their addresses."""

from __future__ import annotations

from collections.abc import Mapping

from silo.ansible.contract import TaskId
from silo.ansible.results import Book, TaskResult
from silo.diagnostics import Finding, engine
from silo.diagnostics.engine import Disk, Nas, Tenant
from silo.diagnostics.verify import Facts, tenant

# Tasks of apply.yml, and of verify-changed.yml.
TENANTS, STORED, LIMITED = TaskId.SCOPE, TaskId.STORAGE, TaskId.DISK
NAMED, SERVER = TaskId.CHANGED, TaskId.CHANGED_CHECKS
QUOTAS, DISKS = TaskId.CHANGED_QUOTAS, TaskId.CHANGED_DISKS
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
    limited, unread = engine.split(engine.DISK, book.get(DISKS, {}), servers)
    nas = [
        Nas(storages[host], result.values, _of_those(book[STORED][host], facts))
        for host, result in stored.items()
        if _read(result)
    ]
    disks = [
        Disk(servers[host], result.values, _of_those(book[LIMITED][host], facts))
        for host, result in limited.items()
        if _read(result)
    ]
    findings = [
        *silent,
        *engine.from_servers(answered.values()),
        *away,
        *unread,
        *engine.run("verify", {"nas": nas, "disk": disks}),
        *engine.run("verify", {"tenant": _tenants(book.get(NAMED, {}), facts)}, PATIENCE_SECONDS),
    ]
    return engine.failed("verify", findings)


def _read(result: TaskResult) -> bool:
    """Return whether limits were read; a skipped task returns nothing."""
    return "tenants" in result.values


def _of_those(done: TaskResult, facts: Facts) -> Facts:
    """Return the facts of the tenants whose limit the run changed."""
    changed = [name for name, one in done.values["tenants"].items() if one["changed"] and not one["failed"]]
    return {name: facts[name] for name in changed}


def _tenants(answers: Mapping[str, TaskResult], facts: Facts) -> list[Tenant]:
    """Return the tenants that changed; a skipped or failed task has none."""
    named = [result for result in answers.values() if not result.problem and not result.values.get("skipped")]
    return [
        tenant(name, facts[name], result.values["msg"]) for result in named for name in result.values["msg"]["tenants"]
    ]

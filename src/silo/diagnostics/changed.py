"""The verification after an apply: checks the tenants that the run changed, on their machines and their addresses."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator, Mapping

from silo.ansible.contract import TaskId
from silo.ansible.results import Book, TaskResult
from silo.diagnostics import Finding, engine
from silo.diagnostics.engine import Disk, Nas, Tenant
from silo.diagnostics.verify import Facts, tenant

# Tasks of apply.yml, and of verify-changed.yml.
TENANTS, STORED, LIMITED = TaskId.SCOPE, TaskId.STORAGE, TaskId.DISK
NAMED, SERVER = TaskId.CHANGED, TaskId.CHANGED_CHECKS
# Traefik reads a new route after some tenths of a second, and then asks for its certificate, which takes others' time.
PATIENCE_SECONDS = 30.0


def broken(book: Book) -> list[Finding]:
    """Return the failed checks; a server that does not answer is one. A limit is what was read back when it was set."""
    scope = next((result.values for result in book.get(TENANTS, {}).values() if not result.problem), {})
    facts: Facts = scope.get("tenants", {})
    # The result of a machine is registered for one of its tenants.
    servers = {host: one["server"] for host, one in facts.items() if "server" in one}
    answered, silent = engine.split(engine.SERVER, book.get(SERVER, {}), servers)
    nas = [Nas(facts[host]["nas"], *read_back) for host, read_back in _limits(book.get(STORED, {}), facts)]
    disks = [Disk(servers[host], *read_back) for host, read_back in _limits(book.get(LIMITED, {}), facts)]
    findings = [
        *silent,
        *engine.from_servers(answered.values()),
        *engine.run("verify", {"nas": nas, "disk": disks}),
        *engine.run("verify", {"tenant": _tenants(book.get(NAMED, {}), facts)}, PATIENCE_SECONDS),
    ]
    return engine.failed("verify", findings)


def _limits(answers: Mapping[str, TaskResult], facts: Facts) -> Iterator[tuple[str, tuple[Mapping[str, t.Any], Facts]]]:
    """Yield each host with what was read back of the limits that changed, and the facts of whose they are.

    A skipped task has none, nor has one that could not read its file system, which the apply itself tells.
    """
    for host, answer in answers.items():
        done = answer.values.get("tenants", {})
        changed = [name for name, one in done.items() if one["changed"] and not one["failed"]]
        if changed:
            found = {name: done[name]["found"] for name in changed}
            read_back = {"backend": answer.values["backend"], "tenants": found}
            yield host, (read_back, {name: facts[name] for name in changed})


def _tenants(answers: Mapping[str, TaskResult], facts: Facts) -> list[Tenant]:
    """Return the tenants that changed; a skipped or failed task has none."""
    named = [result for result in answers.values() if not result.problem and not result.values.get("skipped")]
    return [
        tenant(name, facts[name], result.values["msg"]) for result in named for name in result.values["msg"]["tenants"]
    ]

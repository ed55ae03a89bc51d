"""The checks of `silo verify`: one playbook on the machines, and tests from the controller, as a customer."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from silo.ansible import results, runner
from silo.ansible.contract import ReadTag, TaskId
from silo.ansible.results import TaskResult
from silo.diagnostics import Finding, address, disk, engine, quota  # noqa: F401  # they register checks
from silo.diagnostics.engine import Disk, Nas, Tenant
from silo.inventory.errors import InventoryError, unknown_tenant

POLICY, TENANTS, SERVER, QUOTAS, DISKS = (
    TaskId.POLICY,
    TaskId.TENANTS,
    TaskId.CHECKS,
    TaskId.QUOTAS,
    TaskId.DISKS,
)

Facts = Mapping[str, Mapping[str, t.Any]]


def _of(answers: Mapping[str, TaskResult], hosts: Collection[str]) -> dict[str, TaskResult]:
    return {host: result for host, result in answers.items() if host in hosts}


def tenant(name: str, facts: Mapping[str, t.Any], place: Mapping[str, t.Any]) -> Tenant:
    """Return a tenant for the checks of its address; `place` is an address and a file of authorities."""
    return Tenant(name, facts["host_name"], facts["desired"], place["address"], place["ca_file"])


def findings(name: str, problems: Sequence[str]) -> list[Finding]:
    """Return a finding for each thing that is wrong with the settings of a tenant."""
    fix = "correct the file; until then, an apply leaves the tenant alone"
    return [Finding("inventory", name, "wrong", problem, fix) for problem in problems]


def _choose(facts: Facts, names: Collection[str]) -> Facts:
    for name in names:
        if name not in facts:
            raise unknown_tenant(name, facts)
    return {name: facts[name] for name in facts if name in names} if names else facts


def verify(inventory: Path, names: Collection[str] = ()) -> tuple[Finding, ...]:
    """Check that the tenants `names`, by default all, are as the inventory says.

    Changes nothing. A machine that does not answer is a finding. Raises RunError if Ansible cannot read the inventory,
    and InventoryError for an unknown name.
    """
    given = ["-e", json.dumps({"verify_tenants": sorted(set(names))})] if names else []
    book = results.read(inventory, ReadTag.VERIFY, arguments=given)
    scope = next(iter(book.get(TENANTS, {}).values()), None)
    if scope is not None and scope.problem:
        raise InventoryError(scope.problem)
    known, problems = (scope.values.get(key, {}) if scope else {} for key in ("tenants", "problems"))
    wrong = [one for name, said in problems.items() if not names or name in names for one in findings(name, said)]
    wanted = [name for name in names if name in known or name not in problems]
    facts = _choose(known, wanted) if wanted or not names else {}
    if not book.get(SERVER):
        raise runner.RunError(
            f"{inventory}: there is no server in its group servers; docs/start/first-server.md shows how"
        )
    # Machines without any of the named tenants do not matter.
    on_servers = _of(book[SERVER], {one["server"] for one in facts.values()}) if names else book[SERVER]
    servers, silent = engine.split(engine.SERVER, on_servers)
    on_storage = _of(book.get(QUOTAS, {}), {one["nas"] for one in facts.values()})
    storages, away = engine.split(engine.NAS, on_storage)
    nas = [
        Nas(host, result.values, {name: one for name, one in facts.items() if one["nas"] == host})
        for host, result in storages.items()
    ]
    on_disks = _of(book.get(DISKS, {}), {one["server"] for one in facts.values()})
    limited, unread = engine.split(engine.DISK, on_disks)
    disks = [
        Disk(host, result.values, {name: one for name, one in facts.items() if one["server"] == host})
        for host, result in limited.items()
    ]
    places = {host: result.values["msg"] for host, result in book.get(POLICY, {}).items() if not result.problem}
    tenants = [tenant(name, one, places[one["server"]]) for name, one in facts.items() if one["server"] in places]
    checked = engine.run("verify", {"nas": nas, "disk": disks, "tenant": tenants})
    return (*wrong, *silent, *engine.from_servers(servers.values()), *away, *unread, *checked)

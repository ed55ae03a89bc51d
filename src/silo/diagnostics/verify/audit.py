"""All checks: one playbook on the machines, and from here what a customer would see."""

from __future__ import annotations

import concurrent.futures
import json
import typing as t
from collections.abc import Collection, Mapping
from pathlib import Path

from silo.ansible import results, runner
from silo.ansible.contract import ReadTag, TaskId
from silo.ansible.results import TaskResult
from silo.diagnostics.verify import address, quota
from silo.diagnostics.verify.check import Check, away
from silo.inventory import InventoryError

POLICY, TENANTS, SERVER, QUOTAS = TaskId.POLICY, TaskId.TENANTS, TaskId.CHECKS, TaskId.QUOTAS
WORKERS = 16

Facts = Mapping[str, Mapping[str, t.Any]]


def _servers(book: Mapping[str, TaskResult], wanted: Facts, everything: bool) -> list[Check]:
    """Return what the servers found; of those that nobody asked for, nothing."""
    asked = {facts["server"] for facts in wanted.values()}
    checks = []
    for host, told in sorted(book.items()):
        if not everything and host not in asked:
            continue
        if told.problem:
            checks.append(away(host, told))
        else:
            checks += [Check(**check) for check in told.values["checks"]]
    return checks


def _quotas(book: Mapping[str, TaskResult], wanted: Facts) -> list[Check]:
    checks = []
    for host, told in sorted(book.items()):
        here = {name: facts for name, facts in wanted.items() if facts["nas"] == host}
        if told.problem:
            checks += [away(host, told)] if here else []
            continue
        found, backend = told.values["tenants"], told.values["backend"]
        checks += [
            quota.wall(name, facts, backend, found.get(name))
            for name, facts in here.items()
            if facts["desired"] != "absent"
        ]
    return checks


def _outside(policies: Mapping[str, TaskResult], wanted: Facts) -> list[Check]:
    """Ask at the addresses of all tenants, side by side."""
    places = {
        name: policies[facts["server"]].values["msg"]
        for name, facts in wanted.items()
        if facts["server"] in policies and not policies[facts["server"]].problem
    }
    with concurrent.futures.ThreadPoolExecutor(max_workers=WORKERS) as pool:
        asked = []
        for name, place in places.items():
            host_name, state = wanted[name]["host_name"], wanted[name]["desired"]
            asked.append(pool.submit(address.answers, host_name, place["address"], state))
            # Nobody has the address of an absent one any more, and so no certificate is for it.
            if state != "absent":
                asked.append(pool.submit(address.trusted, host_name, place["address"], place["ca_file"]))
        return [one.result() for one in asked]


def _choose(facts: Facts, names: Collection[str]) -> Facts:
    for name in names:
        if name not in facts:
            there = ", ".join(facts) or "none yet"
            raise InventoryError(f"tenant {name!r}: there is none of this name; there are {there}")
    return {name: facts[name] for name in facts if name in names} if names else facts


def verify(inventory: Path, names: Collection[str] = ()) -> tuple[Check, ...]:
    """Look whether what is promised holds: for the tenants `names`, or for all where none is named.

    Nothing is changed. A machine that is away is a check that fails. Raises RunError where Ansible cannot read the
    inventory, and InventoryError for a name that nobody has.
    """
    given = ["-e", json.dumps({"verify_tenants": sorted(set(names))})] if names else []
    book = results.read(inventory, ReadTag.VERIFY, given)
    told = next(iter(book.get(TENANTS, {}).values()), None)
    if told is not None and told.problem:
        raise InventoryError(told.problem)
    wanted = _choose(told.values["tenants"] if told else {}, names)
    if not book.get(SERVER):
        raise runner.RunError(f"{inventory}: there is no server in its group servers; docs/operator.md shows how")
    return (
        *_servers(book[SERVER], wanted, not names),
        *_quotas(book.get(QUOTAS, {}), wanted),
        *_outside(book.get(POLICY, {}), wanted),
    )

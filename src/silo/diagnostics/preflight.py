"""The checks of `silo check`: one playbook on the machines, and tests from the controller, as a customer."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import typing as t
from collections.abc import Iterable, Mapping
from pathlib import Path

from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics.registry import Scope, Subject

from silo import maintenance
from silo.ansible import results, runner
from silo.ansible.contract import ReadTag, TaskId
from silo.ansible.results import Book, TaskResult
from silo.diagnostics import Finding, backup, disk, engine, http_ports, mail, quota, vault  # noqa: F401  # they register checks
from silo.diagnostics.dns import Domain, random_label, server_addresses
from silo.diagnostics.engine import WORKERS, Controller, Disk, Nas, Thresholds
from silo.diagnostics.server import Server
from silo.inventory import NOT_READ, InventoryError, Sizes, deleted, examination
from silo.notifications.settings import MailSettings

POLICY, TENANTS, SERVER, QUOTAS, DISKS = (
    TaskId.POLICY,
    TaskId.TENANTS,
    TaskId.PREFLIGHT,
    TaskId.QUOTAS,
    TaskId.DISKS,
)

Tenants = Mapping[str, Mapping[str, t.Any]]
MISTAKE = "correct the setting; until then, nothing can be created or applied"
RECORD = "correct the record; until then, nobody can be created or restored"


@dataclasses.dataclass(frozen=True)
class Preflight:
    """The findings, the sizes of each NAS and each server's disk that answered, and all servers and NAS."""

    findings: tuple[Finding, ...]
    sizes: Sizes = NOT_READ
    machines: frozenset[str] = frozenset()


@dataclasses.dataclass(frozen=True)
class PreflightPolicy:
    """A server's variables for these checks; `addresses` are its public addresses."""

    domain: str
    addresses: tuple[str, ...]
    resolver: str
    thresholds: Thresholds


def _percent(values: Mapping[str, t.Any], key: str) -> float:
    try:
        number = float(values[key])
    except (TypeError, ValueError):
        number = -1
    if not 0 <= number <= 100:
        raise ValueError(f"silo_check_{key} is {values[key]!r}; it must be a percentage from 0 to 100")
    return number


def _policy(values: Mapping[str, t.Any]) -> PreflightPolicy:
    """Return the policy of a server; raises ValueError with a sentence."""
    addresses = values["addresses"]
    if not isinstance(addresses, list) or not all(isinstance(one, str) and one for one in addresses) or not addresses:
        raise ValueError(f"silo_check_addresses is {addresses!r}; it must be a list such as [192.0.2.10]")
    thresholds = Thresholds(_percent(values, "disk_warning"), _percent(values, "disk_wrong"))
    return PreflightPolicy(str(values["domain"]), tuple(addresses), str(values["resolver"]), thresholds)


def _policies(answers: Mapping[str, TaskResult]) -> tuple[dict[str, PreflightPolicy], list[Finding]]:
    answered, findings = engine.split(engine.POLICY, answers)
    policies = {}
    for host, answer in answered.items():
        try:
            policies[host] = _policy(answer.values["msg"])
        except ValueError as error:
            fix = "correct it in the inventory, then check again"
            findings.append(Finding("policy", host, "wrong", str(error), fix))
    return policies, findings


def _tenants(book: Book, inventory: Path) -> tuple[Tenants, list[Finding]]:
    result = next(iter(book.get(TENANTS, {}).values()), None)
    if result is None:
        return {}, []
    if result.problem:
        fix = "correct the files of host_vars that the message names, then check again"
        return {}, [Finding("inventory", str(inventory), "wrong", result.problem, fix)]
    fix = "correct the file; until then, an apply leaves the tenant alone"
    problems = result.values.get("problems", {})
    return result.values["tenants"], [
        Finding("inventory", name, "wrong", problem, fix) for name, said in problems.items() for problem in said
    ]


def _domain(policies: Mapping[str, PreflightPolicy], tenants: Tenants) -> list[Domain]:
    """Return the domain of all servers, which is that of the first, as the one item; none if no server has a policy."""
    if not policies:
        return []
    first = next(iter(policies.values()))
    with concurrent.futures.ThreadPoolExecutor(max_workers=WORKERS) as pool:
        known = pool.map(server_addresses, (policy.addresses for policy in policies.values()))
        servers = dict(zip(policies, known, strict=True))
    expected = {name: (tenant["host_name"], tenant["server"]) for name, tenant in tenants.items()}
    return [Domain(first.domain, servers, expected, first.resolver)]


def _servers(
    policies: Mapping[str, PreflightPolicy], domain: list[Domain], answers: Mapping[str, TaskResult], usual: Thresholds
) -> list[Server]:
    """Return each server with its addresses from its policy, its result, or both."""
    addresses = {name: sorted(found.addresses) for one in domain for name, found in one.servers.items()}
    unused = f"{random_label()}.{domain[0].name}" if domain else ""
    limits = {host: policy.thresholds for host, policy in policies.items()}
    return [
        Server(name, addresses.get(name, ()), unused, answers.get(name), limits.get(name, usual))
        for name in sorted({*policies, *answers})
    ]


def _read_with_servers(book: Book, task: TaskId) -> Mapping[str, TaskResult]:
    """Return host to the result of a task that the call of PREFLIGHT does as well; with that it fails on its server."""
    own = {host for host, answer in book.get(POLICY, {}).items() if task is DISKS or _is_nas(answer)}
    failed = {host: answer for host, answer in book.get(SERVER, {}).items() if host in own and answer.problem}
    return {**failed, **book.get(task, {})}


def _is_nas(policy: TaskResult) -> bool:
    return not policy.problem and bool(policy.values["msg"]["is_nas"])


def _notice(inventory: Path) -> list[Finding]:
    """Return what is wrong with the maintenance that is written, which no run shows before it is changed."""
    try:
        maintenance.read(examination.Followed(inventory).read(maintenance.FILE))
    except (maintenance.MaintenanceError, InventoryError) as error:
        text = str(error) if maintenance.FILE in str(error) else f"{maintenance.FILE}: {error}"
        fix = f"correct {maintenance.FILE}, or remove it; until then, 'silo maintenance' and site.yml end there"
        return [Finding("inventory", str(inventory), "wrong", text, fix)]
    return []


def _records(inventory: Path) -> tuple[str, ...]:
    """Return what is wrong with the records of deleted tenants."""
    try:
        return deleted.read(examination.Followed(inventory)).problems
    except InventoryError as error:
        return error.problems


def _machines(inventory: Path) -> Preflight:
    examined = examination.examine(inventory, follow=True)
    if examined.unreadable:
        fix = "correct the file, then check again"
        return Preflight(
            tuple(Finding("inventory", str(inventory), "wrong", text, fix) for text in examined.unreadable)
        )
    try:
        book = results.read(inventory, ReadTag.CHECK)
    except runner.RunError as error:
        text = f"Ansible cannot read it: {' '.join(str(error).split()) or 'it does not say why'}"
        fix = "correct what the message names, then check again"
        return Preflight((Finding("inventory", str(inventory), "wrong", text, fix),))
    policies, findings = _policies(book.get(POLICY, {}))
    tenants, wrong = _tenants(book, inventory)
    servers, silent = engine.split(engine.SERVER, book.get(SERVER, {}))
    storages, away = engine.split(engine.NAS, _read_with_servers(book, QUOTAS))
    disks, unread = engine.split(engine.DISK, _read_with_servers(book, DISKS))
    findings += [Finding("inventory", str(inventory), "wrong", text, MISTAKE) for text in examined.mistakes]
    findings += [Finding("inventory", str(inventory), "warning", text) for text in examined.leftovers]
    findings += [Finding("inventory", str(inventory), "wrong", text, RECORD) for text in _records(inventory)]
    findings += [*_notice(inventory), *wrong, *silent, *away, *unread, *engine.from_servers(servers.values())]
    if not book.get(POLICY):
        fix = "add a server to hosts.yml, as docs/start/first-server.md shows"
        findings.append(Finding("inventory", str(inventory), "wrong", "there is no server in its group servers", fix))
    findings += engine.run("preflight", _subjects(policies, tenants, servers, storages, disks))
    nas, limited = ({name: one.values for name, one in answers.items()} for answers in (storages, disks))
    machines = frozenset(host for task in (POLICY, SERVER, QUOTAS, DISKS) for host in book.get(task, {}))
    return Preflight(tuple(findings), Sizes.of(nas, limited), machines)


def _subjects(
    policies: Mapping[str, PreflightPolicy],
    tenants: Tenants,
    servers: Mapping[str, TaskResult],
    storages: Mapping[str, TaskResult],
    disks: Mapping[str, TaskResult],
) -> Mapping[Scope, Iterable[Subject]]:
    # A NAS that is not a server has the thresholds of the first server.
    usual = next((policy.thresholds for policy in policies.values()), Thresholds())
    domain = _domain(policies, tenants)
    nas = [
        Nas(name, result.values, tenants, policies[name].thresholds if name in policies else usual)
        for name, result in storages.items()
    ]
    limited = [
        Disk(name, result.values, tenants, policies[name].thresholds if name in policies else usual)
        for name, result in disks.items()
    ]
    return {"domain": domain, "server": _servers(policies, domain, servers, usual), "nas": nas, "disk": limited}


def run(inventory: Path, settings: MailSettings | None = None, recipient: str = "") -> Preflight:
    """Check everything on which the tenants of `inventory` depend; change nothing.

    `settings` are those of the operator's relay, None if none is set; `recipient` is the address for its test, by
    default the sender. Whatever does not answer, fails or hangs is a finding, not an exception.
    """
    controller = Controller(inventory, settings, recipient)
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        machines = pool.submit(_machines, inventory)
        here = pool.submit(engine.run, "preflight", {"controller": [controller]})
        found = machines.result()
        return dataclasses.replace(found, findings=(*found.findings, *here.result()))

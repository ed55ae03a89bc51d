"""All looks at the ground: one playbook on the machines, and from here what a customer would see."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import typing as t
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from silo.ansible import results, runner
from silo.ansible.contract import ReadTag, TaskId
from silo.ansible.results import TaskResult
from silo.diagnostics.preflight import dns, http_ports, mail, server, vault
from silo.diagnostics.preflight.finding import Finding
from silo.notifications.settings import MailSettings

POLICY, TENANTS, SERVER, QUOTAS = TaskId.POLICY, TaskId.TENANTS, TaskId.PREFLIGHT, TaskId.QUOTAS
WORKERS = 16


@dataclasses.dataclass(frozen=True)
class Ground:
    """What was found, and the size in bytes of each NAS that told it."""

    findings: tuple[Finding, ...]
    pools: Mapping[str, int]


def _away(subject: str, host: str, told: TaskResult) -> Finding:
    if told.values.get("unreachable"):
        remedy = f"see that {host} runs, and that `ansible {host} -m ping` reaches it: ansible_host, ansible_user, keys"
        return Finding(subject, host, "wrong", f"it cannot be reached over SSH: {told.problem}", remedy)
    remedy = f"do what it asks for; playbooks/site.yml sets {host} up"
    return Finding(subject, host, "unknown", f"it could not be looked at: {told.problem}", remedy)


def _server(host: str, told: TaskResult, thresholds: server.Thresholds) -> Iterator[Finding]:
    if told.problem:
        yield _away("server", host, told)
        return
    seen = told.values
    yield server.storage(host, seen["storage_problem"])
    yield server.clock(host, seen["time"], told.begin, told.end, seen["synchronised"])
    yield from server.disks(host, seen["disks"], thresholds)
    yield server.firewall(host, seen["firewall_problem"])
    yield server.network(host, seen["network_problem"])
    yield server.opened(host, seen["input_problem"])
    yield server.keyless(host, seen["ssh_problem"])


def _storage(nas: str, told: TaskResult, tenants: Mapping[str, t.Any], thresholds: server.Thresholds) -> list[Finding]:
    if told.values.get("unreachable"):
        return [_away("quota", nas, told)]
    if told.problem:
        remedy = "docs/storage.md tells how quotas are on; playbooks/site.yml makes the NAS what it should be"
        return [Finding("quota", nas, "wrong", f"the quotas cannot be read: {told.problem}", remedy)]
    # What else lies beside the tenants' directories, such as lost+found, needs no limit.
    found = {name: directory for name, directory in told.values["tenants"].items() if name in tenants}
    room = server.pool(nas, told.values["pool"], thresholds)
    return [room, *server.quotas(nas, told.values["backend"], found)]


@dataclasses.dataclass(frozen=True)
class PreflightPolicy:
    """What a server's variables say of these looks; `addresses` are those by which customers reach it."""

    domain: str
    addresses: tuple[str, ...]
    resolver: str
    thresholds: server.Thresholds


def _percent(values: Mapping[str, t.Any], key: str) -> float:
    try:
        number = float(values[key])
    except (TypeError, ValueError):
        number = -1
    if not 0 <= number <= 100:
        raise ValueError(f"silo_check_{key} is {values[key]!r}; a number from 0 to 100, in percent, is right")
    return number


def _policy(values: Mapping[str, t.Any]) -> PreflightPolicy:
    """Return the policy of a server; raises ValueError with a sentence."""
    addresses = values["addresses"]
    if not isinstance(addresses, list) or not all(isinstance(one, str) and one for one in addresses) or not addresses:
        raise ValueError(f"silo_check_addresses is {addresses!r}; a list such as [192.0.2.10] is right")
    thresholds = server.Thresholds(_percent(values, "disk_warning"), _percent(values, "disk_wrong"))
    return PreflightPolicy(str(values["domain"]), tuple(addresses), str(values["resolver"]), thresholds)


def _policies(told: Mapping[str, TaskResult]) -> tuple[dict[str, PreflightPolicy], list[Finding]]:
    policies, findings = {}, []
    for host, answer in sorted(told.items()):
        if answer.problem:
            findings.append(_away("policy", host, answer))
            continue
        try:
            policies[host] = _policy(answer.values["msg"])
        except ValueError as error:
            remedy = "correct it in the inventory, then check again"
            findings.append(Finding("policy", host, "wrong", str(error), remedy))
    return policies, findings


def _outside(policies: Mapping[str, PreflightPolicy], tenants: Mapping[str, Mapping[str, t.Any]]) -> list[Finding]:
    """Ask for the names and knock at the doors, all side by side."""
    if not policies:
        return []
    first = next(iter(policies.values()))
    with concurrent.futures.ThreadPoolExecutor(max_workers=WORKERS) as pool:
        known = pool.map(dns.known, (policy.addresses for policy in policies.values()))
        servers = dict(zip(policies, known, strict=True))
        wanted = {name: (tenant["host_name"], tenant["server"]) for name, tenant in tenants.items()}
        asked = pool.submit(dns.look, first.domain, servers, wanted, first.resolver)
        host_name = f"{dns.random_label()}.{first.domain}"
        looks: list[Callable[[str, str, str], Finding]] = [http_ports.plain, http_ports.secure]
        knocked = [
            pool.submit(look, name, address, host_name)
            for name, answer in servers.items()
            for address in sorted(answer.addresses)
            for look in looks
        ]
        return [*asked.result(), *(knock.result() for knock in knocked)]


def _machines(inventory: Path) -> tuple[list[Finding], dict[str, int]]:
    try:
        book = results.read(inventory, ReadTag.CHECK)
    except runner.RunError as error:
        text = f"Ansible cannot read it: {' '.join(str(error).split()) or 'it does not say why'}"
        return [Finding("inventory", str(inventory), "wrong", text, "correct what it names, then check again")], {}
    policies, findings = _policies(book.get(POLICY, {}))
    tenants: Mapping[str, t.Any] = {}
    for told in book.get(TENANTS, {}).values():
        if told.problem:
            remedy = "correct the files of host_vars that it names, then check again"
            findings.append(Finding("inventory", str(inventory), "wrong", told.problem, remedy))
        else:
            tenants = told.values["tenants"]
    findings += _outside(policies, tenants)
    # A NAS that is no server has the limits of the first.
    usual = next((policy.thresholds for policy in policies.values()), server.Thresholds())
    limits = {host: policy.thresholds for host, policy in policies.items()}
    for host, told in sorted(book.get(SERVER, {}).items()):
        findings += _server(host, told, limits.get(host, usual))
    for host, told in sorted(book.get(QUOTAS, {}).items()):
        findings += _storage(host, told, tenants, limits.get(host, usual))
    if not book.get(POLICY):
        remedy = "add a server to hosts.yml, as docs/operator.md shows"
        text = "there is no server in its group servers"
        findings.append(Finding("inventory", str(inventory), "wrong", text, remedy))
    told_pools = {nas: told.values["pool"] for nas, told in book.get(QUOTAS, {}).items() if not told.problem}
    return findings, {nas: int(pool["size"]) for nas, pool in told_pools.items()}


def look(inventory: Path, settings: MailSettings | None = None, recipient: str = "") -> Ground:
    """Look at everything on which the tenants of `inventory` stand; nothing is changed.

    `settings` are of the operator's relay, None where none is set; `recipient` is whom it would write to, the sender
    itself where it is empty. Whatever is away, fails or hangs is a finding; nothing is raised for it.
    """
    with concurrent.futures.ThreadPoolExecutor(max_workers=3) as pool:
        machines = pool.submit(_machines, inventory)
        secrets = pool.submit(vault.look, inventory)
        letters = pool.submit(mail.look, settings, recipient)
        findings, pools = machines.result()
        return Ground((*findings, *secrets.result(), letters.result()), pools)


def check(inventory: Path, settings: MailSettings | None = None, recipient: str = "") -> tuple[Finding, ...]:
    """Return the findings of a look."""
    return look(inventory, settings, recipient).findings

"""What `silo check`, `silo verify` and the verification after an apply have in common.

A machine runs its own checks in one call and returns the findings. The checks that are registered here run on the
controller, side by side: they compare what machines returned, or look from outside as a customer does.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import time
import typing as t
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics.registry import (
    Check,
    Registry,
    Scope,
    Selection,
    Subject,
)

from silo.ansible.results import TaskResult
from silo.diagnostics import Finding, State
from silo.notifications.settings import MailSettings

WORKERS = 16
PAUSE_SECONDS = 0.1
# Preflight warns of a machine that answers with an error; verify fails by everything that it could not verify.
FAILING: Mapping[Selection, frozenset[State]] = {
    "preflight": frozenset({"wrong"}),
    "verify": frozenset({"wrong", "unknown", "warning"}),
}

ON_CONTROLLER = Registry()
check = ON_CONTROLLER.check


@dataclasses.dataclass(frozen=True)
class Thresholds:
    """At how many percent left of a disk, or of its inodes, it is worth a warning, and when it is wrong."""

    warning: float = 15.0
    wrong: float = 5.0


@dataclasses.dataclass(frozen=True)
class Controller:
    """This machine: the inventory, and the mail relay, None where none is set. `recipient` may be empty."""

    inventory: Path
    mail: MailSettings | None = None
    recipient: str = ""
    name: str = "controller"
    fix: str = ""


@dataclasses.dataclass(frozen=True)
class Tenant:
    """A tenant as customers find it: its state in the inventory, its server's address, the authorities trusted."""

    name: str
    host_name: str
    state: str
    address: str
    ca_file: str

    @property
    def fix(self) -> str:
        """Apply makes a tenant what the inventory says."""
        return f"run 'silo apply {self.name}'"


@dataclasses.dataclass(frozen=True)
class Nas:
    """A NAS that answered: `values` of storage_quota_info, and `tenants` to check, by name to their facts."""

    name: str
    values: Mapping[str, t.Any]
    tenants: Mapping[str, Mapping[str, t.Any]]
    thresholds: Thresholds = Thresholds()
    fix: str = "run playbooks/site.yml"


@dataclasses.dataclass(frozen=True)
class Machine:
    """A kind of machine: the id, state, message and fix of the finding on one that answers with an error."""

    id: str
    state: State
    message: str
    fix: str


SERVER = Machine(
    "server", "unknown", "it could not be checked", "do what the message asks for; playbooks/site.yml sets it up"
)
POLICY = Machine("policy", "unknown", "its variables cannot be read", "correct the inventory, then check again")
NAS = Machine(
    "quota",
    "wrong",
    "the quotas cannot be read",
    "docs/operate/storage.md tells how quotas are on; playbooks/site.yml makes the NAS what it should be",
)


def run(selection: Selection, subjects: Mapping[Scope, Iterable[Subject]], patience: float = 0) -> list[Finding]:
    """Return the findings of the controller's checks of `subjects`, all of them run side by side.

    A check that fails is run again until `patience` seconds have passed: what was just changed may take a moment.
    """
    chosen = [
        (one, subject)
        for scope, of_scope in subjects.items()
        for subject in of_scope
        for one in ON_CONTROLLER.of(selection, scope)
    ]
    with concurrent.futures.ThreadPoolExecutor(max_workers=WORKERS) as pool:
        started = [pool.submit(_run, one, subject, patience) for one, subject in chosen]
        return [finding for one in started for finding in one.result()]


def _run(one: Check[t.Any], subject: Subject, patience: float) -> list[Finding]:
    deadline = time.monotonic() + patience
    while True:
        findings = one(subject)
        if all(finding.ok for finding in findings) or time.monotonic() >= deadline:
            return findings
        time.sleep(PAUSE_SECONDS)


def split(
    machine: Machine, answers: Mapping[str, TaskResult], names: Mapping[str, str] | None = None
) -> tuple[dict[str, TaskResult], list[Finding]]:
    """Return the answers of machines, and a finding on each that gave none.

    `names` is host to the machine for which it answered, where that is another.
    """
    answered, findings = {}, []
    for host, result in sorted(answers.items()):
        if result.problem:
            findings.append(no_answer(machine, (names or {}).get(host, host), result))
        else:
            answered[host] = result
    return answered, findings


def no_answer(machine: Machine, host: str, result: TaskResult) -> Finding:
    """Return the finding on a machine that cannot be reached, or answers with an error."""
    if result.values.get("unreachable"):
        fix = f"see that {host} runs, and that `ansible {host} -m ping` reaches it: ansible_host, ansible_user, keys"
        return Finding(machine.id, host, "wrong", f"it cannot be reached over SSH: {result.problem}", fix)
    return Finding(machine.id, host, machine.state, f"{machine.message}: {result.problem}", machine.fix)


def from_servers(answers: Iterable[TaskResult]) -> list[Finding]:
    """Return the findings that servers returned; a task that is skipped returns none."""
    return [Finding.from_dict(values) for answer in answers for values in answer.values.get("findings", ())]


def failed(selection: Selection, findings: Collection[Finding]) -> list[Finding]:
    """Return the findings for which a command of this selection ends with 1."""
    return [finding for finding in findings if finding.state in FAILING[selection]]

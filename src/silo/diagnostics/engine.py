"""The engine of `silo check`, `silo verify` and the verification after an apply.

A machine runs its own checks in one call and returns the findings. The checks registered here run on the controller, in
parallel: they compare results of machines, or test from outside, as a customer would.
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
# Preflight only warns if a machine returns an error; verify fails if it could not verify something.
FAILING: Mapping[Selection, frozenset[State]] = {
    "preflight": frozenset({"wrong"}),
    "verify": frozenset({"wrong", "unknown", "warning"}),
}

ON_CONTROLLER = Registry()
check = ON_CONTROLLER.check


@dataclasses.dataclass(frozen=True)
class Thresholds:
    """The percentages of free space, or inodes, below which a disk is a warning, or wrong."""

    warning: float = 15.0
    wrong: float = 5.0


@dataclasses.dataclass(frozen=True)
class Controller:
    """This machine: the inventory, and the mail relay, None if none is set. `recipient` may be empty."""

    inventory: Path
    mail: MailSettings | None = None
    recipient: str = ""
    name: str = "controller"
    fix: str = ""


@dataclasses.dataclass(frozen=True)
class Tenant:
    """A tenant as customers see it: its state in the inventory, its server's address, the trusted authorities."""

    name: str
    host_name: str
    state: str
    address: str
    ca_file: str

    @property
    def fix(self) -> str:
        """An apply brings the tenant to its desired state."""
        return f"run 'silo apply {self.name}'"


@dataclasses.dataclass(frozen=True)
class _Limits:
    """Where limits are set: `values` of storage_quota_info, and `tenants` to check, by name to their facts."""

    name: str
    values: Mapping[str, t.Any]
    tenants: Mapping[str, Mapping[str, t.Any]]
    thresholds: Thresholds = Thresholds()
    fix: str = "run playbooks/site.yml"


class Nas(_Limits):
    """A NAS that answered."""


class Disk(_Limits):
    """The disk of a server for its tenants, which answered."""


@dataclasses.dataclass(frozen=True)
class Machine:
    """A kind of machine: id, state, message and fix of the finding if one returns an error."""

    id: str
    state: State
    message: str
    fix: str


SERVER = Machine(
    "server", "unknown", "it could not be checked", "follow the message; playbooks/site.yml sets the server up"
)
POLICY = Machine("policy", "unknown", "its variables cannot be read", "correct the inventory, then check again")
NAS = Machine(
    "quota",
    "wrong",
    "the quotas cannot be read",
    "docs/operate/storage.md explains quotas; playbooks/site.yml sets the NAS up",
)


DISK = Machine(
    "disk_quota",
    "wrong",
    "the limits on its disk cannot be read, so one tenant can stop all others",
    "docs/operate/disk.md explains the disk of a server; playbooks/site.yml sets it up",
)


def run(selection: Selection, subjects: Mapping[Scope, Iterable[Subject]], patience: float = 0) -> list[Finding]:
    """Run the controller's checks of `subjects` in parallel; return their findings.

    A failed check is repeated for `patience` seconds, because a change may need a moment to take effect.
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
    """Return the results of machines, and a finding for each without one; a skipped task has neither.

    `names` is host to the machine for which its result counts, if that is another one.
    """
    answered, findings = {}, []
    for host, result in sorted(answers.items()):
        if result.problem:
            findings.append(no_answer(machine, (names or {}).get(host, host), result))
        elif not result.values.get("skipped"):
            answered[host] = result
    return answered, findings


def no_answer(machine: Machine, host: str, result: TaskResult) -> Finding:
    """Return the finding on a machine that cannot be reached or returns an error."""
    if result.values.get("unreachable"):
        fix = f"check that {host} runs, and that `ansible {host} -m ping` reaches it: ansible_host, ansible_user, keys"
        return Finding(machine.id, host, "wrong", f"it cannot be reached over SSH: {result.problem}", fix)
    return Finding(machine.id, host, machine.state, f"{machine.message}: {result.problem}", machine.fix)


def from_servers(answers: Iterable[TaskResult]) -> list[Finding]:
    """Return the findings of servers; a skipped task has none."""
    return [Finding.from_dict(values) for answer in answers for values in answer.values.get("findings", ())]


def failed(selection: Selection, findings: Collection[Finding]) -> list[Finding]:
    """Return the findings that make a command of this selection end with 1."""
    return [finding for finding in findings if finding.state in FAILING[selection]]

"""The result of each machine for the tasks of read.yml, including machines that fail or do not answer."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t
from collections.abc import Mapping, Sequence
from pathlib import Path

from silo.ansible import runner
from silo.ansible.contract import READ, ReadTag, TaskId

# What a sentence calls the result of a task.
CALLED: Mapping[TaskId, str] = {
    TaskId.QUOTAS: "its quotas",
    TaskId.DISKS: "its disk",
    TaskId.POLICY: "its variables",
    TaskId.STACKS: "its containers",
    TaskId.USAGE: "the usage there",
    TaskId.LEDGER: "its ledger",
    TaskId.RECORDS: "its records",
}


@dataclasses.dataclass(frozen=True)
class TaskResult:
    """The result of a task on a host, which ran between `begin` and `end` (seconds since 1970, by this machine)."""

    values: Mapping[str, t.Any]
    begin: float
    end: float

    @property
    def problem(self) -> str:
        """Why there is no result; empty if there is one."""
        if self.values.get("unreachable") or self.values.get("failed"):
            said = " ".join(str(self.values.get("msg", "it does not say why")).split())
            return said.removeprefix("Task failed: ")
        return ""


Book = dict[TaskId, dict[str, TaskResult]]


@dataclasses.dataclass(frozen=True)
class Answers:
    """What the machines said that answered, and machine to a sentence on why it did not say all.

    `results` are as those of silo.ansible.runner: task to host to result.
    """

    results: runner.Results
    missing: Mapping[str, str] = dataclasses.field(default_factory=dict)


def _seconds(text: str) -> float:
    return datetime.datetime.fromisoformat(text).timestamp()


def read(inventory: Path, *tags: ReadTag, arguments: Sequence[str] = ()) -> Book:
    """Run read.yml with `tags`; return task to host to its result, also of hosts that failed or did not answer.

    Raises RunError if Ansible cannot run it.
    """
    book: Book = {}
    for event in runner.events(READ, inventory, ["--tags", ",".join(tags), *arguments]):
        add(event, book)
    return book


def ask(inventory: Path, *tags: ReadTag, arguments: Sequence[str] = ()) -> Answers:
    """Run read.yml with `tags`; return what the machines answer, and what is missing.

    Raises RunError if Ansible cannot run it, or the tenants cannot be read.
    """
    return answers(read(inventory, *tags, arguments=arguments))


def answers(book: Book) -> Answers:
    """Return the results that went well, and what is missing; raises RunError without the tenants."""
    for told in book.get(TaskId.TENANTS, {}).values():
        if told.problem:
            raise runner.RunError(told.problem)
    found: runner.Results = {}
    missing: dict[str, str] = {}
    for task, told_by in book.items():
        for host, told in told_by.items():
            if told.problem:
                missing.setdefault(host, _sentence(host, task, told))
            elif not told.values.get("skipped"):
                found.setdefault(task, {})[host] = told.values
    return Answers(found, dict(sorted(missing.items())))


def _sentence(host: str, task: TaskId, told: TaskResult) -> str:
    if told.values.get("unreachable"):
        return f"{host} cannot be reached, and what it would say is missing: {told.problem}"
    return f"{host} does not say all, as {CALLED.get(task, task.value)} cannot be read: {told.problem}"


def add(event: runner.Event, book: Book) -> None:
    """Add the results of an event to `book`, except those of a task without an id."""
    for task, host, values in runner.task_results(event):
        lasted = event["task"]["duration"]
        book.setdefault(task, {})[host] = TaskResult(values, _seconds(lasted["start"]), _seconds(lasted["end"]))

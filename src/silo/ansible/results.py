"""What each machine answered to the tasks of a playbook that only reads; who fails or is away answers as well."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t
from collections.abc import Mapping, Sequence
from pathlib import Path

from silo.ansible import runner
from silo.ansible.contract import READ, ReadTag, TaskId, task_id


@dataclasses.dataclass(frozen=True)
class TaskResult:
    """The answer of a host to a task, which ran between `begin` and `end` (seconds since 1970, by this machine)."""

    values: Mapping[str, t.Any]
    begin: float
    end: float

    @property
    def problem(self) -> str:
        """Why there is no answer; empty where there is one."""
        if self.values.get("unreachable") or self.values.get("failed"):
            said = " ".join(str(self.values.get("msg", "it does not say why")).split())
            return said.removeprefix("Task failed: ")
        return ""


Book = dict[TaskId, dict[str, TaskResult]]


def _seconds(text: str) -> float:
    return datetime.datetime.fromisoformat(text).timestamp()


def read(inventory: Path, tag: ReadTag, arguments: Sequence[str] = ()) -> Book:
    """Run what read.yml has for `tag`; return task to host to its answer, also of those that failed or are away.

    Raises RunError where Ansible cannot run it.
    """
    book: Book = {}
    for event in runner.events(READ, inventory, ["--tags", tag, *arguments]):
        add(event, book)
    return book


def add(event: runner.Event, book: Book) -> None:
    """Add the answers of an event to `book`; those of a task without an id are left out."""
    task = task_id(event["task"]["name"]) if "task" in event else None
    if task is None:
        return
    for host, values in runner.host_results(event).items():
        lasted = event["task"]["duration"]
        book.setdefault(task, {})[host] = TaskResult(values, _seconds(lasted["start"]), _seconds(lasted["end"]))

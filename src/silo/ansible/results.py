"""The result of each machine for the tasks of read.yml, including machines that fail or do not answer."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t
from collections.abc import Mapping, Sequence
from pathlib import Path

from silo.ansible import runner
from silo.ansible.contract import READ, ReadTag, TaskId


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


def _seconds(text: str) -> float:
    return datetime.datetime.fromisoformat(text).timestamp()


def read(inventory: Path, tag: ReadTag, arguments: Sequence[str] = ()) -> Book:
    """Run read.yml with `tag`; return task to host to its result, also of hosts that failed or did not answer.

    Raises RunError if Ansible cannot run it.
    """
    book: Book = {}
    for event in runner.events(READ, inventory, ["--tags", tag, *arguments]):
        add(event, book)
    return book


def add(event: runner.Event, book: Book) -> None:
    """Add the results of an event to `book`, except those of a task without an id."""
    for task, host, values in runner.task_results(event):
        lasted = event["task"]["duration"]
        book.setdefault(task, {})[host] = TaskResult(values, _seconds(lasted["start"]), _seconds(lasted["end"]))

"""What each machine answered to the tasks of a playbook that only reads; who fails or is away answers as well."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t
from collections.abc import Mapping, Sequence
from pathlib import Path

from silo.ansible import runner


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


Book = dict[str, dict[str, TaskResult]]


def _seconds(text: str) -> float:
    return datetime.datetime.fromisoformat(text).timestamp()


def read(playbook: str, inventory: Path, arguments: Sequence[str] = ()) -> Book:
    """Return task to host to its answer, of those that failed or are away as well. Raises RunError."""
    book: Book = {}
    for event in runner.events(playbook, inventory, arguments):
        add(event, book)
    return book


def add(event: runner.Event, book: Book) -> None:
    """Add the answers of an event to `book`; a task has its own name, without that of its role."""
    for host, values in runner.host_results(event).items():
        lasted = event["task"]["duration"]
        told = TaskResult(values, _seconds(lasted["start"]), _seconds(lasted["end"]))
        book.setdefault(runner.own_name(event["task"]["name"]), {})[host] = told

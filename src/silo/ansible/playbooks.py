"""Runs of playbooks that change machines: one at a time for an inventory, with variables that no process list shows."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import tempfile
import typing as t
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from silo.ansible import results, runner
from silo.ansible.results import Book
from silo.ansible.runner import Event, Results, RunError
from silo.state import State

APPLY = "apply.yml"
PLAN = "plan.yml"
LETTERS = "letters.yml"
ACCESS = "tenant-access.yml"
TRASH = "trash.yml"
VERIFY = "verify-changed.yml"
MAINTENANCE = "maintenance.yml"


def _silent(_message: object) -> None:
    return


@dataclasses.dataclass(frozen=True)
class Ended:
    """A run that went well: `results` are those of tasks that did, `book` has those of failed and skipped ones too."""

    results: Results
    book: Book


class IncompleteRun(RunError):
    """A run in which something failed; `results` are those of what went well all the same."""

    def __init__(self, text: str, results: Results) -> None:
        """Keep the results."""
        super().__init__(text)
        self.results = results


@dataclasses.dataclass(frozen=True)
class Playbooks:
    """The playbooks, run for one inventory. `listen` gets Ansible's events, `on_wait` a sentence where a run waits.

    `always` are variables of each run.
    """

    inventory: Path
    state: State
    always: Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    listen: Callable[[Event], None] = _silent
    on_wait: Callable[[str], None] = _silent

    def run(
        self,
        playbooks: Sequence[str],
        *,
        tenants: Sequence[str] = (),
        tags: Sequence[str] = (),
        variables: Mapping[str, t.Any] = MappingProxyType({}),
    ) -> Ended:
        """Run playbooks in one process, for these tenants or for all; raises IncompleteRun, BusyError."""
        arguments = [*_option("--limit", tenants), *_option("--tags", tags)]
        ended = Ended({}, {})
        with self.state.turn(self.on_wait) as lock, _in_a_file({**self.always, **variables}) as given:
            try:
                for event in runner.events(playbooks, self.inventory, [*arguments, *given], lock):
                    self.listen(event)
                    runner.collect(event, ended.results)
                    results.add(event, ended.book)
            except RunError as error:
                raise IncompleteRun(str(error), ended.results) from error
        return ended


def _option(name: str, values: Sequence[str]) -> list[str]:
    return [name, ",".join(values)] if values else []


@contextlib.contextmanager
def _in_a_file(variables: Mapping[str, t.Any]) -> Iterator[list[str]]:
    if not variables:
        yield []
        return
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(variables, file)
        file.flush()
        yield ["-e", f"@{file.name}"]

"""What the command line prints: tables and sentences for people, JSON for machines, a code for scripts."""

from __future__ import annotations

import collections
import json
import typing as t
from collections.abc import Callable, Iterable, Sequence

import click
from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics.registry import Selection
from rich import box
from rich.console import Console
from rich.table import Table

from silo.admission import AdmissionError
from silo.ansible.runner import RunError
from silo.billing.errors import BillingError
from silo.diagnostics import Finding, engine
from silo.inventory import InventoryError
from silo.notifications import LetterError
from silo.operation import NotReachedError
from silo.state import BusyError

LINE = 160

EXIT_CODES = """\b
Exit codes:
  0  done, or nothing to do
  1  Ansible or the relay failed, or a check found something wrong; nothing was decided
  2  a wrong name, value or option; nothing was changed
  3  there is no room for it; nothing was changed
  4  the inventory says it, the machines are not there yet; 'silo apply' completes it
  5  another run was waited for too long"""


class Failure(click.ClickException):
    """Ansible or the relay failed, or a check found something wrong; click ends with the code, as with those below."""

    exit_code = 1


class WrongInput(Failure):
    """A wrong name, value or option."""

    exit_code = 2


class NoRoom(Failure):
    """There is no room for it."""

    exit_code = 3


class NotReached(Failure):
    """The inventory says it, and the machines are not there yet."""

    exit_code = 4


class Busy(Failure):
    """Another run was waited for too long."""

    exit_code = 5


FAILURES: tuple[tuple[type[Exception], type[Failure]], ...] = (
    (InventoryError, WrongInput),
    (AdmissionError, NoRoom),
    (NotReachedError, NotReached),
    (BusyError, Busy),
    (LetterError, Failure),
    (BillingError, Failure),
    (RunError, Failure),
)


class Command(click.Command):
    """A command whose errors are sentences."""

    def invoke(self, context: click.Context) -> t.Any:
        """Run; what the library raises becomes a sentence and a code."""
        try:
            return super().invoke(context)
        except tuple(kind for kind, _failure in FAILURES) as error:
            failure = next(failure for kind, failure in FAILURES if isinstance(error, kind))
            raise failure(str(error)) from error


def table(*columns: str) -> Table:
    """Return an empty table."""
    made = Table(box=box.SIMPLE_HEAD)
    for column in columns:
        made.add_column(column, no_wrap=True)
    return made


def show(made: Table) -> None:
    """Print a table; a line stays a line, also where it is longer than the terminal: it can be searched."""
    Console(width=max(Console().width, LINE)).print(made)


def findings(found: Iterable[Finding]) -> None:
    """Print a line on each finding, and below it what is to do."""
    for finding in found:
        click.echo(f"{finding.state:8} {finding.id}, {finding.subject}: {finding.message}")
        if finding.fix:
            click.echo(f"{'':8} -> {finding.fix}")


def report(
    selection: Selection, found: Sequence[Finding], in_json: bool, *, show_all: bool = True, summary: bool = False
) -> None:
    """Print the findings of a command, without `show_all` only those that need something done.

    `summary` puts a table of the checks before them. Raises Failure where the selection fails by one of them.
    """
    if in_json:
        as_json({"findings": [finding.as_dict() for finding in found]})
    else:
        if summary:
            _summary(found)
        findings(finding for finding in found if show_all or not finding.ok)
    if failed := len(engine.failed(selection, found)):
        raise Failure(f"{failed} of {len(found)} checks failed.")


def _summary(found: Sequence[Finding]) -> None:
    ok = collections.Counter(finding.id for finding in found if finding.ok)
    made = table("check", "ok for")
    for name, number in collections.Counter(finding.id for finding in found).items():
        made.add_row(name, f"{ok[name]} of {number}")
    show(made)


def as_json(value: object) -> None:
    """Print a value for machines."""
    click.echo(json.dumps(value, indent=2))


def json_option(help_text: str) -> Callable[[Callable[..., t.Any]], Callable[..., t.Any]]:
    """Return the option --json."""
    return click.option("--json", "as_json", is_flag=True, help=help_text)

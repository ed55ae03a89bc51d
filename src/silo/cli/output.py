"""The output of the command line: tables and sentences for people, JSON for machines, exit codes for scripts."""

from __future__ import annotations

import collections
import json
import os
import shutil
import sys
import typing as t
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import click
from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics.registry import Selection
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from silo.admission import AdmissionError
from silo.ansible.runner import RunError
from silo.billing.errors import BillingError
from silo.diagnostics import Finding, engine
from silo.inventory import InventoryError
from silo.notifications import LetterError
from silo.state import BusyError
from silo.tenants import ApplyIncomplete

# Columns of a terminal: the help uses at most so many, and needs at least so many.
WIDEST_HELP, NARROWEST_HELP = 80, 30
# Of a table that nobody's terminal limits.
UNLIMITED = 100_000

EXIT_CODES = """\b
Exit codes:
  0  done, or nothing to do
  1  Ansible or the mail relay failed, or a check found a problem
  2  wrong name, value or option; nothing was changed
  3  not enough memory or storage; nothing was changed
  4  inventory changed, but not yet applied to all machines; run 'silo apply'
  5  another run did not end in time; nothing was changed"""


class Failure(click.ClickException):
    """Ansible or the relay failed, or a check found something wrong; click ends with the code, as with those below."""

    exit_code = 1


class WrongInput(Failure):
    """A wrong name, value or option."""

    exit_code = 2


class NoRoom(Failure):
    """There is not enough memory or storage."""

    exit_code = 3


class NotApplied(Failure):
    """The inventory is changed, but not yet applied to all machines."""

    exit_code = 4


class Busy(Failure):
    """Another run did not end in time."""

    exit_code = 5


FAILURES: tuple[tuple[type[Exception], type[Failure]], ...] = (
    (InventoryError, WrongInput),
    (AdmissionError, NoRoom),
    (ApplyIncomplete, NotApplied),
    (BusyError, Busy),
    (LetterError, Failure),
    (BillingError, Failure),
    (RunError, Failure),
)


class Command(click.Command):
    """A command that turns exceptions into messages and exit codes."""

    def invoke(self, context: click.Context) -> t.Any:
        """Run the command; turn an exception into a message and an exit code."""
        try:
            return super().invoke(context)
        except tuple(kind for kind, _failure in FAILURES) as error:
            failure = next(failure for kind, failure in FAILURES if isinstance(error, kind))
            raise failure(str(error)) from error


class Group(click.Group):
    """A group of commands whose help wraps to the terminal and cuts no summary."""

    def sections(self) -> Mapping[str, Collection[str]]:
        """Return the headings of --help, each with the names of its commands in their order."""
        return {"Commands": self.commands}

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: t.Any
    ) -> click.Context:
        """Make the context of a call; its help is as wide as the terminal, also where that is narrow."""
        width = min(shutil.get_terminal_size().columns, WIDEST_HELP)
        return super().make_context(info_name, args, parent, **{"terminal_width": max(width, NARROWEST_HELP), **extra})

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each section with the first sentence of each of its commands."""
        for title, names in self.sections().items():
            known = {name: self.get_command(context, name) for name in names}
            rows = [(name, one.get_short_help_str(limit=UNLIMITED)) for name, one in known.items() if one]
            with formatter.section(title):
                formatter.write_dl(rows)


def table(*columns: str) -> Table:
    """Return an empty table whose cells fold."""
    made = Table(box=box.SIMPLE_HEAD)
    for column in columns:
        made.add_column(column, overflow="fold")
    return made


def console() -> Console:
    """Return the console for tables: text is printed as it is; without a terminal, or COLUMNS, no width limits it."""
    limited = sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdecimal()
    return Console(width=None if limited else UNLIMITED, markup=False, emoji=False, highlight=False)


def fit(made: Table, screen: Console) -> Table:
    """Return a table for the width of `screen`: the same, with cells that wrap between words, or one cell a line.

    The last is for where a word, such as a name or an id, would not fit into its column; a longer word continues below.
    """
    options = screen.options.update(max_width=UNLIMITED)
    total = Measurement.get(screen, options, made).maximum
    if total <= screen.width:
        return made
    columns = [[str(column.header), *map(str, column.cells)] for column in made.columns]
    widest = [max(cell_len(line) for cell in cells for line in cell.split("\n")) for cells in columns]
    least = [max(cell_len(word) for cell in cells for word in cell.split() or [""]) for cells in columns]
    room = screen.width - (total - sum(widest)) - sum(least)
    if room < 0:
        return _one_cell_a_line(columns, screen.width)
    # Short columns get all that they need; the long ones share the rest.
    for done, place in enumerate(sorted(range(len(columns)), key=lambda place: widest[place] - least[place])):
        more = min(widest[place] - least[place], room // (len(columns) - done))
        made.columns[place].width = least[place] + more
        room -= more
    return made


def _one_cell_a_line(columns: Sequence[Sequence[str]], width: int) -> Table:
    made = Table(box=None, show_header=False, padding=(0, 1, 0, 0))
    # A label takes at most a third, so that there is room for what it names.
    made.add_column(overflow="fold", max_width=max(1, width // 3))
    made.add_column(overflow="fold")
    for row in range(1, len(columns[0])):
        for cells in columns:
            made.add_row(cells[0], cells[row])
        made.add_row("", "")
    return made


def show(made: Table) -> None:
    """Print a table as wide as the terminal; elsewhere each row is one line, so that it can be searched."""
    screen = console()
    screen.print(fit(made, screen))


def findings(found: Iterable[Finding]) -> None:
    """Print each finding, and its fix below it."""
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

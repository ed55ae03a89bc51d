"""The output of the command line: tables and sentences for people, JSON for machines, exit codes for scripts.

All that silo prints passes here, and each line and cell of it `printable`: what a tenant, a customer or Stripe wrote
is in much of it. A unit test looks for any other way.
"""

from __future__ import annotations

import collections
import contextlib
import csv as formats
import json
import logging
import math
import os
import shutil
import sys
import traceback
import types
import typing as t
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

import click
from ansible_collections.swissphoto.silo.plugins.module_utils.common.text import printable
from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics.registry import Selection
from rich import box
from rich import table as tables
from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.measure import Measurement
from rich.style import StyleType
from rich.text import Text

from silo.admission import AdmissionError
from silo.ansible.runner import RunError
from silo.billing.errors import BillingError
from silo.controller.errors import ControllerError
from silo.diagnostics import Finding, engine
from silo.inventory import HostAwayError, InventoryError
from silo.notifications import LetterError
from silo.setup.errors import SetupError
from silo.state import BusyError
from silo.tenants import ApplyIncomplete

if t.TYPE_CHECKING:
    from rich.live import Live
    from rich.status import Status

__all__ = ["Console", "Status"]

# Columns of a terminal: the help uses at most so many, and needs at least so many.
WIDEST_HELP, NARROWEST_HELP = 80, 30
# Of a table that nobody's terminal limits.
UNLIMITED = 100_000
# The most characters of a line and of a cell, and the most lines of a message.
LONGEST_LINE, LONGEST_CELL, MOST_LINES = 4000, 1000, 200
# With these, a cell is a formula to a spreadsheet.
FORMULA = ("=", "+", "-", "@")

EXIT_CODES = """\b
Exit codes:
  0  done, or nothing to do
  1  Ansible or the mail relay failed, a check found a problem, or the output is incomplete
  2  wrong name, value or option; nothing was changed
  3  no room in a server's memory, on its disk or on a NAS; nothing was changed
  4  inventory changed, but not yet applied to all machines; run 'silo apply'
  5  another run did not end in time; nothing was changed"""


def line(text: object, *, err: bool = False) -> None:
    """Print a text as one line; `err` is for what is no result."""
    click.echo(printable(str(text), LONGEST_LINE), err=err)


def lines(text: str, *, err: bool = False) -> None:
    """Print a text of several lines, in which no value of others may stand that has some itself."""
    for one in text.removesuffix("\n").split("\n"):
        line(one, err=err)


def message(text: str) -> str:
    """Return the text of an error, which may have several lines."""
    found = text.split("\n")
    more = [f"... and {len(found) - MOST_LINES} more lines"] if len(found) > MOST_LINES else []
    return "\n".join([*(printable(one, LONGEST_LINE) for one in found[:MOST_LINES]), *more])


def confirm(question: str) -> None:
    """Ask for a yes, and end the command without it."""
    click.confirm(printable(question, LONGEST_LINE), abort=True, err=True)


def prompt(question: str, default: str | None = None, *, hidden: bool = False) -> str:
    """Ask for a text; an empty answer is `default` if there is one. What is `hidden` does not show as it is typed."""
    text = printable(question, LONGEST_LINE)
    return str(click.prompt(text, default=default, show_default=bool(default), hide_input=hidden, err=True))


def is_terminal() -> bool:
    """Return whether somebody can answer."""
    return sys.stdin.isatty()


def crash(kind: type[BaseException], error: BaseException, trace: types.TracebackType | None) -> None:
    """Print an error that nobody foresaw; for sys.excepthook."""
    for part in traceback.format_exception(kind, error, trace):
        lines(part, err=True)


class LogLines(logging.Formatter):
    """A record of a log: its message on one line, and what belongs to it on lines that begin with a mark."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # its name there
        """Return the message."""
        return printable(super().formatMessage(record), LONGEST_LINE)

    def formatException(self, ei: t.Any) -> str:  # noqa: N802  # its name there
        """Return a traceback; the text of an error cannot pass for a message."""
        return "\n".join(f"| {printable(one, LONGEST_LINE)}" for one in super().formatException(ei).splitlines())


def log() -> None:
    """Have what is logged printed, from INFO on."""
    handler = logging.StreamHandler()
    handler.setFormatter(LogLines("%(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


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
    (SetupError, Failure),
    (ControllerError, Failure),
    (RunError, Failure),
    (HostAwayError, Failure),
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


@contextlib.contextmanager
def _messages() -> Iterator[None]:
    """Print errors, also those of click, as `message` gives them."""
    try:
        yield
    except click.ClickException as error:
        error.message = message(error.message)  # type: ignore[misc]  # click reads it when it shows the error
        raise


class Group(click.Group):
    """A group of commands whose help wraps to the terminal and cuts no summary."""

    def invoke(self, context: click.Context) -> t.Any:
        """Run the command."""
        with _messages():
            return super().invoke(context)

    def sections(self) -> Mapping[str, Collection[str]]:
        """Return the headings of --help, each with the names of its commands in their order."""
        return {"Commands": self.commands}

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: t.Any
    ) -> click.Context:
        """Make the context of a call; its help is as wide as the terminal, also where that is narrow."""
        width = min(shutil.get_terminal_size().columns, WIDEST_HELP)
        with _messages():
            return super().make_context(
                info_name, args, parent, **{"terminal_width": max(width, NARROWEST_HELP), **extra}
            )

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each section with the first sentence of each of its commands."""
        for title, names in self.sections().items():
            known = {name: self.get_command(context, name) for name in names}
            rows = [(name, one.get_short_help_str(limit=UNLIMITED)) for name, one in known.items() if one]
            with formatter.section(title):
                formatter.write_dl(rows)


class Table(tables.Table):
    """A table whose headers and cells are texts; what rich would take for markup is printed as it is."""

    def add_column(self, header: RenderableType = "", *others: t.Any, **options: t.Any) -> None:
        """Add a column."""
        super().add_column(plain(str(header), LONGEST_CELL), *others, **options)

    def add_row(
        self, *renderables: RenderableType | None, style: StyleType | None = None, end_section: bool = False
    ) -> None:
        """Add a row, of texts."""
        cells = (plain(str(cell), LONGEST_CELL) for cell in renderables)
        super().add_row(*cells, style=style, end_section=end_section)


def plain(text: str, limit: int = LONGEST_LINE) -> Text:
    """Return a text for a console, on one line of at most `limit` characters."""
    return Text(printable(text, limit))


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


def live(made: tables.Table, screen: Console) -> Live:
    """Return a display of a table that is replaced in place."""
    # Here, as few commands need it.
    from rich.live import Live

    return Live(made, console=screen, auto_refresh=False)


def error_console() -> Console:
    """Return the console for what is no result; texts on it are those of `plain`."""
    return Console(stderr=True, markup=False, emoji=False, highlight=False)


def fit(made: tables.Table, screen: Console) -> tables.Table:
    """Return a table for the width of `screen`: the same, with cells that wrap between words, or one cell a line.

    The last is for where a word, such as a name or an id, would not fit into its column; a longer word continues below.
    """
    options = screen.options.update(max_width=UNLIMITED)
    total = Measurement.get(screen, options, made).maximum
    if total <= screen.width:
        return made
    columns = [[str(column.header), *map(str, column.cells)] for column in made.columns]
    widest = [max(map(cell_len, cells)) for cells in columns]
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
        line(f"{finding.state:8} {finding.id}, {finding.subject}: {finding.message}")
        if finding.fix:
            line(f"{'':8} -> {finding.fix}")


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


def incomplete(problems: Iterable[str]) -> None:
    """Raise Failure with what is missing in what was just shown, or was left alone; nothing where nothing is."""
    # A sentence may quote what somebody wrote, which is no line of its own.
    if said := "\n".join(dict.fromkeys(printable(problem, LONGEST_LINE) for problem in problems)):
        raise Failure(said)


def _summary(found: Sequence[Finding]) -> None:
    ok = collections.Counter(finding.id for finding in found if finding.ok)
    made = table("check", "ok for")
    for name, number in collections.Counter(finding.id for finding in found).items():
        made.add_row(name, f"{ok[name]} of {number}")
    show(made)


def as_json(value: object) -> None:
    """Print a value for machines: JSON, in ASCII alone; a day that somebody wrote into a file is a text."""
    click.echo(json.dumps(_for_json(value), indent=2, ensure_ascii=True, allow_nan=False))


def _for_json(value: object) -> object:
    """Return a value as JSON can have it: YAML knows days, sets and bytes as well, and numbers that are none."""
    if isinstance(value, Mapping):
        return {str(key): _for_json(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_for_json(one) for one in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int) else str(value)


def csv(rows: Iterable[Iterable[object]]) -> None:
    """Print rows for machines and spreadsheets, neither of which shall take a text for a formula."""
    formats.writer(sys.stdout, lineterminator="\n").writerows([[_csv_cell(cell) for cell in row] for row in rows])


def _csv_cell(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = printable(value, LONGEST_CELL)
    return f"'{text}" if text.startswith(FORMULA) else text


def json_option(help_text: str) -> Callable[[Callable[..., t.Any]], Callable[..., t.Any]]:
    """Return the option --json."""
    return click.option("--json", "as_json", is_flag=True, help=help_text)

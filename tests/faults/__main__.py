"""Command line: `python -m tests.faults catalogue | report DIRECTORY`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from . import catalogue, report


def _show(found: list[report.Line]) -> None:
    # As wide as it takes to read it; where the output goes into a file, nothing else says how wide that is.
    console = Console(width=None if sys.stdout.isatty() else 180)
    table = Table(*report.COLUMNS, show_lines=True)
    for line in found:
        table.add_row(*line.cells)
    console.print(table, markup=False)


def main(arguments: list[str] | None = None) -> int:
    """Do what is asked; the exit code is 1 where a fault did not hold or was not tried."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description="The catalogue of faults.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("catalogue", help="the table of docs/contribute/faults.md")
    commands.add_parser("report", help="what runs with --faults have seen").add_argument("directory", type=Path)
    options = parser.parse_args(arguments)
    if options.command == "catalogue":
        print(catalogue.table(), end="")
        return 0
    found = report.lines(catalogue.catalogue(), report.tried(options.directory))
    report.write(options.directory, found)
    _show(found)
    bad = [str(line.fault.number) for line in found if not line.good]
    if bad:
        print(f"Not held, or not tried: {', '.join(bad)}", file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

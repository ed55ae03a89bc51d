"""silo report: the usage in a month, for invoices and prices."""

from __future__ import annotations

import dataclasses

import click
from ansible_collections.swissphoto.silo.plugins.module_utils.common.sizes import rough

from silo.cli import output
from silo.cli.context import Context
from silo.reports import report as reports


@click.command(cls=output.Command)
@click.option("--month", metavar="YYYY-MM", help="The month, such as 2026-11; by default the current one, until now.")
@click.option("--csv", "as_csv", is_flag=True, help="CSV with a header, and one line for each tenant.")
@output.json_option("An object with 'first', 'last', 'tenants', 'whole', 'amounts' and 'problems'.")
@click.pass_obj
def report(context: Context, month: str | None, as_csv: bool, as_json: bool) -> None:
    """Show the usage of each tenant in a month: storage, memory, CPU, requests, and days in each state.

    GB are 10^9 bytes. Silo compares the sum over the tenants with the total; ends with 1 if data are missing.
    """
    period = reports.month(month or reports.today().strftime("%Y-%m"))
    show_period(context, period, as_csv=as_csv, as_json=as_json)


def show_period(context: Context, period: reports.Period, *, as_csv: bool, as_json: bool) -> None:
    """Print what was used in a period, as it is wanted; raises output.Failure where something is missing."""
    found = reports.read(context.inventory, period)
    if as_json:
        output.as_json(plain(found))
    elif as_csv:
        write_csv(found)
    else:
        show(found)
    for problem in found.problems:
        output.line(problem, err=True)
    if found.problems:
        raise output.Failure("The report is incomplete.")


def plain(found: reports.Report) -> dict[str, object]:
    """Return a report for machines."""
    return {
        "first": str(found.period.first),
        "last": str(found.period.last),
        "tenants": [dataclasses.asdict(line) for line in found.tenants],
        "whole": dataclasses.asdict(found.whole),
        "amounts": {name: dataclasses.asdict(amounts) for name, amounts in found.amounts.items()},
        "problems": list(found.problems),
    }


def write_csv(found: reports.Report) -> None:
    """Print a line each tenant; what is unknown is empty."""
    header = ["first", "last", *(field.name for field in dataclasses.fields(reports.Line))]
    days = (found.period.first, found.period.last)
    output.csv([header, *((*days, *dataclasses.astuple(line)) for line in found.tenants)])


def show(found: reports.Report) -> None:
    """Print a table for people."""
    columns = ("storage", "most", "memory", "database", "CPU", "requests", "sent", "running", "stopped", "uptime")
    table = output.table("tenant", *columns)
    for line in found.tenants:
        table.add_row(line.name, *_cells(line))
    table.add_section()
    table.add_row(f"all {len(found.tenants)}", *_cells(found.whole))
    output.show(table)
    output.line(f"{found.period.first} to {found.period.last}, as far as the collectors have counted.")


def _cells(line: reports.Line) -> list[str]:
    return [
        f"{line.storage_gb_hours:.1f} GBh",
        rough(line.storage_peak_bytes),
        f"{line.memory_gb_hours:.1f} GBh",
        f"{line.database_gb_hours:.1f} GBh",
        f"{line.cpu_hours:.2f} h",
        str(line.requests),
        rough(line.sent_bytes),
        f"{line.running_days:.1f} d",
        f"{line.stopped_days + line.suspended_days:.1f} d",
        "" if line.uptime is None else f"{line.uptime:.2%}",
    ]

"""silo log: what happened to one customer."""

from __future__ import annotations

import dataclasses
import datetime
from pathlib import Path

import click

from silo.cli import output
from silo.cli.billing import inbox_option, opened
from silo.cli.context import Context
from silo.notifications import ZONE
from silo.reports import report, timeline


@click.command(cls=output.Command)
@click.argument("customer")
@click.option("--since", metavar="DAY", help="Since a day such as 2026-11-20, or since 30d ago.")
@click.option(
    "-n",
    "--number",
    type=click.IntRange(1, 10_000),
    default=50,
    show_default=True,
    help="The most entries, of which the newest are shown.",
)
@inbox_option
@output.json_option(
    "An object with 'entries' (at, source, who, what, why, id), 'problems' and 'left_out', how many entries are older; "
    "'at' is in UTC, and null for what is still to come."
)
@click.pass_obj
def log(context: Context, customer: str, since: str | None, number: int, inbox: Path, as_json: bool) -> None:
    """Show what happened to a customer, when, by whom and why; the newest entry is last.

    It also works for deleted tenants. It reads the commits of the inventory, events of Stripe and what
    silo decided, letters without their content, alerts, and the records of the server. A source that cannot be read is
    named below, and the others are shown.

    \b
    Examples:
      silo log hans
      silo log hans --since 30d -n 200
    """
    day = report.since(since, report.today()).first if since is not None else None
    found = timeline.read(context.service(), customer, lambda: opened(inbox), since=day, limit=number)
    if as_json:
        entries = [
            {**dataclasses.asdict(one), "at": one.at and one.at.astimezone(datetime.UTC).isoformat()}
            for one in found.entries
        ]
        output.as_json({"entries": entries, "problems": list(found.problems), "left_out": found.left_out})
        return
    table = output.table("when", "source", "who", "what", "why", "id")
    for one in found.entries:
        when = one.at.astimezone(ZONE).strftime("%Y-%m-%d %H:%M:%S") if one.at else "to come"
        table.add_row(when, one.source, one.who, one.what, one.why, one.id)
    output.show(table)
    if found.left_out:
        output.line(f"{found.left_out} older entries are left out; -n shows more.", err=True)
    for problem in found.problems:
        output.line(f"Incomplete: {' '.join(problem.split())}", err=True)

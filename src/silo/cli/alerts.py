"""silo alerts: what is wrong on all hosts, from a timer or by hand."""

from __future__ import annotations

import dataclasses

import click

from silo.cli import output
from silo.cli.context import Context
from silo.reports import alerts as reports


@click.command(cls=output.Command)
@click.option("-n", "--dry-run", is_flag=True, help="Send no letter, and remember nothing.")
@output.json_option("An object with 'now', 'begun' and 'ended'; the last two since the last look.")
@click.pass_obj
def alerts(context: Context, dry_run: bool, as_json: bool) -> None:
    """Show what is wrong on all hosts, and send a letter on what is new. A timer may run it.

    The operator gets a letter when an alert begins and when it ends; a customer, when the quota fills.
    """
    service = context.service()
    found = reports.look(service)
    if not dry_run:
        reports.notify(service, found)
    if as_json:
        kinds = {"now": found.now, "begun": found.begun, "ended": found.ended}
        output.as_json({kind: [dataclasses.asdict(one) for one in some] for kind, some in kinds.items()})
        return
    for one in found.now:
        new = ", new" if one in found.begun else ""
        click.echo(f"{one.severity}, {one.host}{new}: {one.summary}")
        if one.description:
            click.echo(f"  -> {one.description}")
    for one in found.ended:
        click.echo(f"over, {one.host}: {one.summary}")
    if not found.now:
        click.echo("Nothing is wrong.")

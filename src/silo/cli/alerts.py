"""The command that tells what is wrong, from a timer or by hand."""

from __future__ import annotations

import dataclasses

import click

from silo.cli import output
from silo.cli.context import Context
from silo.reports import alerts as wrongs


@click.command(cls=output.Command)
@click.option("-n", "--dry-run", is_flag=True, help="Send no letter, and remember nothing.")
@output.json_option("An object with 'now', 'begun' and 'ended'; the last two since it was looked last.")
@click.pass_obj
def alerts(context: Context, dry_run: bool, as_json: bool) -> None:
    """Show what is wrong on all hosts, and send a letter on what is new. A timer may run it.

    Each is told once when it begins and once when it is over, to the operator; to customers, that their quota fills.
    """
    edits = context.edits()
    found = wrongs.look(edits)
    if not dry_run:
        wrongs.tell(edits, found)
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

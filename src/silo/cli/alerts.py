"""silo alerts: the alerts of all hosts."""

from __future__ import annotations

import dataclasses

import click

from silo.cli import output
from silo.cli.context import Context
from silo.reports import alerts as reports


@click.command(cls=output.Command)
@click.option("-n", "--dry-run", is_flag=True, help="Send no letter, and do not record the alerts as reported.")
@output.json_option("An object with 'now', 'begun' and 'ended'; the last two since the last run.")
@click.pass_obj
def alerts(context: Context, dry_run: bool, as_json: bool) -> None:
    """Show the alerts of all hosts, and send letters on new ones. A timer may run it.

    The operator gets a letter when an alert begins and when it ends; a customer gets one when the quota is nearly full.
    Each run leaves a sign of life on the servers, whose Prometheus alerts when the controller is silent.
    """
    service = context.service()
    found = reports.look(service, leaves_sign=not dry_run)
    # Of a tenant whose settings are wrong nobody can be written to.
    problems = service.problems()
    if not dry_run:
        reports.notify(service, found)
    if as_json:
        kinds = {"now": found.now, "begun": found.begun, "ended": found.ended}
        output.as_json({kind: [dataclasses.asdict(one) for one in some] for kind, some in kinds.items()})
        output.incomplete(problems)
        return
    for one in found.now:
        new = ", new" if one in found.begun else ""
        output.line(f"{one.severity}, {one.host}{new}: {one.summary}")
        if one.description:
            output.line(f"  -> {one.description}")
    for one in found.ended:
        output.line(f"over, {one.host}: {one.summary}")
    if not found.now:
        output.line("There are no alerts.")
    output.incomplete(problems)

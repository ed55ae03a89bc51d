"""silo check: the preflight checks of the whole platform."""

from __future__ import annotations

import click

from silo.cli import output
from silo.cli.context import Context
from silo.diagnostics import preflight


@click.command(cls=output.Command)
@output.json_option("An object with 'findings': id, subject, state, message, fix, expected and seen of each.")
@click.pass_obj
def check(context: Context, as_json: bool) -> None:
    """Run the preflight checks: DNS, ports, servers, storage, clock, mail, secrets; each problem with its fix.

    Ends with 1 if a check fails.
    """
    outbox = context.service().outbox
    findings = preflight.run(context.inventory, outbox.settings if outbox else None).findings
    output.report("preflight", findings, as_json)

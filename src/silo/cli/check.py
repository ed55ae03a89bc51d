"""silo check: the preflight checks of the whole platform."""

from __future__ import annotations

import dataclasses

import click

from silo.cli import output
from silo.cli.context import Context
from silo.diagnostics.preflight import check as preflight


@click.command(cls=output.Command)
@output.json_option("An object with 'findings'.")
@click.pass_obj
def check(context: Context, as_json: bool) -> None:
    """Run the preflight checks: DNS, ports, servers, storage, clock, mail, secrets; each problem with its fix.

    Exits with 1 where a check fails.
    """
    outbox = context.edits().outbox
    findings = preflight.check(context.inventory, outbox.settings if outbox else None)
    if as_json:
        output.as_json({"findings": [dataclasses.asdict(finding) for finding in findings]})
    else:
        output.findings(findings)
    if wrong := sum(finding.state == "wrong" for finding in findings):
        raise output.Failure(f"{wrong} of {len(findings)} findings are wrong.")

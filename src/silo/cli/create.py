"""silo create: a tenant for a new customer."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import click

from silo.cli import output
from silo.cli.access import report_access
from silo.cli.context import Context, changing, limits, operator, show, verified
from silo.diagnostics import engine, preflight
from silo.operation import Operator


@click.command(cls=output.Command)
@click.argument("customer")
@click.argument("quota", metavar="GB")
@click.argument("email")
@click.option("--server", metavar="HOST", help="The server; without it the one with the most memory left.")
@limits
@click.option("--no-check", is_flag=True, help="Skip the preflight checks of DNS, NAS and servers.")
@verified
@changing
@click.pass_obj
def create(
    context: Context,
    /,
    customer: str,
    quota: str,
    email: str,
    no_check: bool,
    no_verify: bool,
    yes: bool,
    dry_run: bool,
    **settings: str | None,
) -> None:
    """Create a customer's photo cloud and send them a one-time login link.

    GB is the quota in GB (in powers of 1024), or a size such as 1T.

    \b
    Examples:
      silo create hans 100 hans@email.ch
      silo create marie 1T marie@email.ch --language fr --server silo2
    """
    given = {**settings, "quota": f"{quota}G" if quota.isdecimal() else quota}
    with operator(context, verify=not no_verify, runs=1 if no_check else 2) as one:
        # Wrong input is reported at once, before any machine is read.
        pools = None if no_check or dry_run else functools.partial(_preflight, one)
        change = one.create(customer, email=email, pools=pools, dry_run=dry_run, **given)
        if dry_run:
            show(change)
            return
        server = (change.after or {}).get("tenant_server", "its server")
        click.echo(f"{customer} runs at https://{customer}.{one.edits.policy.domain} on {server}.")
        report_access(one, customer)


def _preflight(one: Operator) -> Mapping[str, int]:
    """Run the preflight checks and return the size of each NAS in bytes; raises output.Failure where one fails."""
    relay = one.edits.outbox.settings if one.edits.outbox else None
    found = preflight.run(one.edits.path, relay)
    output.findings(finding for finding in found.findings if not finding.ok)
    if engine.failed("preflight", found.findings):
        raise output.Failure("Preflight checks failed; nothing was created. Use --no-check to skip them.")
    return found.pools

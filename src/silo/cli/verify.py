"""The command that verifies tenants and servers as they run."""

from __future__ import annotations

import click

from silo.cli import output
from silo.cli.context import Context
from silo.diagnostics import verify as verification


@click.command(cls=output.Command)
@click.argument("customers", metavar="[TENANT]...", nargs=-1)
@click.option("--all", "-a", "show_all", is_flag=True, help="Print every finding, including passed checks.")
@output.json_option("An object with 'findings': id, subject, state, message, fix, expected and seen of each.")
@click.pass_obj
def verify(context: Context, customers: tuple[str, ...], show_all: bool, as_json: bool) -> None:
    """Verify that tenants are as the inventory says: isolation, limits, quotas, TLS, secrets, images, hardening.

    Changes nothing. Without a name it verifies all tenants and the shared services. Ends with 1 if a check fails.

    \b
    Examples:
      silo verify
      silo verify hans maria
    """
    # A wrong name is reported before any machine is asked.
    for customer in customers:
        context.service().files.existing(customer)
    findings = verification.verify(context.inventory, customers)
    output.report("verify", findings, as_json, show_all=show_all, summary=True)

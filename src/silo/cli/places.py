"""silo places: writes down where each tenant is, before or after a second server or NAS comes."""

from __future__ import annotations

import click

from silo.cli import output
from silo.cli.context import Context, agree, changing, show, tenant_service


@click.command(cls=output.Command)
@changing
@click.pass_obj
def places(context: Context, yes: bool, dry_run: bool) -> None:
    """Write the server and the NAS of each tenant whose files name none, as the machines have its data.

    With one server and one NAS a tenant need not name them. Once there are two, it must: run this when you add one.
    Ends with 1 if it is not clear where a tenant is.
    """
    with tenant_service(context) as service:
        change, unclear = service.places(dry_run=True)
        if change.diff_text:
            show(change)
            if not dry_run:
                agree(yes, "Write this into the inventory?")
                change, unclear = service.places()
        elif not unclear:
            output.line("The files of all tenants name their server and their NAS.")
    output.incomplete(unclear)

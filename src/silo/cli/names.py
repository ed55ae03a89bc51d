"""silo names: the reserved names of deleted tenants."""

from __future__ import annotations

import click

from silo.cli import output
from silo.cli.context import Context, agree, changing, show
from silo.tenants import TenantService


@click.command(cls=output.Command)
@click.option("--free", metavar="NAME", help="Let others have this name from now on.")
@output.json_option(
    "An object with 'names': name, deleted, until and subscription of each, and with --free also 'diff', the edit."
)
@changing
@click.pass_obj
def names(context: Context, free: str | None, as_json: bool, yes: bool, dry_run: bool) -> None:
    """Show the names of deleted tenants that are reserved, as phones of their users may still upload there.

    They are reserved for silo_name_reserved_years. The same customer at Stripe gets the name back by a new order.

    \b
    Example:
      silo names --free hans
    """
    service = context.service()
    if free is not None:
        change = service.free(free, dry_run=True)
        if dry_run:
            if as_json:
                output.as_json({"names": _reserved(service), "diff": change.diff_text})
            else:
                show(change)
            return
        agree(yes, f"Whoever gets the name {free} also gets what phones of its former users upload. Continue?")
        service.free(free)
        if as_json:
            output.as_json({"names": _reserved(service), "diff": change.diff_text})
        else:
            output.line(f"Others can have the name {free}.")
        return
    rows = _reserved(service)
    if as_json:
        output.as_json({"names": rows})
        return
    table = output.table("name", "deleted", "reserved until", "subscription")
    for row in rows:
        table.add_row(*row.values())
    output.show(table)


def _reserved(service: TenantService) -> list[dict[str, str]]:
    """Return the reserved names."""
    years = service.policy.name_years
    return [
        {
            "name": name,
            "deleted": record.when[:10],
            "until": str(record.reserved_until(years)),
            "subscription": record.subscription,
        }
        for name, record in sorted(service.reserved().items())
    ]

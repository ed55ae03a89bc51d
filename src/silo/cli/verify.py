"""The operator's audit: what is promised to tenants, and whether it holds."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Sequence

import click

from silo.cli import output
from silo.cli.context import Context
from silo.diagnostics.verify import audit
from silo.diagnostics.verify.check import Check


@click.command(cls=output.Command)
@click.argument("customers", metavar="[TENANT]...", nargs=-1)
@click.option("--all", "-a", "show_all", is_flag=True, help="A line for each check, also for those that hold.")
@output.json_option("An object with 'checks': what was looked at, where, whether it is right, seen and expected.")
@click.pass_obj
def verify(context: Context, customers: tuple[str, ...], show_all: bool, as_json: bool) -> None:
    """Verify from outside that what is promised holds: isolation, limits, quotas, TLS, secrets, images, hardening.

    Nothing is changed; for tenants that are named, or for all and the shared services. Ends with 1 where a check fails.

    \b
    Examples:
      silo verify
      silo verify hans maria
    """
    # What is typed wrong is told at once, and not after a look at all machines.
    for customer in customers:
        context.edits().inventory.check_exists(customer)
    checks = audit.verify(context.inventory, customers)
    if as_json:
        output.as_json({"checks": [dataclasses.asdict(check) for check in checks]})
    else:
        _show(checks, show_all)
    if failed := sum(not check.ok for check in checks):
        raise output.Failure(f"{failed} of {len(checks)} checks failed.")


def _show(checks: Sequence[Check], show_all: bool) -> None:
    held = collections.Counter(check.check for check in checks if check.ok)
    looked = collections.Counter(check.check for check in checks)
    table = output.table("check", "holds for")
    for name, number in looked.items():
        table.add_row(name, f"{held[name]} of {number}")
    output.show(table)
    told = [check for check in checks if show_all or not check.ok]
    if not told:
        return
    table = output.table("", "check", "where", "seen", "expected")
    for check in told:
        table.add_row("ok" if check.ok else "FAILED", check.check, check.subject, check.seen, check.expected)
    output.show(table)

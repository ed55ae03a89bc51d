"""silo reconcile: compares Stripe, the inventory and the machines."""

from __future__ import annotations

import dataclasses
import datetime
import sqlite3
import typing as t
from pathlib import Path

import click

from silo.billing.errors import BillingError
from silo.cli import output
from silo.cli.billing import inbox_option, stripe_client
from silo.cli.context import Context, tenant_service

if t.TYPE_CHECKING:
    from silo.billing.compare import Comparison
    from silo.billing.stripe.client import Client


@click.command(cls=output.Command)
@click.option("--fix", is_flag=True, help="Correct what silo can; the operator gets a letter about the rest.")
@inbox_option
@output.json_option("An object with 'differences', and with --fix 'done', 'left' and 'later'.")
@click.pass_obj
def reconcile(context: Context, fix: bool, inbox: Path, as_json: bool) -> None:
    """Compare Stripe, the inventory and the machines, and show paid subscriptions without a tenant, and the reverse.

    With --fix, it also fetches events that never arrived. Ends with 1 if there is a difference, or with --fix if a
    correction failed.
    """
    from silo.billing.compare import Comparison

    stripe = stripe_client()
    with tenant_service(context) as service:
        both = Comparison(service, stripe)
        fetched = _fetch(stripe, inbox) if fix else 0
        found = both.look()
        if fix:
            _fix(both, found, fetched, as_json)
            return
    if as_json:
        output.as_json({"differences": [dataclasses.asdict(one) for one in found]})
    else:
        for difference in found:
            hint = {"settle": " --fix does it.", "apply": " --fix applies it."}.get(difference.fix, "")
            output.line(f"{difference.text}.{hint}")
    if found:
        raise output.Failure(f"{len(found)} differences.")
    if not as_json:
        output.line("Stripe, the inventory and the machines agree.")


def _fetch(stripe: Client, path: Path) -> int:
    """Put what never arrived into the inbox, whose worker goes on; return how many; 0 where there is no inbox."""
    from silo.billing.compare import missed
    from silo.billing.inbox import Inbox

    if not path.exists():
        return 0
    try:
        return sum(Inbox(path).keep(missed(stripe, datetime.datetime.now(datetime.UTC))))
    except (OSError, sqlite3.Error) as error:
        raise BillingError(f"the inbox {path} cannot be written: {error}") from error


def _fix(both: Comparison, found: t.Sequence[t.Any], fetched: int, as_json: bool) -> None:
    repair = both.fix(found)
    if as_json:
        differences = [dataclasses.asdict(one) for one in found]
        output.as_json({"differences": differences, "fetched": fetched, **dataclasses.asdict(repair)})
    else:
        if fetched:
            output.line(f"{fetched} events that never arrived are in the inbox.")
        for text in repair.done:
            output.line(text)
        for text in (*repair.left, *repair.later):
            output.line(f"left: {text}")
        if not found:
            output.line("Stripe, the inventory and the machines agree.")
    if repair.later:
        raise output.Failure(f"{len(repair.later)} could not be done now, and are tried again.")

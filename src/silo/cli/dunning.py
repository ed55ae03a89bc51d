"""The commands on who pays and who does not: what will happen, time for somebody, and whether all agrees."""

from __future__ import annotations

import dataclasses
import datetime
import os
import sqlite3
import typing as t
from pathlib import Path

import click

from silo.billing.decision import today
from silo.billing.errors import BillingError
from silo.billing.forecast import DAYS, forecast
from silo.billing.stripe import credentials
from silo.cli import output
from silo.cli.billing import API, inbox_option
from silo.cli.context import Call, changing, operator
from silo.operation import Operator

if t.TYPE_CHECKING:
    from silo.billing.compare import Reconciliation
    from silo.billing.stripe.client import Gateway


def gateway() -> Gateway:
    """Return what reads Stripe; raises BillingError where there is no key."""
    # Here, as every other command would take a quarter of a second longer.
    from silo.billing.stripe.client import Gateway

    return Gateway(credentials.key(), api=os.environ.get(API, ""))


@click.command(cls=output.Command)
@click.argument("customer")
@click.option("--until", metavar="DAY", help="The first day on which the bill counts again, such as 2027-01-15.")
@click.option("--reason", help="Why, for whoever reads it later.")
@click.option("--end", is_flag=True, help="End an extension: the bill counts again at once.")
@changing
@click.pass_obj
def extend(
    call: Call, /, customer: str, until: str | None, reason: str | None, end: bool, yes: bool, dry_run: bool
) -> None:
    """Give a customer who has not paid more time: neither suspended nor deleted until a day.

    Who is suspended by now is started. After the day there is still the time of all letters before a deletion.

    \b
    Example:
      silo extend hans --until 2027-01-15 --reason "is in hospital"
    """
    if end == bool(until) or (until and not reason):
        raise click.UsageError("name a day and a reason, --until 2027-01-15 --reason '...', or --end")
    with operator(call) as one:
        if until and _day(until) <= today(datetime.datetime.now(datetime.UTC)):
            raise output.WrongInput(f"until is {until!r}; a day to come is right")
        change = one.edits.change(customer, dry_run=dry_run, extended_until=until, extension_reason=reason)
        click.echo(change.diff_text or f"{customer}: the inventory says so already.\n", nl=False)
        if dry_run:
            return
        if until and one.edits.desired(customer) == "suspended":
            one.set_state(customer, "running")
            click.echo(f"{customer} runs again.")
        click.echo(f"{customer} has time until {until}." if until else f"{customer} has no extension any more.")


def _day(text: str) -> datetime.date:
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        raise output.WrongInput(f"until is {text!r}; a day such as 2027-01-15 is right") from None


@click.command(cls=output.Command)
@click.option("--days", type=click.IntRange(1, 400), default=DAYS, show_default=True)
@click.option("--release", is_flag=True, help="Agree to what the brakes hold: the next ones of a day may go.")
@output.json_option("An object with 'coming', 'waiting' (for room) and 'brakes' (step to the day since it is on).")
@click.pass_obj
def dunning(call: Call, days: int, release: bool, as_json: bool) -> None:
    """Show what will happen to whom on which day, where nobody pays meanwhile.

    It asks Stripe and the inventory now, and decides by the same rules as an event does. Nothing is changed.
    """
    from silo.billing import tenant_lookup
    from silo.billing.compare import cases
    from silo.billing.rate_limits import Brakes
    from silo.billing.reconciler import Settlement
    from silo.billing.state_store import Notes

    edits, stripe = call.edits(), gateway()
    policy = Settlement(Operator(edits), stripe).policy
    notes = Notes(edits.state.folder)
    brakes = Brakes(notes, policy)
    if release:
        brakes.release()
        click.echo("The brakes are off; 'silo reconcile --fix' goes on now, or the next event or night does.", err=True)
    coming = forecast(cases(tenant_lookup.read(edits), stripe), policy, datetime.datetime.now(datetime.UTC), days)
    closed = {step.value: day for step, day in brakes.closed().items()}
    if as_json:
        found = [{**dataclasses.asdict(one), "day": one.day.isoformat()} for one in coming]
        waiting = [dataclasses.asdict(order) for order in notes.waiting()]
        output.as_json({"coming": found, "waiting": waiting, "brakes": closed})
        return
    table = output.table("day", "customer", "what", "why")
    for one in coming:
        asked = "; you are asked first, as it is many of a day" if one.asked else ""
        table.add_row(one.day.isoformat(), one.tenant, one.what.replace("_", " "), f"{one.because}{asked}")
    output.show(table)
    for order in notes.waiting():
        click.echo(f"{order.tenant} waits since {order.since} for room to {order.step}.")
    for step, day in closed.items():
        click.echo(f"The brake is on since {day}: no {step} is made until 'silo dunning --release'.")


@click.command(cls=output.Command)
@click.option("--fix", is_flag=True, help="Settle what can be settled; the rest is told by letter.")
@inbox_option
@output.json_option("An object with 'differences', and with --fix 'done', 'left' and 'later'.")
@click.pass_obj
def reconcile(call: Call, fix: bool, inbox: Path, as_json: bool) -> None:
    """Compare Stripe, the inventory and what runs: who pays and has none, who has one and does not pay, who is unknown.

    With --fix, events that never arrived are fetched too. Ends with 1 where something differs, or with --fix where
    something could not be done now.
    """
    from silo.billing.compare import Reconciliation

    stripe = gateway()
    with operator(call) as one:
        both = Reconciliation(one, stripe)
        fetched = _fetch(stripe, inbox) if fix else 0
        found = both.look()
        if fix:
            _fix(both, found, fetched, as_json)
            return
    if as_json:
        output.as_json({"differences": [dataclasses.asdict(one) for one in found]})
    else:
        for difference in found:
            hint = {"settle": " --fix does it.", "apply": " --fix applies it."}.get(difference.remedy, "")
            click.echo(f"{difference.text}.{hint}")
    if found:
        raise output.Failure(f"{len(found)} differences.")
    if not as_json:
        click.echo("Stripe, the inventory and the machines agree.")


def _fetch(stripe: Gateway, path: Path) -> int:
    """Put what never arrived into the inbox, whose worker goes on; return how many; 0 where there is no inbox."""
    from silo.billing.compare import missed
    from silo.billing.inbox import Inbox

    if not path.exists():
        return 0
    try:
        return sum(Inbox(path).keep(missed(stripe, datetime.datetime.now(datetime.UTC))))
    except (OSError, sqlite3.Error) as error:
        raise BillingError(f"the inbox {path} cannot be written: {error}") from error


def _fix(both: Reconciliation, found: t.Sequence[t.Any], fetched: int, as_json: bool) -> None:
    repair = both.fix(found)
    if as_json:
        differences = [dataclasses.asdict(one) for one in found]
        output.as_json({"differences": differences, "fetched": fetched, **dataclasses.asdict(repair)})
    else:
        if fetched:
            click.echo(f"{fetched} events that never arrived are in the inbox.")
        for text in repair.done:
            click.echo(text)
        for text in (*repair.left, *repair.later):
            click.echo(f"left: {text}")
        if not found:
            click.echo("Stripe, the inventory and the machines agree.")
    if repair.later:
        raise output.Failure(f"{len(repair.later)} could not be done now, and are tried again.")

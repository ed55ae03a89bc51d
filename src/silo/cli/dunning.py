"""silo dunning and silo extend: the forecast for unpaid tenants, and more time for a tenant."""

from __future__ import annotations

import dataclasses
import datetime

import click

from silo.billing.decision import decide, today
from silo.billing.forecast import DAYS, forecast
from silo.billing.model import Step
from silo.cli import output
from silo.cli.billing import stripe_client
from silo.cli.context import Context, changing, show, tenant_service


@click.command(cls=output.Command)
@click.argument("customer")
@click.option("--until", metavar="DAY", help="The day on which the extension ends, such as 2027-01-15.")
@click.option("--reason", help="The reason, which is recorded.")
@click.option("--end", is_flag=True, help="End an extension at once.")
@changing
@click.pass_obj
def extend(
    context: Context, /, customer: str, until: str | None, reason: str | None, end: bool, yes: bool, dry_run: bool
) -> None:
    """Give a customer more time to pay: silo neither suspends nor deletes the tenant until a day.

    A suspended tenant is started. After the day, silo still sends all letters before a deletion.

    \b
    Example:
      silo extend hans --until 2027-01-15 --reason "is in hospital"
    """
    if end == bool(until) or (until and not reason):
        raise click.UsageError("name a day and a reason, --until 2027-01-15 --reason '...', or --end")
    with tenant_service(context) as service:
        if until and _day(until) <= today(datetime.datetime.now(datetime.UTC)):
            raise output.WrongInput(f"until is {until!r}; it must be a day in the future")
        change = service.extend(customer, until, reason, dry_run=dry_run)
        show(change)
        if dry_run:
            return
        if until and service.tenant(customer).state == "suspended":
            service.set_state(customer, "running")
            output.line(f"{customer} runs again.")
        output.line(f"{customer} has time until {until}." if until else f"{customer} has no extension any more.")


def _day(text: str) -> datetime.date:
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        raise output.WrongInput(f"until is {text!r}; it must be a day such as 2027-01-15") from None


@click.command(cls=output.Command)
@click.option("--days", type=click.IntRange(1, 400), default=DAYS, show_default=True, help="How many days ahead.")
@click.option("--release", is_flag=True, help="Approve the steps that the rate limits hold back.")
@output.json_option(
    "An object with 'coming', 'waiting' (for room), 'plans' (tenants with another plan than they pay for) and "
    "'rate_limits' (each step with the day on which its limit was reached)."
)
@click.pass_obj
def dunning(context: Context, days: int, release: bool, as_json: bool) -> None:
    """Show which tenants will be suspended, warned or deleted on which day, if nobody pays.

    It reads Stripe and the inventory, and decides by the rules of billing. It changes nothing.
    """
    from silo.billing import tenant_lookup
    from silo.billing.compare import cases
    from silo.billing.rate_limits import RateLimits
    from silo.billing.reconciler import Reconciler
    from silo.billing.state_store import StateStore

    service, stripe = context.service(), stripe_client()
    policy = Reconciler(service, stripe).policy
    store = StateStore(service.state.folder)
    limits = RateLimits(store, policy)
    if release:
        limits.release()
        output.line(
            "The rate limits are released; 'silo reconcile --fix', or the next event or night, continues.", err=True
        )
    now = datetime.datetime.now(datetime.UTC)
    found = cases(tenant_lookup.read(service), stripe, policy)
    coming = forecast(found, policy, now, days)
    plans = [
        {"tenant": case.tenant.name, "has": case.tenant.plan, "pays": decision.plan}
        for case in found
        if case.tenant and (decision := decide(case, policy, now)).step is Step.CHANGE
    ]
    reached = {step.value: day for step, day in limits.reached().items()}
    if as_json:
        listed = [{**dataclasses.asdict(one), "day": one.day.isoformat()} for one in coming]
        waiting = [dataclasses.asdict(order) for order in store.waiting()]
        output.as_json({"coming": listed, "waiting": waiting, "plans": plans, "rate_limits": reached})
        return
    table = output.table("day", "customer", "what", "cause", "why")
    for one in coming:
        asked = "; you are asked first, as it is many of a day" if one.asked else ""
        words = (one.what.replace("_", " "), one.reason.replace("_", " "))
        table.add_row(one.day.isoformat(), one.tenant, *words, f"{one.because}{asked}")
    output.show(table)
    for order in store.waiting():
        output.line(f"{order.tenant} waits since {order.since} for room to {order.step}.")
    for other in plans:
        output.line(
            f"{other['tenant']} has the plan {other['has']} and pays for {other['pays']}; if more is stored than that "
            "holds, it stays so until less is."
        )
    for step, day in reached.items():
        output.line(f"The rate limit of {step} is reached since {day}; run 'silo dunning --release' to continue.")

"""The commands that change a tenant, or all: each an edit of the inventory, then the runs that make it true."""

from __future__ import annotations

import click

from silo.ansible.contract import TaskId
from silo.ansible.runner import Results
from silo.cli import output
from silo.cli.context import Context, agree, changing, limits, operator, show, verified
from silo.inventory import assignments

STATES = {"running": "runs", "stopped": "is stopped", "suspended": "is suspended"}


@click.command(cls=output.Command)
@click.argument("customer")
@click.option("--unpaid", is_flag=True, help="An invoice is not paid: the customer reads so, and gets a letter.")
@verified
@changing
@click.pass_obj
def stop(context: Context, customer: str, unpaid: bool, no_verify: bool, yes: bool, dry_run: bool) -> None:
    """Stop a customer's photo cloud: its memory is free, all data stay, and the address says why.

    \b
    Examples:
      silo stop hans             stopped, by choice
      silo stop hans --unpaid    suspended, with a link to pay
    """
    _set_state(context, customer, "suspended" if unpaid else "stopped", no_verify, yes, dry_run)


@click.command(cls=output.Command)
@click.argument("customer")
@verified
@changing
@click.pass_obj
def start(context: Context, customer: str, no_verify: bool, yes: bool, dry_run: bool) -> None:
    """Start a photo cloud that was stopped or suspended, with the same data, sessions and certificate."""
    _set_state(context, customer, "running", no_verify, yes, dry_run)


def _set_state(context: Context, customer: str, state: str, no_verify: bool, yes: bool, dry_run: bool) -> None:
    with operator(context, verify=not no_verify) as one:
        if dry_run:
            show(one.set_state(customer, state, dry_run=True))
            return
        if state != "running":
            agree(yes, f"{customer} will be {state}, and nobody can open it. Go on?")
        one.set_state(customer, state)
        click.echo(f"{customer} {STATES[state]}.")


@click.command("set", cls=output.Command)
@click.argument("customer")
@click.argument("words", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--email", help="The customer's address.")
@click.option("--quota", metavar="SIZE", help="Such as 500G.")
@click.option("--subscription", metavar="SUB", help="The customer's at Stripe, such as sub_1QxAbcDef; it then decides.")
@limits
@verified
@changing
@click.pass_obj
def change(
    context: Context,
    /,
    customer: str,
    words: tuple[str, ...],
    no_verify: bool,
    yes: bool,
    dry_run: bool,
    **settings: str | None,
) -> None:
    """Change a customer's quota, plan, language, limits or address, without stopping what need not stop.

    KEY is any setting of a tenant, such as log_level or app_quota_share; KEY= without a value has the plan or the
    policy count again.

    \b
    Examples:
      silo set hans --quota 500G
      silo set hans log_level=debug slice=false
    """
    given: dict[str, str | None] = {key: value for key, value in settings.items() if value is not None}
    assigned = assignments.parse(customer, words)
    if twice := sorted(given.keys() & assigned):
        raise click.UsageError(f"{twice[0]} is there as an option and as {twice[0]}=...; one of them is right")
    given |= assigned
    if not given:
        raise click.UsageError("name at least one setting, such as --quota 500G")
    with operator(context, verify=not no_verify) as one:
        made = one.change(customer, dry_run=dry_run, notify_customer=False, **given)
        show(made)
        if not dry_run:
            click.echo(f"{customer} is as the inventory says.")


@click.command(cls=output.Command)
@click.argument("customers", nargs=-1, metavar="[CUSTOMER]...")
@click.option(
    "--anew",
    is_flag=True,
    help="Start an empty cloud for the named tenants whose database is lost; their files on the NAS stay.",
)
@verified
@changing
@click.pass_obj
def apply(context: Context, customers: tuple[str, ...], anew: bool, no_verify: bool, yes: bool, dry_run: bool) -> None:
    """Bring the named tenants, or all, to what the inventory says; completes whatever was cut off.

    A tenant with files on the NAS and without a database on its server is refused: restore its database. --anew is the
    word for one run by which it gets an empty one instead.
    """
    if anew and not customers:
        raise click.UsageError("--anew is for tenants that are named, such as silo apply hans --anew")
    with operator(context, verify=not no_verify) as one:
        if anew and not dry_run:
            names = ", ".join(customers)
            agree(yes, f"{names}: where the database is lost, the customer finds an empty cloud from now on. Go on?")
        results = one.plan(customers, anew=anew) if dry_run else one.apply(customers, anew=anew)
        _print_verdict(results)
        if not dry_run:
            click.echo("The machines are as the inventory says.")


@click.command(cls=output.Command)
@click.argument("customers", nargs=-1, metavar="[CUSTOMER]...")
@output.json_option("An object with 'verdict', the lines of the table.")
@click.pass_obj
def plan(context: Context, customers: tuple[str, ...], as_json: bool) -> None:
    """Show what apply would do, and change nothing."""
    with operator(context) as one:
        results = one.plan(customers)
    if as_json:
        output.as_json({"verdict": _verdict(results)})
    else:
        _print_verdict(results)


def _verdict(results: Results) -> list[str]:
    """Return what the verdict of a run shows."""
    lines: list[str] = []
    for task in (TaskId.VERDICT, TaskId.ORPHANS):
        for result in results.get(task, {}).values():
            shown = result.get("msg", [])
            lines += shown.splitlines() if isinstance(shown, str) else [str(line) for line in shown]
    return lines


def _print_verdict(results: Results) -> None:
    for line in _verdict(results):
        click.echo(line)

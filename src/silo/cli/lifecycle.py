"""The commands that change a tenant, or all: each edits the inventory, then applies it."""

from __future__ import annotations

from collections.abc import Iterable

import click

from silo.ansible.contract import TaskId
from silo.ansible.playbooks import IncompleteRun
from silo.ansible.runner import Results
from silo.cli import output
from silo.cli.context import Context, agree, changing, limits, show, tenant_service, verified
from silo.inventory import assignments, plans
from silo.inventory.validation import REASONS
from silo.tenants import ApplyIncomplete, TenantService

STATES = {"running": "runs", "stopped": "is stopped", "suspended": "is suspended"}


@click.command(cls=output.Command)
@click.argument("customer")
@click.option("--unpaid", is_flag=True, help="For an unpaid invoice: the customer gets a letter with a link to pay.")
@click.option(
    "--because",
    type=click.Choice([reason for reason in REASONS if reason != "operator"]),
    help="Suspend for this reason, which the letter names. --unpaid is short for --because unpaid.",
)
@verified
@changing
@click.pass_obj
def stop(
    context: Context,
    /,
    customer: str,
    unpaid: bool,
    because: str | None,
    no_verify: bool,
    yes: bool,
    dry_run: bool,
) -> None:
    """Stop a customer's photo cloud: free its memory, keep all data, and show a page at its address.

    \b
    Examples:
      silo stop hans             stopped, by choice
      silo stop hans --unpaid    suspended, with a letter that has a link to pay
      silo stop hans --because disputed    suspended until you start it, even if all is paid
    """
    if unpaid and because not in (None, "unpaid"):
        raise click.UsageError(f"--unpaid and --because {because} are two reasons; give one")
    reason = because or ("unpaid" if unpaid else "")
    _set_state(context, customer, "suspended" if reason else "stopped", no_verify, yes, dry_run, reason)


@click.command(cls=output.Command)
@click.argument("customer")
@verified
@changing
@click.pass_obj
def start(context: Context, customer: str, no_verify: bool, yes: bool, dry_run: bool) -> None:
    """Start a photo cloud that was stopped or suspended, with the same data, sessions and certificate."""
    _set_state(context, customer, "running", no_verify, yes, dry_run)


def _set_state(
    context: Context, customer: str, state: str, no_verify: bool, yes: bool, dry_run: bool, reason: str = ""
) -> None:
    with tenant_service(context, verify=not no_verify) as service:
        if dry_run:
            show(service.set_state(customer, state, dry_run=True, reason=reason))
            return
        if state != "running":
            agree(yes, f"{customer} will be {state}, and its users cannot reach it. Continue?")
        service.set_state(customer, state, reason=reason)
        _check_reached(service)
        output.line(f"{customer} {STATES[state]}.")


@click.command("set", cls=output.Command)
@click.argument("customer")
@click.argument("words", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--email", help="The customer's e-mail address.")
@click.option("--quota", metavar="SIZE", help="Such as 500G.")
@click.option(
    "--subscription",
    metavar="SUB",
    help="The customer's subscription at Stripe, such as sub_1QxAbcDef; billing then controls the tenant.",
)
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
    """Change a customer's quota, plan, language, limits or address; restarts only containers that need it.

    KEY is any setting of a tenant, such as log_level or app_quota_share; KEY= removes it, so that the plan or the
    policy applies. With --plan, all that the plan says counts: exceptions of the tenant end, but for what you give too.

    \b
    Examples:
      silo set hans --quota 500G
      silo set hans log_level=debug slice=false
    """
    given: dict[str, str | None] = {key: value for key, value in settings.items() if value is not None}
    assigned = assignments.parse(customer, words)
    if twice := sorted(given.keys() & assigned):
        raise click.UsageError(f"{twice[0]} is given as an option and as {twice[0]}=...; use one of them")
    given |= assigned
    if not given:
        raise click.UsageError("name at least one setting, such as --quota 500G")
    with tenant_service(context, verify=not no_verify) as service:
        made = service.change(customer, dry_run=dry_run, notify_customer=False, **given)
        show(made)
        if not dry_run:
            _check_reached(service)
            output.line(f"{customer} is in its desired state.")


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
    """Bring the named tenants, or all, to their desired state; this also completes an interrupted command.

    Refuses a tenant with files on the NAS and without a database on its server: restore its database. With --anew,
    this run creates an empty one instead.
    """
    if anew and not customers:
        raise click.UsageError("--anew is for tenants that are named, such as silo apply hans --anew")
    with tenant_service(context, verify=not no_verify, rehearses=dry_run) as service:
        if anew and not dry_run:
            names = ", ".join(customers)
            agree(yes, f"{names}: where the database is lost, the customer starts with an empty cloud. Continue?")
        try:
            results = service.plan(customers, anew=anew) if dry_run else service.apply(customers, anew=anew)
        except (IncompleteRun, ApplyIncomplete) as error:
            _print_verdict(_of_the_others(error))
            raise
        _print_verdict(results)
        if dry_run:
            _print(_to_the_trash(service))
        else:
            others = "All other tenants" if service.left_alone else "All tenants"
            output.line(f"{others} are in their desired state.")


@click.command(cls=output.Command)
@click.argument("customers", nargs=-1, metavar="[CUSTOMER]...")
@output.json_option("An object with 'verdict', the lines of the table.")
@click.pass_obj
def plan(context: Context, customers: tuple[str, ...], as_json: bool) -> None:
    """Show what an apply would change, and change nothing."""
    with tenant_service(context, rehearses=True) as service:
        try:
            results = service.plan(customers)
        except IncompleteRun as error:
            _show_plan(service, error.results, as_json)
            raise
    _show_plan(service, results, as_json)


def _show_plan(service: TenantService, results: Results, as_json: bool) -> None:
    if as_json:
        output.as_json({"verdict": [*_verdict(results), *_to_the_trash(service)]})
    else:
        _print_verdict(results)
        _print(_to_the_trash(service))


def _to_the_trash(service: TenantService) -> list[str]:
    """Return a sentence for each deletion that was cut off, which an apply completes before all else."""
    return [
        f"{one.name}, deleted at {one.when}: its data would be moved into the trash first."
        for one in service.completed_by_apply()
    ]


def _of_the_others(error: Exception) -> Results:
    """Return what a run has done that did not go well for all."""
    cause = error if isinstance(error, IncompleteRun) else error.__cause__
    return cause.results if isinstance(cause, IncompleteRun) else {}


def _check_reached(service: TenantService) -> None:
    """Raise output.Failure where the tenant of this command was left alone on purpose."""
    if service.left_alone:
        raise output.Failure("\n".join(service.left_alone))


def _verdict(results: Results) -> list[str]:
    """Return what the verdict of a run shows."""
    lines: list[str] = []
    for task in (TaskId.VERDICT, TaskId.LEFT_ALONE, TaskId.ORPHANS):
        for result in results.get(task, {}).values():
            shown = result.get("msg", [])
            lines += shown.splitlines() if isinstance(shown, str) else [str(line) for line in shown]
    return lines + _exceptions(results)


def _exceptions(results: Results) -> list[str]:
    """Return a sentence for each tenant of the run that has otherwise than its plan says."""
    scope = next(iter(results.get(TaskId.SCOPE, {}).values()), {})
    names = sorted(name for there in scope.get("servers", {}).values() for name in there)
    return [
        f"{name} is an exception from plan {one['plan']}: {'; '.join(map(plans.shown, one['exceptions']))}."
        for name in names
        if (one := scope["tenants"][name])["exceptions"]
    ]


def _print_verdict(results: Results) -> None:
    _print(_verdict(results))


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        output.line(line)

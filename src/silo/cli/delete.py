"""silo delete, undelete, trash and purge: into the trash, back, what lies in it, and removed for good."""

from __future__ import annotations

import datetime
import getpass
from collections.abc import Sequence

import click
from ansible_collections.swissphoto.silo.plugins.module_utils.common.sizes import rough

from silo.billing.policy import PLANS, BillingPolicy
from silo.cli import output
from silo.cli.billing import stripe_client
from silo.cli.context import Context, agree, changing, show, tenant_service, verified
from silo.inventory import DeletionRecord, deleted
from silo.notifications import ZONE
from silo.reports import usage
from silo.tenants import TenantService


@click.command(cls=output.Command)
@click.argument("customer")
@click.option("--confirm", metavar="CUSTOMER", help="The name again; without it, silo asks for it.")
@verified
@changing
@click.pass_obj
def delete(context: Context, customer: str, confirm: str | None, no_verify: bool, yes: bool, dry_run: bool) -> None:
    """Delete a customer's photo cloud: remove its containers, and move its data to the trash.

    With --yes, silo does not ask for the name again.

    \b
    Examples:
      silo delete hans --confirm hans
      silo delete hans --yes
    """
    with tenant_service(context, verify=not no_verify, runs=3) as service:
        unfinished = [deletion for deletion in service.unfinished() if deletion.name == customer]
        if not (unfinished and customer not in service.files.names()):
            planned = service.remove(customer, dry_run=True)
            days = service.policy.trash_days
            output.line(f"{_holds(_loss(service, customer))} They stay {days} days in the trash.")
            if dry_run:
                show(planned)
                return
        typed = customer if yes and confirm is None else confirm
        if typed is None:
            typed = output.prompt("Type the name again to delete it")
        if typed != customer:
            text = f"confirm is {typed!r}; it must be the name, {customer}"
            raise output.WrongInput(text)
        _print_record(service.delete(customer, by=context.author or getpass.getuser()))


def _loss(service: TenantService, customer: str) -> usage.TenantUsage:
    """Return what would be lost with a tenant; prints why some of it is unknown."""
    found = usage.of(service.stats())
    for text in found.left_out:
        output.line(text, err=True)
    return next(tenant for tenant in found.tenants if tenant.name == customer and not tenant.orphan)


def _holds(tenant: usage.TenantUsage) -> str:
    """Say it in a sentence."""
    photos = "an unknown number of photos" if tenant.photos is None else f"{tenant.photos} photos"
    videos = "" if tenant.videos is None else f" and {tenant.videos} videos"
    used = "of unknown size" if tenant.storage_bytes is None else rough(tenant.storage_bytes)
    login = f"the last login was on {tenant.last_login[:10]}" if tenant.last_login else "the last login is unknown"
    return f"{tenant.name} holds {photos}{videos}, {used}; {login}."


def _print_record(deletion: DeletionRecord) -> None:
    output.line(
        f"{deletion.name} was deleted at {deletion.when} by {deletion.by}: "
        f"{deletion.files} files, {rough(deletion.used)}."
    )
    output.line(f"The record is {deletion.path}; 'silo undelete {deletion.id}' restores it until it is purged.")


@click.command(cls=output.Command)
@click.argument("customer")
@verified
@changing
@click.pass_obj
def undelete(context: Context, customer: str, no_verify: bool, yes: bool, dry_run: bool) -> None:
    """Restore a deleted customer from the trash, with all data, passwords and the same address.

    CUSTOMER is a name, or where several of this name are in the trash, an id that 'silo trash' shows.

    \b
    Examples:
      silo undelete hans
      silo undelete 7-hans
    """
    with tenant_service(context, verify=not no_verify) as service:
        change = service.undelete(customer, dry_run=dry_run)
        if dry_run:
            show(change)
        else:
            output.line(f"{change.name} is back, and runs.")


@click.command(cls=output.Command)
@output.json_option("An object with 'trash': id, name, deleted, by, reason, files, bytes, until and state of each.")
@click.pass_obj
def trash(context: Context, as_json: bool) -> None:
    """Show the deleted customers that can be restored, each with the id by which 'undelete' and 'purge' know it.

    'until' is the day from which 'silo purge' removes it for good.
    """
    service = context.service()
    days = service.policy.trash_days
    rows = [
        {
            "id": one.id,
            "name": one.name,
            "deleted": one.when,
            "by": one.by,
            "reason": one.reason,
            "files": one.files,
            "bytes": one.used,
            "until": one.kept_until(days).astimezone(ZONE).date().isoformat(),
            "state": "in the trash" if one.trashed else "not all there yet",
        }
        for one in service.files.in_the_trash()
    ]
    if as_json:
        output.as_json({"trash": rows})
        output.incomplete(service.files.unreadable_deletions())
        return
    table = output.table("id", "deleted", "by", "reason", "files", "size", "until", "state")
    for row, one in zip(rows, service.files.in_the_trash(), strict=True):
        size = rough(one.used) if one.trashed else ""
        files = one.files if one.trashed else ""
        table.add_row(one.id, one.when, one.by, one.reason, str(files), size, str(row["until"]), str(row["state"]))
    output.show(table)
    output.incomplete(service.files.unreadable_deletions())


@click.command(cls=output.Command)
@click.argument("customers", nargs=-1, metavar="[CUSTOMER]...")
@click.option(
    "--confirm",
    metavar="CUSTOMER",
    multiple=True,
    help="The name or id again, for a tenant whose time in the trash is not over.",
)
@click.option(
    "--machine-is-lost",
    is_flag=True,
    help="The server or the NAS is lost, and the inventory has it no more: remove what lies elsewhere, and record the "
    "rest.",
)
@changing
@click.pass_obj
def purge(
    context: Context,
    customers: tuple[str, ...],
    confirm: tuple[str, ...],
    machine_is_lost: bool,
    yes: bool,
    dry_run: bool,
) -> None:
    """Remove deleted customers from the trash for good: those whose time in it is over, or those named.

    CUSTOMER is a name, or where several of this name are in the trash, an id that 'silo trash' shows.
    One run removes at most silo_trash_purges. A timer may run 'silo purge --yes'. With billing, it asks Stripe first,
    and keeps those for whom somebody pays.
    """
    if machine_is_lost and not customers:
        raise click.UsageError("--machine-is-lost needs the names or ids of the customers")
    with tenant_service(context) as service:
        kept, due = service.trash.kept(), service.trash.due()
        if machine_is_lost:
            # What such a machine keeps from the trash may go as well.
            kept += service.unfinished()
        chosen = {word: deleted.pick(word, kept) for word in customers or [one.id for one in due]}
        if early := [word for word, deletion in chosen.items() if deletion not in due and word not in confirm]:
            text = f"{', '.join(early)}: its time in the trash is not over; --confirm {early[0]} removes it now"
            raise output.WrongInput(text)
        if machine_is_lost and (there := [word for word, one in chosen.items() if not service.trash.lost(one)]):
            text = f"{', '.join(there)}: its server and its NAS are in the inventory; leave --machine-is-lost out"
            raise output.WrongInput(text)
        none = "There is no tenant to remove." if chosen else "No tenant in the trash is old enough to be removed."
        # By record: who is named by name and by id is one.
        removed = _unclaimed(service, list(dict.fromkeys(chosen.values())))
        for deletion in removed:
            output.line(f"{deletion.id}, deleted at {deletion.when}: {deletion.files} files, {rough(deletion.used)}")
            if machine_is_lost:
                output.line(f"{deletion.id}: silo cannot remove {service.trash.lost(deletion)}; destroy those disks")
        if not removed:
            output.line(none)
        if dry_run or not removed:
            output.incomplete(service.files.unreadable_deletions())
            return
        agree(yes, "They cannot be restored afterwards. Continue?")
        done = service.trash.purge(removed, without_lost=machine_is_lost)
        output.line(f"Removed for good: {', '.join(deletion.id for deletion in done)}.")
        if left := len(removed) - len(done):
            output.line(f"{left} more wait for the next run (silo_trash_purges).")
        output.incomplete(service.files.unreadable_deletions())


def _unclaimed(service: TenantService, chosen: Sequence[DeletionRecord]) -> list[DeletionRecord]:
    """Return those that nobody pays for at Stripe; raises BillingError if Stripe does not answer."""
    variables = service.policy.billing
    if not chosen or not variables.get(PLANS):
        return list(chosen)
    from silo.billing.purge_check import claimed

    now = datetime.datetime.now(datetime.UTC)
    found = claimed(chosen, service, stripe_client(), BillingPolicy.of(variables), now)
    for deletion in chosen:
        if why := found.get(deletion.path):
            output.line(
                f"{deletion.id} is not removed: {why}. 'silo reconcile --fix' restores it; if it belongs to somebody "
                "else, change 'tenant' in the metadata of that subscription."
            )
    return [deletion for deletion in chosen if deletion.path not in found]

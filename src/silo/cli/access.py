"""silo reset-access and silo letters: one-time login links, and letters to customers."""

from __future__ import annotations

import click

from silo.cli import output
from silo.cli.context import Context, agree, changing, tenant_service
from silo.notifications import WITH_LINK, LetterError
from silo.tenants import TenantService


@click.command("reset-access", cls=output.Command)
@click.argument("customer")
@changing
@click.pass_obj
def reset_access(context: Context, customer: str, yes: bool, dry_run: bool) -> None:
    """Send a customer a new one-time login link, which invalidates the older link and the password."""
    with tenant_service(context) as service:
        if dry_run:
            service.tenant(customer)
            output.line(f"{customer} would get a new link.")
            return
        agree(yes, f"{customer}'s password and all open links will stop working. Continue?")
        if path := service.reset_access(customer):
            output.line(f"No relay is set (letters_relay_host). The one-time login link is in {path}.")
            return
        output.line(f"Silo sends {customer} a new link.")
        report_access(service, customer)


@click.command(cls=output.Command)
@click.option("--now", is_flag=True, help="Also send letters that wait for their next attempt.")
@output.json_option("An object with 'letters'.")
@click.pass_obj
def letters(context: Context, now: bool, as_json: bool) -> None:
    """Send due letters, and show the status of all. A timer may run it.

    Ends with 1 if a letter to a customer failed, and no later one has arrived.
    """
    outbox = context.service().outbox
    if outbox is None:
        raise output.Failure("No relay is set; set letters_relay_host.")
    problem = ""
    try:
        outbox.deliver(at_once=now)
    except LetterError as error:
        problem = str(error)
    states = outbox.states()
    if as_json:
        found = [{"event": event, "state": state, "error": why} for event, (state, why) in states.items()]
        output.as_json({"letters": found})
    else:
        made = output.table("letter", "state", "why")
        for event, (state, why) in states.items():
            made.add_row(event, state, why)
        output.show(made)
    if problem:
        raise output.Failure(problem)
    if lost := outbox.lost():
        what = "a letter to a customer has" if len(lost) == 1 else f"{len(lost)} letters to customers have"
        raise output.Failure(f"Of late, {what} failed, and none has arrived since. 'silo billing' says what to do.")


def report_access(service: TenantService, customer: str) -> None:
    """Print letters to a customer that are not sent yet; without a relay, the file of the login link."""
    if service.outbox:
        letters = {event: how for event, how in service.outbox.states().items() if event.split("/")[1] == customer}
        lost = {one.event for one in service.outbox.lost()}
        for event, (state, error) in letters.items():
            kind = event.split("/")[0]
            if event in lost:
                again = (
                    f"'silo reset-access {customer}' sends a new link" if kind in WITH_LINK else "write to the customer"
                )
                output.line(f"The letter '{kind}' failed, and silo does not send it again: {error}; {again}.")
            elif state not in ("sent", "failed"):
                output.line(f"The letter '{kind}' is not sent yet: {error or state}; 'silo letters --now' tries again.")
        return
    path = service.link(customer)
    if customer in service.owed_links.all():
        output.line(f"The one-time login link is not made yet; 'silo apply {customer}' makes it, once the tenant runs.")
        return
    output.line(f"No relay is set (letters_relay_host), so no letter was sent. The one-time login link is in {path}.")

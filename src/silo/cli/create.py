"""The commands by which a customer gets in: an own photo cloud, a link to open it, the letter that brings it."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import click

from silo.cli import output
from silo.cli.context import Call, agree, changing, limits, operator, show, verified
from silo.diagnostics import engine, preflight
from silo.notifications import LetterError
from silo.operation import Operator


@click.command(cls=output.Command)
@click.argument("customer")
@click.argument("quota", metavar="GB")
@click.argument("email")
@click.option("--server", metavar="HOST", help="The server; without it the one with the most memory left.")
@limits
@click.option("--no-check", is_flag=True, help="Skip the preflight checks of DNS, NAS and servers.")
@verified
@changing
@click.pass_obj
def create(
    call: Call,
    /,
    customer: str,
    quota: str,
    email: str,
    no_check: bool,
    no_verify: bool,
    yes: bool,
    dry_run: bool,
    **settings: str | None,
) -> None:
    """Create a customer's photo cloud and send them a one-time login link.

    GB is the quota in GB (in powers of 1024), or a size such as 1T.

    \b
    Examples:
      silo create hans 100 hans@email.ch
      silo create marie 1T marie@email.ch --language fr --server silo2
    """
    given = {**settings, "quota": f"{quota}G" if quota.isdecimal() else quota}
    with operator(call, verify=not no_verify, runs=1 if no_check else 2) as one:
        # What is typed wrong is told at once, and not after a look at all machines.
        pools = None if no_check or dry_run else functools.partial(_check, one)
        change = one.create(customer, email=email, pools=pools, dry_run=dry_run, **given)
        if dry_run:
            show(change)
            return
        server = (change.after or {}).get("tenant_server", "its server")
        click.echo(f"{customer} runs at https://{customer}.{one.edits.policy.domain} on {server}.")
        _tell_access(one, customer)


def _check(one: Operator) -> Mapping[str, int]:
    """Print what preflight finds, and return the size of each NAS in bytes; raises Failure where a check fails."""
    relay = one.edits.outbox.settings if one.edits.outbox else None
    found = preflight.run(one.edits.path, relay)
    output.findings(finding for finding in found.findings if not finding.ok)
    if engine.failed("preflight", found.findings):
        raise output.Failure("Preflight checks failed; nothing was created. Use --no-check to skip them.")
    return found.pools


def _tell_access(one: Operator, customer: str) -> None:
    if one.edits.outbox:
        waiting = {event: how for event, how in one.edits.outbox.states().items() if event.split("/")[1] == customer}
        for event, (state, error) in waiting.items():
            if state != "sent":
                kind = event.split("/")[0]
                click.echo(f"The letter '{kind}' is not sent yet: {error or state}; 'silo letters --now' tries again.")
        return
    path = one.link(customer)
    click.echo(f"No relay is set (letters_relay_host), so no letter was sent. The one-time login link is in {path}.")


@click.command("reset-access", cls=output.Command)
@click.argument("customer")
@changing
@click.pass_obj
def reset_access(call: Call, customer: str, yes: bool, dry_run: bool) -> None:
    """Send a customer a new one-time login link; the older link ends, and a password that is forgotten with it."""
    with operator(call) as one:
        if dry_run:
            one.edits.desired(customer)
            click.echo(f"{customer} would get a new link.")
            return
        agree(yes, f"{customer}'s password and all open links will end. Go on?")
        if path := one.reset_access(customer):
            click.echo(f"No relay is set (letters_relay_host). The one-time login link is in {path}.")
            return
        click.echo(f"{customer} is sent a new link.")
        _tell_access(one, customer)


@click.command(cls=output.Command)
@click.option("--now", is_flag=True, help="Send also what waits for its next attempt.")
@output.json_option("An object with 'letters'.")
@click.pass_obj
def letters(call: Call, now: bool, as_json: bool) -> None:
    """Send the letters whose time has come, and show how far each is. A timer may run it."""
    outbox = call.edits().outbox
    if outbox is None:
        raise output.Failure("No relay is set; letters_relay_host is its variable.")
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

"""The commands that change something: each an edit of the inventory, then the runs that make it true."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import getpass
import typing as t
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import click

from silo import ground
from silo.capacity import rough
from silo.cli import output
from silo.cli.progress import Progress
from silo.edits import Edits
from silo.inventory import Change, Tombstone
from silo.inventory.errors import shown
from silo.letters import LetterError
from silo.operation import Operator
from silo.usage import Tenant

Command = Callable[..., t.Any]
STATES = {"running": "runs", "stopped": "is stopped", "suspended": "is suspended"}


@dataclasses.dataclass(frozen=True)
class Call:
    """How silo was called: for which inventory, and in whose name commits are made."""

    inventory: Path
    author: str | None
    commit: bool

    def edits(self) -> Edits:
        """Open the inventory; raises InventoryError where it is none."""
        return Edits(self.inventory, author=self.author, commit=self.commit)


@contextlib.contextmanager
def operator(call: Call, *, verify: bool = False) -> Iterator[Operator]:
    """Give an operator whose runs are seen; what tasks took is remembered for the next time.

    With `verify`, a promise that does not hold for a tenant that was changed is told in the end, and is a failure.
    """
    edits = call.edits()
    progress = Progress(edits.state.durations())
    try:
        one = Operator(edits, listen=progress, tell=progress.wait, verify=verify)
        yield one
    finally:
        progress.close()
        edits.state.keep_durations(progress.seconds)
    if one.broken:
        output.broken(one.broken)
        raise output.Failure("It is done, and not as promised; 'silo verify' looks at all of it.")


def changing(command: Command) -> Command:
    """Add the options of everything that changes something."""
    command = click.option("-y", "--yes", is_flag=True, help="Do not ask.")(command)
    return click.option("-n", "--dry-run", is_flag=True, help="Show what would be edited, and change nothing.")(command)


def verified(command: Command) -> Command:
    """Add the option of what looks afterwards at the tenants that it changed."""
    text = "Do not look afterwards whether what is promised holds for who was changed."
    return click.option("--no-verify", is_flag=True, help=text)(command)


def limits(command: Command) -> Command:
    """Add the options that are settings of a tenant."""
    for name, meta, text in (
        ("--cache-memory", "SIZE", "Memory limit of Valkey, such as 512M."),
        ("--database-memory", "SIZE", "Memory limit of Postgres, such as 1G."),
        ("--server-memory", "SIZE", "Memory limit of the photo server, such as 1G."),
        ("--nas", "HOST", "The NAS, where the inventory has several."),
        ("--language", "LANG", "de, fr, it or en: the customer's language."),
        ("--plan", "PLAN", "What was bought; its values are in group_vars/plan_<plan>.yml."),
    ):
        command = click.option(name, metavar=meta, help=text)(command)
    return command


def _agree(yes: bool, question: str) -> None:
    if not yes:
        click.confirm(question, abort=True, err=True)


def _show(change: Change) -> None:
    click.echo(change.diff_text or f"{change.name}: the inventory says so already.\n", nl=False)


@click.command(cls=output.Command)
@click.argument("customer")
@click.argument("quota", metavar="GB")
@click.argument("email")
@click.option("--server", metavar="HOST", help="The server; without it the one with the most memory left.")
@limits
@click.option("--no-check", is_flag=True, help="Do not look at DNS, NAS and servers before.")
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
    with operator(call, verify=not no_verify) as one:
        # What is typed wrong is told at once, and not after a look at all machines.
        pools = None if no_check or dry_run else functools.partial(_check_ground, one)
        change = one.create(customer, email=email, pools=pools, dry_run=dry_run, **given)
        if dry_run:
            _show(change)
            return
        server = (change.after or {}).get("tenant_server", "its server")
        click.echo(f"{customer} runs at https://{customer}.{one.edits.policy.domain} on {server}.")
        _tell_access(one, customer)


def _check_ground(one: Operator) -> Mapping[str, int]:
    """Refuse where a new tenant would not stand, and return the size of each NAS; what concerns others is told."""
    relay = one.edits.outbox.settings if one.edits.outbox else None
    found = ground.look(one.edits.path, relay)
    output.findings(finding for finding in found.findings if finding.state != "ok")
    if any(finding.state == "wrong" for finding in found.findings):
        raise output.Failure("The ground is not sound, so nothing was created; --no-check creates all the same.")
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


@click.command(cls=output.Command)
@click.argument("customer")
@click.option("--unpaid", is_flag=True, help="An invoice is not paid: the customer reads so, and gets a letter.")
@verified
@changing
@click.pass_obj
def stop(call: Call, customer: str, unpaid: bool, no_verify: bool, yes: bool, dry_run: bool) -> None:
    """Stop a customer's photo cloud: its memory is free, all data stay, and the address says why.

    \b
    Examples:
      silo stop hans             stopped, by choice
      silo stop hans --unpaid    suspended, with a link to pay
    """
    _set_state(call, customer, "suspended" if unpaid else "stopped", no_verify, yes, dry_run)


@click.command(cls=output.Command)
@click.argument("customer")
@verified
@changing
@click.pass_obj
def start(call: Call, customer: str, no_verify: bool, yes: bool, dry_run: bool) -> None:
    """Start a photo cloud that was stopped or suspended, with the same data, sessions and certificate."""
    _set_state(call, customer, "running", no_verify, yes, dry_run)


def _set_state(call: Call, customer: str, state: str, no_verify: bool, yes: bool, dry_run: bool) -> None:
    with operator(call, verify=not no_verify) as one:
        if dry_run:
            _show(one.set_state(customer, state, dry_run=True))
            return
        if state != "running":
            _agree(yes, f"{customer} will be {state}, and nobody can open it. Go on?")
        one.set_state(customer, state)
        click.echo(f"{customer} {STATES[state]}.")


@click.command("set", cls=output.Command)
@click.argument("customer")
@click.option("--email", help="The customer's address.")
@click.option("--quota", metavar="SIZE", help="Such as 500G.")
@click.option("--subscription", metavar="SUB", help="The customer's at Stripe, such as sub_1QxAbcDef; it then decides.")
@limits
@verified
@changing
@click.pass_obj
def change(call: Call, /, customer: str, no_verify: bool, yes: bool, dry_run: bool, **settings: str | None) -> None:
    """Change a customer's quota, plan, language, limits or address, without stopping what need not stop.

    \b
    Example:
      silo set hans --quota 500G
    """
    given = {key: value for key, value in settings.items() if value is not None}
    if not given:
        raise click.UsageError("name at least one setting, such as --quota 500G")
    with operator(call, verify=not no_verify) as one:
        made = one.change(customer, dry_run=dry_run, told=False, **given)
        _show(made)
        if not dry_run:
            click.echo(f"{customer} is as the inventory says.")


@click.command(cls=output.Command)
@click.argument("customer")
@click.option("--confirm", metavar="CUSTOMER", help="The name typed again; without it you are asked for it.")
@click.option("-n", "--dry-run", is_flag=True, help="Show what would be lost and edited, and change nothing.")
@click.pass_obj
def delete(call: Call, customer: str, confirm: str | None, dry_run: bool) -> None:
    """Delete a customer's photo cloud: taken down, its data put into the trash, its index never given again.

    \b
    Example:
      silo delete hans --confirm hans
    """
    with operator(call) as one:
        unfinished = [stone for stone in one.edits.unfinished() if stone.name == customer]
        if not (unfinished and customer not in one.edits.inventory.tenants()):
            planned = one.edits.inventory.remove(customer, dry_run=True)
            days = one.edits.policy.trash_days
            click.echo(f"{_holds(one.loss(customer))} They stay {days} days in the trash.")
            if dry_run:
                _show(planned)
                return
        typed = confirm if confirm is not None else click.prompt("Type the name again to delete it", err=True)
        if typed != customer:
            text = f"confirm is {typed!r}; the name typed again, {customer}, is right"
            raise output.WrongInput(text)
        _tell_record(one.delete(customer, by=call.author or getpass.getuser()))


def _holds(tenant: Tenant) -> str:
    """Return what is lost with a tenant, in a sentence."""
    photos = "an unknown number of photos" if tenant.photos is None else f"{tenant.photos} photos"
    videos = "" if tenant.videos is None else f" and {tenant.videos} videos"
    used = "of unknown size" if tenant.storage_bytes is None else rough(tenant.storage_bytes)
    login = f"the last login was on {tenant.last_login[:10]}" if tenant.last_login else "the last login is unknown"
    return f"{tenant.name} holds {photos}{videos}, {used}; {login}."


def _tell_record(stone: Tombstone) -> None:
    click.echo(f"{stone.name} was deleted at {stone.when} by {stone.by}: {stone.files} files, {rough(stone.used)}.")
    click.echo(f"The record is {stone.path}; 'silo undelete {stone.name}' brings it back until it is purged.")


@click.command(cls=output.Command)
@click.argument("customer")
@verified
@changing
@click.pass_obj
def undelete(call: Call, customer: str, no_verify: bool, yes: bool, dry_run: bool) -> None:
    """Bring a deleted customer back from the trash, with all data, passwords and the same address."""
    with operator(call, verify=not no_verify) as one:
        change = one.undelete(customer, dry_run=dry_run)
        if dry_run:
            _show(change)
        else:
            click.echo(f"{customer} is back, and runs.")


@click.command(cls=output.Command)
@click.argument("customers", nargs=-1, metavar="[CUSTOMER]...")
@click.option("--confirm", metavar="CUSTOMER", multiple=True, help="The name again, for one whose time is not over.")
@changing
@click.pass_obj
def purge(call: Call, customers: tuple[str, ...], confirm: tuple[str, ...], yes: bool, dry_run: bool) -> None:
    """Remove deleted customers from the trash for good: those whose time is over, or those named.

    At most silo_trash_purges of them go in one run. A timer may run 'silo purge --yes'.
    """
    with operator(call) as one:
        kept = {stone.name: stone for stone in one.kept()}
        if unknown := [name for name in customers if name not in kept]:
            there = ", ".join(kept) or "nobody"
            raise output.WrongInput(f"{', '.join(map(shown, unknown))}: not in the trash; there is {there}")
        due = one.due()
        chosen = [kept[name] for name in customers] if customers else list(due)
        if early := [stone.name for stone in chosen if stone not in due and stone.name not in confirm]:
            text = f"{', '.join(early)}: its time in the trash is not over; --confirm {early[0]} removes it now"
            raise output.WrongInput(text)
        for stone in chosen:
            click.echo(f"{stone.name}, deleted at {stone.when}: {stone.files} files, {rough(stone.used)}")
        if not chosen:
            click.echo("Nothing in the trash is old enough.")
        if dry_run or not chosen:
            return
        _agree(yes, "They cannot be brought back then. Go on?")
        done = one.purge(chosen)
        click.echo(f"Removed for good: {', '.join(stone.name for stone in done)}.")
        if left := len(chosen) - len(done):
            click.echo(f"{left} more wait for the next run (silo_trash_purges).")


@click.command(cls=output.Command)
@click.argument("customers", nargs=-1, metavar="[CUSTOMER]...")
@verified
@changing
@click.pass_obj
def apply(call: Call, customers: tuple[str, ...], no_verify: bool, yes: bool, dry_run: bool) -> None:
    """Bring the named tenants, or all, to what the inventory says; completes whatever was cut off."""
    with operator(call, verify=not no_verify) as one:
        results = one.plan(customers) if dry_run else one.apply(customers)
        _tell_verdict(results)
        if not dry_run:
            click.echo("The machines are as the inventory says.")


@click.command(cls=output.Command)
@click.argument("customers", nargs=-1, metavar="[CUSTOMER]...")
@output.json_option("An object with 'verdict', the lines of the table.")
@click.pass_obj
def plan(call: Call, customers: tuple[str, ...], as_json: bool) -> None:
    """Show what apply would do, and change nothing."""
    with operator(call) as one:
        results = one.plan(customers)
    if as_json:
        output.as_json({"verdict": _verdict(results)})
    else:
        _tell_verdict(results)


def _verdict(results: t.Mapping[str, t.Mapping[str, t.Mapping[str, t.Any]]]) -> list[str]:
    """Return what the verdict of a run shows."""
    lines: list[str] = []
    for name, by_host in results.items():
        if "Verdict | Show" in name or "Verdict | Name" in name:
            for result in by_host.values():
                told = result.get("msg", [])
                lines += told.splitlines() if isinstance(told, str) else [str(line) for line in told]
    return lines


def _tell_verdict(results: t.Mapping[str, t.Mapping[str, t.Mapping[str, t.Any]]]) -> None:
    for line in _verdict(results):
        click.echo(line)


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
        _agree(yes, f"{customer}'s password and all open links will end. Go on?")
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

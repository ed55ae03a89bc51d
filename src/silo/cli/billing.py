"""The commands of billing's services: run them, and examine their events and all that waits."""

from __future__ import annotations

import dataclasses
import datetime
import logging
import os
import sqlite3
import threading
import typing as t
from collections.abc import Mapping
from pathlib import Path

import click

from silo.billing.errors import BillingError, TryLater
from silo.billing.inbox import STATES, Inbox, Row
from silo.billing.operator_mail import notify_operator
from silo.billing.policy import CA_FILE, CHECKOUT, HOST, PAYMENT_PAGES, BillingPolicy
from silo.billing.protocols import Rules
from silo.billing.stripe import credentials
from silo.billing.stripe.events import ID, PATH
from silo.billing.worker import KEEP_PARKED_DAYS, Trouble
from silo.cli import output
from silo.cli.context import Context
from silo.diagnostics import Finding
from silo.inventory import InventoryError
from silo.notifications import ZONE

if t.TYPE_CHECKING:
    from silo.billing.stripe.client import Client

INBOX = Path("/var/lib/silo-billing/inbox.db")
CATALOGUE = Path("/var/lib/silo-checkout/catalogue.json")
# Another address than Stripe's own, for tests.
API = "SILO_STRIPE_API"

PORT = "The port at which it listens."

inbox_option = click.option(
    "--inbox",
    type=click.Path(dir_okay=False, path_type=Path),
    default=INBOX,
    show_default=True,
    envvar="SILO_BILLING_INBOX",
    help="The file of the inbox. [$SILO_BILLING_INBOX]",
)


def stripe_client() -> Client:
    """Return what reads Stripe; raises BillingError where there is no key."""
    # Here, as every other command would take a quarter of a second longer.
    from silo.billing.stripe.client import Client

    return Client(credentials.key(), api=os.environ.get(API, ""))


@click.group(cls=output.Group)
def serve() -> None:
    """Run a part of billing until SIGTERM, as the units of role billing do."""
    output.log()
    # Their messages quote addresses and bodies.
    for name in ("stripe", "urllib3", "uvicorn"):
        logging.getLogger(name).setLevel(logging.WARNING)


@serve.command(cls=output.Command)
@inbox_option
@click.option("--address", default="127.0.0.1", show_default=True, help="The address at which it listens.")
@click.option("--port", type=click.IntRange(1, 65535), default=8085, show_default=True, help=PORT)
def intake(inbox: Path, address: str, port: int) -> None:
    """Receive events of Stripe: verify each, and store it on disk before the answer."""
    # Here, as the commands that only look into the inbox would take a quarter of a second longer.
    from silo.billing import service
    from silo.billing.stripe.signature import Verifier

    service.webhook_server(opened(inbox, make=True), Verifier(credentials.secrets()), address, port)


@serve.command(cls=output.Command)
@inbox_option
@click.option(
    "--lanes",
    type=click.IntRange(1, 64),
    default=4,
    show_default=True,
    help="The most subscriptions that are handled in parallel.",
)
@click.option(
    "--parked-days",
    type=click.IntRange(30, 36_500),
    default=KEEP_PARKED_DAYS,
    show_default=True,
    help="How many days events that need attention are kept.",
)
@click.option(
    "--catalogue",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file in which the checkout reads what is on sale; without it, there is no checkout.",
)
@click.pass_obj
def worker(context: Context, inbox: Path, lanes: int, parked_days: int, catalogue: Path | None) -> None:
    """Process the events in the inbox, one at a time for each subscription."""
    from silo.billing import service
    from silo.billing.checkout.link_requests import DIRECTORY, LinkRequests
    from silo.billing.checkout.link_sender import LinkSender
    from silo.billing.checkout.publisher import Publisher
    from silo.billing.reconciler import Reconciler
    from silo.billing.stripe.client import Client

    key = credentials.key()

    def rules() -> Rules:
        try:
            return Reconciler(context.service(verify=True), Client(key, api=os.environ.get(API, "")))
        except InventoryError as error:
            raise TryLater(str(error)) from error

    def notify(trouble: Trouble) -> None:
        notify_operator(context.service(), trouble.key, trouble.subject, trouble.text)

    events_kept = opened(inbox)
    if catalogue:
        Publisher(context.service, catalogue, threading.Event()).start()
        LinkSender(context.service, LinkRequests(catalogue.with_name(DIRECTORY)), threading.Event()).start()
    service.worker(events_kept, rules, notify, lanes, parked_days)


@serve.command(cls=output.Command)
@click.option(
    "--catalogue",
    type=click.Path(dir_okay=False, path_type=Path),
    default=CATALOGUE,
    show_default=True,
    help="The file that the worker writes.",
)
@click.option("--address", default="127.0.0.1", show_default=True, help="The address at which it listens.")
@click.option("--port", type=click.IntRange(1, 65535), default=8088, show_default=True, help=PORT)
@click.option(
    "--requests-per-minute",
    type=click.IntRange(1, 100_000),
    default=60,
    show_default=True,
    help="How many pages one source gets in a minute; of orders, a sixth of it.",
)
def checkout(catalogue: Path, address: str, port: int, requests_per_minute: int) -> None:
    """Serve the pages on which customers order and pay."""
    from silo.billing import service
    from silo.billing.checkout.account import Account
    from silo.billing.checkout.catalogue import CatalogueFile
    from silo.billing.checkout.link_requests import DIRECTORY, LinkRequests
    from silo.billing.checkout.links import Links
    from silo.billing.checkout.website import Website, limits

    account = Account(credentials.checkout_key(), api=os.environ.get(API, ""))
    links = Links(credentials.checkout_secrets())
    requests = LinkRequests(catalogue.with_name(DIRECTORY))

    def website() -> Website:
        return Website(CatalogueFile(catalogue), account, links, limits(requests_per_minute), requests=requests)

    service.checkout(website, address, port)


@click.group(cls=output.Group, invoke_without_command=True)
@click.pass_context
def billing(context: click.Context) -> None:
    """Show all that waits, and events of Stripe; check the set-up of billing.

    Without a command, it is 'silo billing waiting'.
    """
    if context.invoked_subcommand is None:
        with waiting.make_context("waiting", [], parent=context) as inner:
            waiting.invoke(inner)


@billing.command(cls=output.Command)
@inbox_option
@output.json_option(
    "An object with 'waiting' (number, kind, tenant, cause, since, ends, again, step) and 'problems', sources that "
    "cannot be read; times are in UTC, or null."
)
@click.pass_obj
def waiting(context: Context, inbox: Path, as_json: bool) -> None:
    """Show all that waits, each with its number, cause, since when, until when, and what to do; the oldest first.

    These are events, orders, interrupted changes and deletions, decisions, letters and links. Silo goes on by itself
    once the cause is gone. A source that cannot be read is named below, and the others are shown.
    """
    from silo.billing import waiting as everything

    found = everything.read(context.service, lambda: opened(inbox) if inbox.exists() else None)
    if as_json:
        listed = [
            {**dataclasses.asdict(one), "since": _utc(one.since), "again": _utc(one.again)} for one in found.waiting
        ]
        output.as_json({"waiting": listed, "problems": list(found.problems)})
        return
    for one in found.waiting:
        whom = f", {one.tenant}" if one.tenant else ""
        output.line(f"{one.number} ({one.kind}{whom})")
        told = {
            "since": _local(one.since),
            "cause": one.cause,
            "until": one.ends,
            "next try": _local(one.again),
            "to do": one.step,
        }
        for label, text in told.items():
            if text:
                output.line(f"  {label + ':':9} {' '.join(text.split())}")
    if not found.waiting and not found.problems:
        output.line("Nothing waits.")
    for problem in found.problems:
        output.line(f"Incomplete: {' '.join(problem.split())}", err=True)


@billing.command(cls=output.Command)
@click.option(
    "--state",
    "states",
    type=click.Choice(STATES),
    multiple=True,
    help="Only these; by default all but done. Repeatable.",
)
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="The most events to list.")
@inbox_option
@output.json_option("A list of objects with 'id', 'type', 'subscription', 'received', 'state', 'attempts', 'message'.")
def events(states: tuple[str, ...], limit: int, inbox: Path, as_json: bool) -> None:
    """List events that wait or need attention, the newest first."""
    wanted = [state for state in STATES if (state in states if states else state != "done")]
    rows = opened(inbox).rows(wanted, limit)
    if as_json:
        output.as_json([_plain(row) for row in rows])
        return
    table = output.table("received", "event", "type", "subscription", "state", "attempts", "result")
    for row in rows:
        found = _plain(row)
        table.add_row(
            *(str(found[key]) for key in ("received", "id", "type", "subscription", "state", "attempts", "message"))
        )
    output.show(table)


@billing.command(cls=output.Command)
@click.argument("event_ids", metavar="EVENT...", nargs=-1, required=True)
@inbox_option
def retry(event_ids: tuple[str, ...], inbox: Path) -> None:
    """Retry events that need attention or failed, once the cause is fixed."""
    kept = opened(inbox)
    for event_id in event_ids:
        if not ID.fullmatch(event_id) or not kept.again(event_id):
            raise output.WrongInput(
                f"event {event_id!r}: it neither needs attention nor failed; 'silo billing events' lists those that do"
            )
        output.line(f"Silo retries {event_id}.")


@billing.command(cls=output.Command)
@output.json_option("An object with 'findings'.")
@click.pass_obj
def check(context: Context, as_json: bool) -> None:
    """Check the set-up of billing, here and at Stripe; ends with 1 if there is a problem."""
    from silo.billing.stripe import setup_check
    from silo.billing.stripe.client import connect

    service = context.service()
    variables = service.policy.billing
    plans = BillingPolicy.of(variables).plans
    setup = setup_check.Setup(f"https://{variables[HOST]}{PATH}", plans, service.inventory.offers())
    found = [
        setup_check.check_credential("stripe-key", credentials.key),
        setup_check.check_credential("stripe-webhook-secrets", credentials.secrets),
        setup_check.check_route(setup.url, variables[CA_FILE] or ""),
    ]
    if found[0].state == "ok":
        key = credentials.key()
        found += setup_check.check(connect(key, os.environ.get(API, "")), key, setup)
    if variables[CHECKOUT]:
        found += _of_the_checkout(variables)
    output.report("preflight", found, as_json)


def _of_the_checkout(variables: Mapping[str, t.Any]) -> list[Finding]:
    from silo.billing.checkout import setup_check
    from silo.billing.checkout.publisher import payment_pages
    from silo.billing.stripe.client import connect
    from silo.billing.stripe.setup_check import answered, check_credential

    found = [
        check_credential(credentials.CHECKOUT_KEY, credentials.checkout_key),
        check_credential(credentials.CHECKOUT_SECRETS, credentials.checkout_secrets),
        setup_check.check_pages(str(variables[HOST]), variables[CA_FILE] or ""),
    ]
    if found[0].state == "ok":
        key = credentials.checkout_key()
        found += answered("checkout_key", setup_check.check_key(connect(key, os.environ.get(API, "")), key))
    try:
        payment_pages(variables)
    except BillingError as error:
        found.append(Finding("checkout", PAYMENT_PAGES, "wrong", str(error), "Correct it in group_vars/all"))
    return found


def opened(path: Path, *, make: bool = False) -> Inbox:
    """Return the inbox at `path`; raises BillingError where there is none, or it cannot be opened."""
    if not make and not path.exists():
        raise BillingError(f"there is no inbox at {path}; the role billing creates it, and --inbox names another")
    try:
        return Inbox(path)
    except (OSError, sqlite3.Error) as error:
        raise BillingError(f"the inbox {path} cannot be opened: {error}") from error


def _plain(row: Row) -> dict[str, object]:
    received = datetime.datetime.fromtimestamp(row.received, datetime.UTC).isoformat(timespec="seconds")
    fields = ("id", "type", "subscription", "state", "attempts", "message")
    return {**{field: getattr(row, field) for field in fields}, "received": received}


def _utc(at: datetime.datetime | None) -> str | None:
    return at.astimezone(datetime.UTC).isoformat(timespec="seconds") if at else None


def _local(at: datetime.datetime | None) -> str:
    return at.astimezone(ZONE).strftime("%Y-%m-%d %H:%M:%S") if at else ""

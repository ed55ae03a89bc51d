"""silo checkout: a link for one customer, to order or to pay."""

from __future__ import annotations

import datetime
import typing as t
from collections.abc import Mapping

import click

from silo import email_address
from silo.billing.errors import NeedsAttention
from silo.billing.policy import CHECKOUT, HOST, BillingPolicy
from silo.billing.stripe import credentials
from silo.cli import output
from silo.cli.billing import stripe_client
from silo.cli.context import Context
from silo.inventory import InventoryError
from silo.inventory.errors import shown
from silo.inventory.validation import check_name, check_new_name
from silo.languages import LANGUAGES
from silo.tenant.names import lookalike
from silo.tenants import TenantService

if t.TYPE_CHECKING:
    from silo.billing.checkout.links import Order, Payment

SUBSCRIPTION, LANGUAGE = "tenant_subscription", "tenant_language"


@click.command(cls=output.Command)
@click.argument("customer")
@click.option("--plan", help="The plan that is marked on the page; by default none.")
@click.option("--language", type=click.Choice(LANGUAGES), help="The language of the page; by default the tenant's.")
@click.option("--email", help="The address of somebody whom Stripe does not know yet.")
@output.json_option("An object with 'tenant', 'kind' (order or pay), 'link' and 'valid_until'.")
@click.pass_obj
def checkout(
    context: Context, customer: str, plan: str | None, language: str | None, email: str | None, as_json: bool
) -> None:
    """Print a link by which one customer orders, or pays what is owed.

    For a name that nobody has, and for a tenant whose subscription has ended, it leads to the plans; a returning
    customer gets the same tenant. While the subscription of a tenant goes on, it leads to its open invoice, or for 72
    hours to Stripe's portal. Whoever has the link acts in the customer's place.

    \b
    Examples:
      silo checkout hans --email hans@email.ch --plan small
      silo checkout hans
    """
    # Here, as they take as long as a short command.
    from silo.billing.checkout.links import ORDER_DAYS, PAY_DAYS, Links, Payment, order_address, payment_address

    service = context.service()
    check_name(customer)
    variables = service.policy.billing
    if not variables.get(CHECKOUT):
        raise output.Failure(
            "There is no checkout; set billing_checkout_enabled, as docs/operate/billing.md describes."
        )
    links = Links(credentials.checkout_secrets())
    _check(variables, plan, email)
    link = _link(service, customer, plan or "", language or "", email or "")
    is_payment = isinstance(link, Payment)
    if is_payment and plan:
        raise output.WrongInput(
            f"--plan: the subscription of {customer} goes on; the portal of Stripe changes its plan"
        )
    if email and (isinstance(link, Payment) or link.customer):
        raise output.WrongInput(f"--email: Stripe knows the customer of {customer}, whose address there counts")
    days = PAY_DAYS if is_payment else ORDER_DAYS
    token = links.make(link, days)
    address = (payment_address if is_payment else order_address)(str(variables[HOST]), token)
    until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    if as_json:
        said = {"tenant": customer, "kind": "pay" if is_payment else "order", "link": address}
        output.as_json({**said, "valid_until": until.isoformat(timespec="seconds")})
        return
    what = "pays" if is_payment else "orders"
    output.line(f"The customer of {customer} {what} with this link, until {until.date()}:", err=True)
    output.line(address)


def _check(variables: Mapping[str, t.Any], plan: str | None, email: str | None) -> None:
    sold = sorted(set(BillingPolicy.of(variables).plans.values()))
    if plan is not None and plan not in sold:
        raise output.WrongInput(f"--plan is {shown(plan)}; it must be one that billing_plans sells: {', '.join(sold)}")
    if email is not None and (problem := email_address.problem(email)):
        raise output.WrongInput(f"--email is {shown(email)}; {problem}")


def _link(service: TenantService, name: str, plan: str, language: str, email: str) -> Order | Payment:
    """Return what the link says: of a living tenant, of a deleted one, or of a new customer."""
    from silo.billing.checkout.links import Order

    living = service.files.all().get(name)
    if living is not None:
        language = language or str(service.tenant(name).settings[LANGUAGE])
        subscription = str(living.settings.get(SUBSCRIPTION, ""))
        return _of(name, subscription, plan, language) or Order(name, plan, language, email=email, own=True)
    deleted = [one for one in service.files.deletion_records() if one.name == name]
    last = max(deleted, key=lambda one: one.when, default=None)
    if last and not last.freed and (found := _of(name, last.subscription, plan, language or last.language)):
        return found
    _check_nobodys(service, name)
    return Order(name, plan, language, email=email)


def _of(name: str, subscription: str, plan: str, language: str) -> Order | Payment | None:
    """Return the link of who paid for a subscription; None without one that Stripe knows."""
    from silo.billing.checkout.links import Order, Payment
    from silo.billing.model import ENDED

    if not subscription:
        return None
    try:
        found = stripe_client().subscription(subscription)
    except NeedsAttention:  # of another account
        return None
    if found.status in ENDED:
        return Order(name, plan, language, found.customer, own=True)
    return Payment(name, subscription, language)


def _check_nobodys(service: TenantService, name: str) -> None:
    """Refuse a name that an order could not have; raises InventoryError."""
    check_new_name(name)
    taken = service.inventory.taken_names()
    if name in taken:
        raise InventoryError(
            f"tenant {shown(name)}: the name is taken, or reserved as somebody had it; 'silo names' lists those, and "
            "'silo names --free' gives one free"
        )
    if other := lookalike(name, taken):
        raise InventoryError(f"tenant {shown(name)}: in many fonts it looks like {shown(other)}; choose another name")

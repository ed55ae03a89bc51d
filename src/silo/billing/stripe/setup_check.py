"""Whether all is set up for the first order: key, prices, portal and endpoint at Stripe, and the way from it to here.

It reads, but for three writes to things that do not exist: their refusals tell whether the key could write.
"""

from __future__ import annotations

import contextlib
import dataclasses
import ssl
import typing as t
from collections.abc import Callable, Collection, Iterator, Mapping

import stripe
from ansible_collections.swissphoto.silo.plugins.module_utils.common import http_client
from ansible_collections.swissphoto.silo.plugins.module_utils.common.http_client import Route

from silo.billing.stripe.client import API_VERSION, failures
from silo.billing.stripe.credentials import CredentialError
from silo.billing.stripe.events import WANTED
from silo.diagnostics import Finding

Object = Mapping[str, t.Any]
# Which rights of a restricted key are needed, as Stripe's dashboard calls them; what needs each.
SERVICE, CHECK = "the service", "this check"
RIGHTS: Mapping[str, str] = {
    "Subscriptions": SERVICE,
    "Invoices": SERVICE,
    "Customers": SERVICE,
    "Events": SERVICE,
    "Prices": CHECK,
    "Products": CHECK,
    "Customer portal": CHECK,
    "Webhook Endpoints": CHECK,
}
# Of a customer of ours nothing has this name, so a write to it changes nothing.
NOBODY = "silo_check_of_rights"
SECONDS = 10
PAGE = 100


@dataclasses.dataclass(frozen=True)
class Setup:
    """What should be: `url` is where Stripe posts, `plans` price to plan, `offers` the plans of the inventory."""

    url: str
    plans: Mapping[str, str]
    offers: Collection[str]


def check(client: stripe.StripeClient, key: str, setup: Setup) -> list[Finding]:
    """Return what is right and what is wrong at Stripe; raises TryLater where it does not answer."""
    found = [*_kind(key), *_rights(client)]
    for part in (_prices, _portal, _endpoint):
        with contextlib.suppress(stripe.PermissionError):  # reported above
            found += part(client, setup)
    return found


@contextlib.contextmanager
def _asking(what: str) -> Iterator[None]:
    """As the client's failures; but a right and a thing that are missing are findings."""
    try:
        yield
    except stripe.PermissionError:
        raise
    except stripe.StripeError as error:
        if error.code == "resource_missing":
            raise
        with failures(what):
            raise


def _kind(key: str) -> Iterator[Finding]:
    made = "Make a restricted key (Developers, API keys) and revoke the other; docs/operate/billing.md lists its rights"
    if key.startswith("rk_"):
        yield Finding("key", "stripe", "ok", "it is a restricted one")
    else:
        yield Finding(
            "key", "stripe", "warning", "it may do everything in the account, as it is no restricted one", made
        )
    if "_test_" in key[:8]:
        fix = "It is right for a trial; take one that begins with rk_live_ when customers are to pay"
        yield Finding("key", "stripe", "warning", "it is of Stripe's test mode, in which nobody pays", fix)


def _rights(client: stripe.StripeClient) -> Iterator[Finding]:
    v1, one = client.v1, t.cast("t.Any", {"limit": 1})
    lists: Mapping[str, Callable[[], object]] = {
        "Subscriptions": lambda: v1.subscriptions.list(one),
        "Invoices": lambda: v1.invoices.list(one),
        "Customers": lambda: v1.customers.list(one),
        "Events": lambda: v1.events.list(one),
        "Prices": lambda: v1.prices.list(one),
        "Products": lambda: v1.products.list(one),
        "Customer portal": lambda: v1.billing_portal.configurations.list(one),
        "Webhook Endpoints": lambda: v1.webhook_endpoints.list(one),
    }
    missing = []
    for name, ask in lists.items():
        try:
            with _asking(name):
                ask()
        except stripe.PermissionError:
            missing.append(name)
            fix = f"Give it the right to read {name}: Developers, API keys, Edit"
            yield Finding("key", "stripe", "wrong", f"it may not read {name}, which {RIGHTS[name]} needs", fix)
    if not missing:
        yield Finding("key", "stripe", "ok", "it may read all that is needed")
    writes: Mapping[str, Callable[[], object]] = {
        "Customers": lambda: v1.customers.update(NOBODY, {"description": ""}),
        "Subscriptions": lambda: v1.subscriptions.update(NOBODY, {"description": ""}),
        "Invoices": lambda: v1.invoices.update(NOBODY, {"description": ""}),
    }
    may = [name for name, ask in writes.items() if _may_write(name, ask)]
    if may:
        fix = "Take those rights from it: nothing here writes to Stripe"
        yield Finding("key", "stripe", "warning", f"it may write {', '.join(may)}", fix)
    else:
        yield Finding("key", "stripe", "ok", "it may write nothing of a customer")


def _may_write(name: str, ask: Callable[[], object]) -> bool:
    try:
        with _asking(name):
            ask()
    except stripe.PermissionError:
        return False
    except stripe.InvalidRequestError:
        return True  # it was let in, and found nothing
    return True


def _prices(client: stripe.StripeClient, setup: Setup) -> Iterator[Finding]:
    with _asking("prices"):
        listed = client.v1.prices.list({"active": True, "type": "recurring", "limit": PAGE})
        on_sale = {one.id: one.to_dict() for one in listed.auto_paging_iter()}
    if not setup.plans:
        yield Finding(
            "prices",
            "billing_plans",
            "wrong",
            "it names no price, so nothing can be bought",
            "Write the id of each price and the plan that it buys into billing_plans",
        )
    for price, plan in setup.plans.items():
        yield _price(client, price, plan, setup)
    for price in sorted(on_sale.keys() - setup.plans.keys()):
        yield Finding(
            "prices",
            price,
            "warning",
            "it is on sale at Stripe, and no plan of ours: an order for it would need attention",
            "Name its plan in billing_plans, or archive it at Stripe where it is not ours to sell",
        )


def _price(client: stripe.StripeClient, price: str, plan: str, setup: Setup) -> Finding:
    if plan not in setup.offers:
        plans = ", ".join(sorted(setup.offers)) or "none"
        fix = f"Make group_vars/plan_{plan}.yml, or name one of the plans that there are: {plans}"
        return Finding("prices", price, "wrong", f"billing_plans gives it the plan {plan}, which there is not", fix)
    try:
        with _asking(f"price {price}"):
            found: Object = client.v1.prices.retrieve(price, {"expand": ["product"]}).to_dict()
    except stripe.InvalidRequestError:
        fix = "Copy its id from Product catalog; prices of the test mode are not those that customers pay"
        return Finding("prices", price, "wrong", "Stripe knows no such price", fix)
    product = found["product"] if isinstance(found["product"], dict) else {}
    if found.get("type") != "recurring":
        fix = "Make a recurring price, and name that in billing_plans"
        return Finding("prices", price, "wrong", "it is paid once, and a photo cloud is paid again and again", fix)
    if not found.get("active") or product.get("active") is False:
        fix = "Customers who pay it go on to; for new ones make it active, or name another in billing_plans"
        return Finding("prices", price, "warning", "it is archived at Stripe, so nobody new can buy it", fix)
    every = found["recurring"]
    amount = f"{found.get('unit_amount') or 0:d}"
    money = f"{amount[:-2] or '0'}.{amount[-2:]:0>2} {str(found.get('currency', '')).upper()}"
    return Finding("prices", price, "ok", f"plan {plan}: {money} each {every['interval_count']} {every['interval']}")


def _portal(client: stripe.StripeClient, setup: Setup) -> Iterator[Finding]:
    with _asking("the portal"):
        asked = {"active": True, "limit": PAGE, "expand": ["data.features.subscription_update.products"]}
        listed = client.v1.billing_portal.configurations.list(t.cast("t.Any", asked))
        found = [one.to_dict() for one in listed.auto_paging_iter()]
    where = "Settings, Billing, Customer portal"
    default = next((one for one in found if one.get("is_default")), None)
    if default is None:
        yield Finding("portal", "stripe", "wrong", "it is not set up", f"Save it once: {where}")
        return
    features: Object = default.get("features") or {}
    wrong = []
    for name, why in (
        ("payment_method_update", "customers cannot give another card, and a failed payment stays one"),
        ("invoice_history", "customers do not see their invoices"),
        ("subscription_cancel", "customers cannot end their subscription themselves"),
    ):
        if not (features.get(name) or {}).get("enabled"):
            wrong.append(Finding("portal", "stripe", "warning", f"{name} is off: {why}", f"Turn it on: {where}"))
    update: Object = features.get("subscription_update") or {}
    sold = {price for one in update.get("products") or () for price in one.get("prices") or ()}
    if update.get("enabled") and (strange := sorted(sold - setup.plans.keys())):
        fix = f"Name them in billing_plans, or take them out: {where}, Subscriptions"
        text = f"customers can change to prices that are no plan of ours: {', '.join(strange)}"
        wrong.append(Finding("portal", "stripe", "wrong", text, fix))
    yield from wrong or [
        Finding("portal", "stripe", "ok", "customers can change their card and end their subscription")
    ]


def _endpoint(client: stripe.StripeClient, setup: Setup) -> Iterator[Finding]:
    with _asking("the endpoints"):
        listed = client.v1.webhook_endpoints.list({"limit": PAGE})
        found = [one.to_dict() for one in listed.auto_paging_iter() if one.url == setup.url]
    where = "Developers, Webhooks"
    if not found:
        page = "docs/operate/billing.md"
        told = f"Add an endpoint with this address, version {API_VERSION} and the events of {page}: {where}"
        yield Finding("endpoint", setup.url, "wrong", "Stripe has no endpoint with this address", told)
        return
    if len(found) > 1:
        text = f"Stripe has {len(found)} endpoints with this address, so each event comes as often"
        yield Finding("endpoint", setup.url, "warning", text, f"Remove all but one: {where}")
    for one in found:
        yield from _one_endpoint(one, setup, where)


def _one_endpoint(one: Object, setup: Setup, where: str) -> Iterator[Finding]:
    problems = []
    if one.get("status") != "enabled":
        problems.append(
            ("wrong", "it is disabled: nothing is sent, and nothing is tried again later", f"Enable it: {where}")
        )
    if one.get("api_version") != API_VERSION:
        text = f"its events have the shape of version {one.get('api_version') or 'of the account'}, not {API_VERSION}"
        problems.append(("warning", text, f"Make it anew with that version; it cannot be changed: {where}"))
    events = set(one.get("enabled_events") or ())
    if missing := sorted(WANTED - events) if "*" not in events else []:
        problems.append(("wrong", f"these events are not sent: {', '.join(missing)}", f"Add them: {where}"))
    if more := sorted(events - WANTED):
        shown = "all there are" if "*" in events else ", ".join(more)
        problems.append(("warning", f"events are sent that nobody needs: {shown}", f"Take them out: {where}"))
    for state, text, fix in problems:
        yield Finding("endpoint", setup.url, t.cast("t.Any", state), text, fix)
    if not problems:
        yield Finding("endpoint", setup.url, "ok", f"it sends the {len(WANTED)} types that are needed, and no other")


def way(url: str, ca_file: str = "") -> Finding:
    """Return whether who posts to `url` comes to the intake; `ca_file` is trusted beside the system's authorities."""
    context = ssl.create_default_context()
    if ca_file:
        context.load_verify_locations(ca_file)
    try:
        answer = http_client.ask(url, method="POST", body=b"{}", seconds=SECONDS, route=Route(tls=context))
    except http_client.HttpError as error:
        fix = "The name is to lead to the server of billing_server, and its ports are to be open; 'silo check' looks"
        return Finding("intake", url, "wrong", f"it does not answer: {error}", fix)
    # It refuses what is not signed; who else would say so.
    if answer.status == 400 and "Stripe-Signature" in answer.text:
        return Finding("intake", url, "ok", "it answers, and refuses what is not signed")
    fix = "billing_enabled is to be true, site.yml writes the route, and controller.yml starts the intake"
    return Finding("intake", url, "wrong", f"it is not the intake that answers ({answer.status})", fix)


def lies(name: str, read: Callable[[], object]) -> Finding:
    """Return whether a credential is where it should be; `read` raises CredentialError where not."""
    try:
        read()
    except CredentialError as error:
        return Finding("keys", name, "wrong", str(error), "docs/operate/billing.md tells where each lies")
    return Finding("keys", name, "ok", "it is there, and for its owner alone")

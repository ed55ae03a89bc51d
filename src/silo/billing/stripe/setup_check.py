"""Checks the set-up for orders: key, prices, portal and endpoint at Stripe, and the route to the webhook server.

It only reads, apart from three writes to objects that do not exist: the error shows whether the key can write.
"""

from __future__ import annotations

import contextlib
import dataclasses
import ssl
import typing as t
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

import stripe
from ansible_collections.swissphoto.silo.plugins.module_utils.common import http_client
from ansible_collections.swissphoto.silo.plugins.module_utils.common.http_client import Route

from silo.billing.checkout import prices
from silo.billing.errors import BillingError
from silo.billing.stripe.client import API_VERSION, failures
from silo.billing.stripe.credentials import CredentialError
from silo.billing.stripe.events import WANTED
from silo.diagnostics import Finding

Object = Mapping[str, t.Any]
# The rights to read that a restricted key needs, as Stripe's dashboard names them, and what needs each.
SERVICE, CHECK = "the service", "this check"
RIGHTS: Mapping[str, str] = {
    "Subscriptions": SERVICE,
    "Invoices": SERVICE,
    "PaymentIntents": SERVICE,
    "Customers": SERVICE,
    "Events": SERVICE,
    "Prices": CHECK,
    "Products": CHECK,
    "Customer portal": CHECK,
    "Webhook Endpoints": CHECK,
}
# No object has this id, so a write to it changes nothing.
NOBODY = "silo_check_of_rights"
SECONDS = 10
PAGE = 100


@dataclasses.dataclass(frozen=True)
class Setup:
    """The desired set-up. `url` is the endpoint, `plans` maps prices to plans, `offers` are the plans in group_vars."""

    url: str
    plans: Mapping[str, str]
    offers: Collection[str]


def check(client: stripe.StripeClient, key: str, setup: Setup) -> list[Finding]:
    """Return the findings about the account; what Stripe does not answer is one, and the others follow."""
    found = list(_kind(key))
    for name, part in (
        ("key", _rights(client)),
        ("prices", _prices(client, setup)),
        ("portal", _portal(client, setup)),
        ("endpoint", _endpoint(client, setup)),
    ):
        with contextlib.suppress(stripe.PermissionError):  # reported by the first part
            found += answered(name, part)
    return found


def answered(name: str, findings: Iterable[Finding]) -> Iterator[Finding]:
    """Yield the findings of the check `name`; if Stripe stops answering, the last one says so."""
    try:
        yield from findings
    except BillingError as error:
        fix = "Nothing else of this check is known; run 'silo billing check' again when Stripe answers"
        yield Finding(name, "stripe", "wrong", str(error), fix)


@contextlib.contextmanager
def _asking(what: str) -> Iterator[None]:
    """Convert errors like `failures`, except those of a missing right or object: they become findings."""
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
    fix = "Create a restricted key (Developers, API keys) and revoke this one; docs/operate/billing.md lists its rights"
    if key.startswith("rk_"):
        yield Finding("key", "stripe", "ok", "it is a restricted key")
    else:
        text = "it has full access to the account, because it is not a restricted key"
        yield Finding("key", "stripe", "warning", text, fix)
    if "_test_" in key[:8]:
        fix = "Use it for tests only; real payments need a key that begins with rk_live_"
        yield Finding("key", "stripe", "warning", "it belongs to Stripe's test mode, in which nobody pays", fix)


def _rights(client: stripe.StripeClient) -> Iterator[Finding]:
    v1, one = client.v1, t.cast("t.Any", {"limit": 1})
    lists: Mapping[str, Callable[[], object]] = {
        "Subscriptions": lambda: v1.subscriptions.list(one),
        "Invoices": lambda: (v1.invoices.list(one), v1.invoice_payments.list(one)),
        "PaymentIntents": lambda: v1.payment_intents.list(one),
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
            yield Finding("key", "stripe", "wrong", f"it cannot read {name}, which {RIGHTS[name]} needs", fix)
    if not missing:
        yield Finding("key", "stripe", "ok", "it can read everything that silo needs")
    writes: Mapping[str, Callable[[], object]] = {
        "Customers": lambda: v1.customers.update(NOBODY, {"description": ""}),
        "Subscriptions": lambda: v1.subscriptions.update(NOBODY, {"description": ""}),
        "Invoices": lambda: v1.invoices.update(NOBODY, {"description": ""}),
    }
    may = [name for name, ask in writes.items() if _may_write(name, ask)]
    if may:
        fix = "Remove these rights: silo never writes to Stripe"
        yield Finding("key", "stripe", "warning", f"it can write {', '.join(may)}", fix)
    else:
        yield Finding("key", "stripe", "ok", f"it cannot write {', '.join(writes)}")


def _may_write(name: str, ask: Callable[[], object]) -> bool:
    try:
        with _asking(name):
            ask()
    except stripe.PermissionError:
        return False
    except stripe.InvalidRequestError:
        return True  # permitted, but there is no such object
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
            "it names no price, so nobody can order",
            "Add the id of each price, with its plan, to billing_plans",
        )
    for price, plan in setup.plans.items():
        yield _price(client, price, plan, setup)
    for price in sorted(on_sale.keys() - setup.plans.keys()):
        yield Finding(
            "prices",
            price,
            "warning",
            "it is on sale at Stripe, but billing_plans does not name it: an order for it needs attention",
            "Name its plan in billing_plans, or archive it at Stripe",
        )


def _price(client: stripe.StripeClient, price: str, plan: str, setup: Setup) -> Finding:
    if plan not in setup.offers:
        plans = ", ".join(sorted(setup.offers)) or "none"
        fix = f"Create group_vars/plan_{plan}.yml, or name an existing plan: {plans}"
        return Finding("prices", price, "wrong", f"billing_plans gives it the plan {plan}, which does not exist", fix)
    try:
        with _asking(f"price {price}"):
            found: Object = client.v1.prices.retrieve(price, {"expand": ["product", "tiers"]}).to_dict()
    except stripe.InvalidRequestError:
        fix = "Copy its id from Product catalog; test mode and live mode have different ids"
        return Finding("prices", price, "wrong", "Stripe does not know this price", fix)
    product = found["product"] if isinstance(found["product"], dict) else {}
    if found.get("type") != "recurring":
        fix = "Create a recurring price, and name it in billing_plans"
        return Finding("prices", price, "wrong", "it is a one-time price, which has no subscription", fix)
    if not found.get("active") or product.get("active") is False:
        fix = "Existing subscriptions continue; for new ones, activate it, or name another price in billing_plans"
        return Finding("prices", price, "warning", "it is archived at Stripe, so new customers cannot buy it", fix)
    if (read := prices.parse(found)) is None:
        fix = "Create a price with an amount, per unit or in tiers, and name it in billing_plans"
        return Finding("prices", price, "wrong", "it has no amount that the checkout could show", fix)
    least = "from " if read.is_least else ""
    money = f"{least}{read.amount:.{prices.decimals(read.currency.lower())}f} {read.currency}"
    return Finding("prices", price, "ok", f"plan {plan}: {money} every {read.count} {read.interval}")


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
        ("payment_method_update", "customers cannot change their card after a failed payment"),
        ("invoice_history", "customers do not see their invoices"),
        ("subscription_cancel", "customers cannot end their subscription themselves"),
    ):
        if not (features.get(name) or {}).get("enabled"):
            wrong.append(Finding("portal", "stripe", "warning", f"{name} is off: {why}", f"Turn it on: {where}"))
    update: Object = features.get("subscription_update") or {}
    sold = {price for one in update.get("products") or () for price in one.get("prices") or ()}
    if update.get("enabled") and (strange := sorted(sold - setup.plans.keys())):
        fix = f"Name them in billing_plans, or remove them from the portal: {where}, Subscriptions"
        text = f"customers can change to prices that billing_plans does not name: {', '.join(strange)}"
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
        fix = f"Add an endpoint with this address, version {API_VERSION} and the events that {page} lists: {where}"
        yield Finding("endpoint", setup.url, "wrong", "Stripe has no endpoint with this address", fix)
        return
    if len(found) > 1:
        text = f"Stripe has {len(found)} endpoints with this address, and sends each event to all of them"
        yield Finding("endpoint", setup.url, "warning", text, f"Remove all but one: {where}")
    for one in found:
        yield from _one_endpoint(one, setup, where)


def _one_endpoint(one: Object, setup: Setup, where: str) -> Iterator[Finding]:
    problems = []
    if one.get("status") != "enabled":
        problems.append(
            ("wrong", "it is disabled: Stripe sends no events, and will not repeat them", f"Enable it: {where}")
        )
    if one.get("api_version") != API_VERSION:
        text = f"its API version is {one.get('api_version') or 'the default of the account'}, not {API_VERSION}"
        fix = f"Add an endpoint with that version and remove this one; its version cannot be changed: {where}"
        problems.append(("warning", text, fix))
    events = set(one.get("enabled_events") or ())
    if missing := sorted(WANTED - events) if "*" not in events else []:
        problems.append(("wrong", f"it does not send these events: {', '.join(missing)}", f"Add them: {where}"))
    if more := sorted(events - WANTED):
        shown = "all types" if "*" in events else ", ".join(more)
        problems.append(("warning", f"it sends events that silo does not need: {shown}", f"Remove them: {where}"))
    for state, text, fix in problems:
        yield Finding("endpoint", setup.url, t.cast("t.Any", state), text, fix)
    if not problems:
        yield Finding("endpoint", setup.url, "ok", f"it sends exactly the {len(WANTED)} types that silo needs")


def check_route(url: str, ca_file: str = "") -> Finding:
    """Check that a POST to `url` reaches the webhook server; `ca_file` is trusted in addition to the system's CAs."""
    context = ssl.create_default_context()
    if ca_file:
        context.load_verify_locations(ca_file)
    try:
        answer = http_client.ask(url, method="POST", body=b"{}", seconds=SECONDS, route=Route(tls=context))
    except http_client.HttpError as error:
        fix = "The name must resolve to the server of billing_server, and its ports must be open; run 'silo check'"
        return Finding("intake", url, "wrong", f"it does not answer: {error}", fix)
    # Only the webhook server answers an unsigned request with this text.
    if answer.status == 400 and "Stripe-Signature" in answer.text:
        return Finding("intake", url, "ok", "it answers, and refuses an unsigned request")
    fix = "Set billing_enabled to true, then run site.yml for the route and controller.yml for the webhook server"
    return Finding("intake", url, "wrong", f"another program than the webhook server answers ({answer.status})", fix)


def check_credential(name: str, read: Callable[[], object]) -> Finding:
    """Check a credential; `read` raises CredentialError if it is missing or wrong."""
    try:
        read()
    except CredentialError as error:
        return Finding("keys", name, "wrong", str(error), "docs/operate/billing.md describes the files of the keys")
    return Finding("keys", name, "ok", "it is valid, and only its owner can read it")

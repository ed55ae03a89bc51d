"""Checks the set-up of the checkout: its key, its prices, and the way to its pages.

It tries both writes of the key with objects that do not exist: the error shows whether the key may write.
"""

from __future__ import annotations

import ssl
import typing as t
from collections.abc import Callable, Iterator, Mapping

import stripe
from ansible_collections.swissphoto.silo.plugins.module_utils.common import http_client
from ansible_collections.swissphoto.silo.plugins.module_utils.common.http_client import Route

from silo.billing.stripe.client import failures
from silo.diagnostics import Finding

# No object has this id, so that nothing is made.
NOBODY = "silo_check_of_rights"
SECONDS = 10
WHERE = "Developers, API keys"


def check_key(client: stripe.StripeClient, key: str) -> Iterator[Finding]:
    """Check the rights of the key of the checkout; raises TryLater if Stripe does not answer."""
    if not key.startswith("rk_"):
        text = "it has full access to the account, because it is not a restricted key"
        fix = f"Create a restricted key ({WHERE}); docs/operate/billing.md lists its rights"
        yield Finding("checkout_key", "stripe", "wrong", text, fix)
    v1, one = client.v1, t.cast("t.Any", {"limit": 1})
    session: t.Any = {"mode": "subscription", "line_items": [{"price": NOBODY, "quantity": 1}]}
    session["success_url"] = "https://swissphoto.invalid/"
    asked: Mapping[str, Callable[[], object]] = {
        "read Prices": lambda: v1.prices.list(t.cast("t.Any", {"limit": 1, "expand": ["data.product"]})),
        "read Subscriptions": lambda: v1.subscriptions.list(one),
        "read Customers": lambda: v1.customers.list(one),
        "read Invoices": lambda: (v1.invoices.list(one), v1.invoice_payments.list(one)),
        "read PaymentIntents": lambda: v1.payment_intents.list(one),
        "write Checkout Sessions": lambda: v1.checkout.sessions.create(session),
        "write Customer portal": lambda: v1.billing_portal.sessions.create(t.cast("t.Any", {"customer": NOBODY})),
    }
    missing = [right for right, ask in asked.items() if not _may(right, ask)]
    for right in missing:
        yield Finding(
            "checkout_key", "stripe", "wrong", f"it lacks the right to {right}", f"Give it the right: {WHERE}, Edit"
        )
    if not missing:
        yield Finding("checkout_key", "stripe", "ok", "it can do all that the checkout needs")
    more = {
        "Customers": lambda: v1.customers.update(NOBODY, {"description": ""}),
        "Subscriptions": lambda: v1.subscriptions.update(NOBODY, {"description": ""}),
        "Invoices": lambda: v1.invoices.update(NOBODY, {"description": ""}),
    }
    if may := [name for name, ask in more.items() if _may(name, ask)]:
        text = f"it can write {', '.join(may)}, and is on a service that faces the internet"
        yield Finding("checkout_key", "stripe", "warning", text, f"Remove these rights: {WHERE}, Edit")


def _may(what: str, ask: Callable[[], object]) -> bool:
    """Return whether Stripe answers, or refuses only because an object does not exist; raises TryLater."""
    try:
        ask()
    except stripe.PermissionError:
        return False
    except stripe.InvalidRequestError:
        return True
    except stripe.StripeError:
        with failures(what):
            raise
    return True


def check_pages(host: str, ca_file: str = "") -> Finding:
    """Check that the plans are shown at a host; `ca_file` is trusted in addition to the system's authorities."""
    context = ssl.create_default_context()
    if ca_file:
        context.load_verify_locations(ca_file)
    url = f"https://{host}/plans"
    try:
        answer = http_client.ask(url, seconds=SECONDS, route=Route(tls=context))
    except http_client.HttpError as error:
        fix = "The name must resolve to the server of billing_server, and its ports must be open; run 'silo check'"
        return Finding("checkout", url, "wrong", f"it does not answer: {error}", fix)
    if answer.status == 200 and 'action="/checkout"' in answer.text:
        return Finding("checkout", url, "ok", "it shows the plans")
    if answer.status == 503:
        fix = "journalctl -u silo-billing-checkout and -u silo-billing-worker say why"
        return Finding("checkout", url, "wrong", "it cannot show the plans now", fix)
    if answer.status == 200:
        fix = "Each price of billing_plans must be recurring and active at Stripe, and its plan must exist"
        return Finding("checkout", url, "wrong", "it has nothing to sell", fix)
    fix = "Set billing_checkout_enabled to true, then run site.yml for the route and controller.yml for the pages"
    return Finding("checkout", url, "wrong", f"another program than the checkout answers ({answer.status})", fix)

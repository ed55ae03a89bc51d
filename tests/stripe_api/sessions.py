"""Checkout sessions and the customer portal of an account, and the pages of Stripe to which they lead.

It takes the parameters that we send, and refuses others as Stripe does. A session lives in real time, whatever the
clock of the account says, as browsers do.
"""

from __future__ import annotations

import html
import re
import time
import typing as t
import urllib.parse
from collections.abc import Mapping

from tests.stripe_api.account import Account, Object

KNOWN = frozenset(
    """cancel_url client_reference_id customer customer_email expires_at line_items locale metadata mode
    subscription_data success_url""".split()
)
LOCALES = ("auto", "de", "en", "fr", "it")
PART = re.compile(r"\[([^\]]*)\]")
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><body><h1>{title}</h1>
{text}<form method="post">{fields}<button>{button}</button></form>{links}</body></html>"""


class RefusedError(Exception):
    """The API refuses a request: with a parameter and, where it names one, a code."""

    def __init__(self, message: str, param: str = "", code: str = "") -> None:
        super().__init__(message)
        self.param, self.code = param, code


def parameters(body: bytes) -> Object:
    """Return the parameters of a form, such as line_items[0][price], as objects and lists."""
    found: Object = {}
    for key, value in urllib.parse.parse_qsl(body.decode(), keep_blank_values=True):
        name, parts = key.partition("[")[0], PART.findall(key)
        place: Object = found
        for part, after in zip([name, *parts], [*parts, None], strict=True):
            if after is None:
                place[part] = value
            else:
                place = place.setdefault(part, {})
    return t.cast("Object", _listed(found))


def _listed(value: t.Any) -> t.Any:
    """Turn objects whose keys are numbers into lists."""
    if not isinstance(value, dict):
        return value
    inner = {key: _listed(one) for key, one in value.items()}
    if inner and all(key.isdecimal() for key in inner):
        return [inner[key] for key in sorted(inner, key=int)]
    return inner


class Sessions:
    """The sessions of one account; `pages` is the address of Stripe's pages."""

    def __init__(self, account: Account, pages: str) -> None:
        self.account, self.pages = account, pages
        self.checkouts: dict[str, Object] = {}
        self.portals: dict[str, Object] = {}
        self._subscription_data: dict[str, Mapping[str, str]] = {}

    def create(self, asked: Object) -> Object:
        """Make a checkout session."""
        if unknown := sorted(asked.keys() - KNOWN):
            raise RefusedError(f"Received unknown parameter: {unknown[0]}", unknown[0], "parameter_unknown")
        if asked.get("mode") != "subscription":
            raise RefusedError("the stand-in has subscriptions only", "mode")
        if not asked.get("success_url"):
            raise RefusedError("Missing required param: success_url.", "success_url", "parameter_missing")
        if asked.get("customer") and asked.get("customer_email"):
            raise RefusedError("You may only specify one of these parameters: customer, customer_email.")
        if asked.get("locale", "auto") not in LOCALES:
            raise RefusedError("Invalid locale", "locale")
        price, quantity = self._line_item(asked)
        if (customer := asked.get("customer")) and customer not in self.account.customers:
            raise RefusedError(f"No such customer: '{customer}'", "customer", "resource_missing")
        expires = int(asked.get("expires_at") or time.time() + 86400)
        if not 1790 <= expires - time.time() <= 86410:
            raise RefusedError("The `expires_at` timestamp must be 30 minutes to 24 hours from creation.", "expires_at")
        session = self.account._new("cs_test", "checkout.session")
        amount = None if price["unit_amount"] is None else price["unit_amount"] * quantity
        session |= {
            "amount_total": amount,
            "cancel_url": asked.get("cancel_url"),
            "client_reference_id": asked.get("client_reference_id"),
            "currency": price["currency"],
            "customer": customer,
            "customer_details": None,
            "customer_email": asked.get("customer_email"),
            "expires_at": expires,
            "locale": asked.get("locale"),
            "metadata": asked.get("metadata") or {},
            "mode": "subscription",
            "payment_status": "unpaid",
            "status": "open",
            "subscription": None,
            "success_url": asked["success_url"],
            "ui_mode": "hosted_page",
            "url": f"{self.pages}/c/pay/{session['id']}",
        }
        session["line_items"] = [(price["id"], quantity)]
        self.checkouts[session["id"]] = session
        self._subscription_data[session["id"]] = (asked.get("subscription_data") or {}).get("metadata") or {}
        return session

    def _line_item(self, asked: Object) -> tuple[Object, int]:
        items = asked.get("line_items") or []
        if len(items) != 1:
            raise RefusedError("the stand-in sells one price at a time", "line_items")
        item = items[0]
        price = self.account.prices.get(item.get("price", ""))
        if price is None:
            raise RefusedError(f"No such price: '{item.get('price')}'", "line_items[0][price]", "resource_missing")
        if not price["active"]:
            raise RefusedError("The price specified is inactive. This field only accepts active prices.")
        if price["recurring"]["usage_type"] == "metered":
            if "quantity" in item:
                raise RefusedError("Quantity should not be specified where usage_type is `metered`.", "line_items")
            return price, 1
        if "quantity" not in item:
            raise RefusedError("Quantity is required.", "line_items[0][quantity]", "parameter_missing")
        return price, int(item["quantity"])

    def find(self, name: str) -> Object | None:
        """Return a checkout session as the API shows it: one that is not open any more has no page."""
        session = self.checkouts.get(name)
        if session is None:
            return None
        if session["status"] == "open" and session["expires_at"] <= time.time():
            session |= {"status": "expired", "url": None}
        return {key: value for key, value in session.items() if key != "line_items"}

    def pay(self, name: str, email: str = "", delayed: bool = False) -> Object:
        """The customer fills in the page and pays; `delayed` is by a bank, which takes days."""
        with self.account.lock:
            session = self.checkouts[name]
            assert session["status"] == "open", session["status"]
            customer = session["customer"]
            if not customer:
                customer = self.account.register(email or session["customer_email"])
            price, _quantity = session["line_items"][0]
            subscription = self.account.subscribe(customer, price, dict(self._subscription_data[name]))
            session |= {
                "customer": customer,
                "customer_details": {"email": self.account.customers[customer]["email"]},
                "payment_status": "unpaid" if delayed else "paid",
                "status": "complete",
                "subscription": subscription,
                "url": None,
            }
            shown = self.find(name)
            assert shown
            self.account._happens("checkout.session.completed", shown)
            return session

    def open_portal(self, asked: Object) -> Object:
        """Make a session of the customer portal."""
        customer = asked.get("customer")
        if customer not in self.account.customers:
            raise RefusedError(f"No such customer: '{customer}'", "customer", "resource_missing")
        if not any(portal.get("is_default") for portal in self.account.portals.values()):
            raise RefusedError("You can't create a portal session in test mode until you save your settings.")
        session = self.account._new("bps", "billing_portal.session", customer=customer)
        session |= {"return_url": asked.get("return_url"), "locale": asked.get("locale")}
        session["url"] = f"{self.pages}/p/session/{session['id']}"
        self.portals[session["id"]] = session
        return session

    def page(self, path: str) -> str | None:
        """Return a page of Stripe: c/pay/<session>, i/<invoice> or p/session/<session>."""
        kind, _slash, name = path.rpartition("/")
        if kind == "c/pay" and (session := self.checkouts.get(name)) and session["status"] == "open":
            known = session["customer"] and self.account.customers[session["customer"]]["email"]
            email = known or session["customer_email"] or ""
            readonly = " readonly" if email else ""
            field = f'<input name="email" type="email" value="{html.escape(email)}"{readonly}>'
            links = f'<a id="back" href="{html.escape(session["cancel_url"] or "")}">back</a>'
            return PAGE.format(title="Pay", text="", fields=field, button="Subscribe", links=links)
        if kind == "i" and (invoice := self.account.invoices.get(name)):
            text = f"<p>{invoice['status']}</p>"
            return PAGE.format(title="Invoice", text=text, fields="", button="Pay invoice", links="")
        if kind == "p/session" and (portal := self.portals.get(name)):
            links = f'<a id="back" href="{html.escape(portal["return_url"] or "")}">back</a>'
            return PAGE.format(title="Portal", text="", fields="", button="Cancel subscription", links=links)
        return None

    def send(self, path: str, fields: Mapping[str, str]) -> str | None:
        """The customer presses the button of a page; return where it leads, None for the page itself."""
        kind, _slash, name = path.rpartition("/")
        if kind == "c/pay" and name in self.checkouts:
            session = self.pay(name, fields.get("email", ""))
            return str(session["success_url"]).replace("{CHECKOUT_SESSION_ID}", name)
        if kind == "i" and name in self.account.invoices:
            self.account.pay_invoice(name)
        if kind == "p/session" and name in self.portals:
            customer = self.portals[name]["customer"]
            for one in [*self.account.subscriptions.values()]:
                if one["customer"] == customer and one["status"] != "canceled":
                    self.account.cancel(one["id"])
            return str(self.portals[name]["return_url"] or "") or None
        return None

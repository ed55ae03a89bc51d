"""What the checkout does at Stripe: reads prices, and makes the sessions that lead to Stripe's pages."""

from __future__ import annotations

import dataclasses
import re
import threading
import time
import typing as t
from collections.abc import Callable, Mapping
from concurrent import futures

import stripe
from ansible_collections.swissphoto.silo.plugins.module_utils.common.names import is_tenant

from silo.billing.checkout import prices
from silo.billing.checkout.links import Order, Payment
from silo.billing.checkout.prices import Price
from silo.billing.errors import NeedsAttention, TryLater
from silo.billing.model import ENDED
from silo.billing.stripe.client import PAGE, BoundedClient, Client, connect, every, failures

# A customer waits for the answer, so Stripe has less time than for the worker.
SECONDS, RETRIES = 8, 1
# The most objects of one list, and the seconds for all of its pages.
MOST, LIST_SECONDS = 2000, 20.0
# For so long the prices are not read again; after a failure, Stripe is left alone for a moment.
FRESH_SECONDS, FAILED_SECONDS = 300.0, 5.0
# Stripe allows from 30 minutes to 24 hours. Meanwhile, somebody else can order the same name.
SESSION_SECONDS = 3600
SESSION = re.compile(r"cs_[A-Za-z0-9_]{1,250}")
# In the metadata of a session: the order is one of a customer whom Stripe knew before.
RETURNS = "returns"

SessionState = t.Literal["paid", "free", "pending", "open", "expired"]


@dataclasses.dataclass(frozen=True)
class Ordered:
    """What became of a checkout session for a tenant: `pending` is a payment that is under way, such as by a bank.

    `free` is an order of which nothing is to be paid now, as with a trial or a coupon.
    `returns` is whether Stripe knew the customer before.
    """

    tenant: str
    state: SessionState
    returns: bool = False


@dataclasses.dataclass(frozen=True)
class Debt:
    """What a subscription owes: the page of its oldest unpaid invoice, or empty. `customer` is whose it is."""

    customer: str
    has_ended: bool
    page: str


class Account:
    """One account, with a key that makes sessions. Each method raises TryLater or NeedsAttention, as `failures`."""

    def __init__(
        self,
        key: str,
        *,
        api: str = "",
        http: stripe.HTTPClient | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Use a restricted key; `api` and `http` are those of `connect`, `clock` gives seconds since 1970."""
        self._client = connect(key, api, http or BoundedClient(SECONDS), RETRIES)
        self._subscriptions = Client(key, api=api, http=http or BoundedClient(SECONDS))
        self._clock = clock
        self._lock = threading.Lock()
        self._reading: futures.Future[None] | None = None
        self._prices: Mapping[str, Price] = {}
        self._until, self._problem = 0.0, ""

    def prices(self) -> Mapping[str, Price]:
        """Return the recurring prices that are on sale, by id; read anew after FRESH_SECONDS."""
        own: futures.Future[None] = futures.Future()
        with self._lock:
            reading = None if self._clock() < self._until else self._reading or own
            self._reading = reading
        # The lock is not held while Stripe is asked, page after page.
        if reading is own:
            try:
                self._read_prices()
            finally:
                self._reading = None
                own.set_result(None)
        elif reading is not None:
            # Who comes meanwhile waits for the same answer.
            try:
                reading.result(LIST_SECONDS + 2 * SECONDS)
            except TimeoutError:
                raise TryLater("Stripe did not return prices in time") from None
        if self._problem or self._clock() >= self._until:
            raise TryLater(self._problem or "Stripe did not return prices")
        return self._prices

    def fresh_prices(self) -> Mapping[str, Price] | None:
        """Return the prices that were read a short time ago, without asking Stripe or waiting; None for none."""
        return self._prices if self._clock() < self._until and not self._problem else None

    def _read_prices(self) -> None:
        asked = {"active": True, "type": "recurring", "limit": PAGE, "expand": ["data.product", "data.tiers"]}
        try:
            with failures("prices"):
                listed = self._client.v1.prices.list(t.cast("t.Any", asked))
                listed_all = every(listed, "prices", most=MOST, seconds=LIST_SECONDS)
                found = [prices.parse(one) for one in listed_all]
        except (TryLater, NeedsAttention) as error:
            self._problem, self._until = str(error), self._clock() + FAILED_SECONDS
        else:
            self._prices = {one.id: one for one in found if one}
            self._problem, self._until = "", self._clock() + FRESH_SECONDS

    def order(self, order: Order, price: Price, plan: str, *, success_url: str, cancel_url: str) -> tuple[str, str]:
        """Make a checkout session for an order with a language; return its id and its page."""
        metadata = {"tenant": order.tenant, "plan": plan, "language": order.language}
        item: dict[str, t.Any] = {"price": price.id} | ({} if price.is_metered else {"quantity": 1})
        asked: dict[str, t.Any] = {
            "mode": "subscription",
            "line_items": [item],
            "client_reference_id": order.tenant,
            "locale": order.language,
            "metadata": metadata | ({RETURNS: "yes"} if order.customer else {}),
            # Stripe does not copy the metadata of a session.
            "subscription_data": {"metadata": metadata},
            "success_url": success_url,
            "cancel_url": cancel_url,
            "expires_at": int(self._clock()) + SESSION_SECONDS,
        }
        if order.customer:
            asked["customer"] = order.customer
        elif order.email:
            asked["customer_email"] = order.email
        with failures("a page to pay"):
            made = self._client.v1.checkout.sessions.create(t.cast("t.Any", asked))
        return str(made.id), str(made.url or "")

    def ordered(self, session: str) -> Ordered:
        """Return what became of a checkout session (cs_...)."""
        with failures(f"session {session}"):
            found = self._client.v1.checkout.sessions.retrieve(session).to_dict()
        metadata = found.get("metadata") or {}
        tenant, returns = str(metadata.get("tenant") or ""), RETURNS in metadata
        if found.get("mode") != "subscription" or not is_tenant(tenant):
            raise NeedsAttention(f"session {session} is no order of a photo cloud")
        if found.get("status") == "complete":
            return Ordered(tenant, _complete(found), returns)
        return Ordered(tenant, "expired" if found.get("status") == "expired" else "open")

    def has_ordered(self, order: Order) -> bool:
        """Return whether the customer of an order already has a subscription for this tenant that has not ended."""
        asked = {"customer": order.customer, "limit": PAGE}
        with failures(f"subscriptions of {order.customer}"):
            listed = self._client.v1.subscriptions.list(t.cast("t.Any", asked))
            return any(
                one["status"] not in ENDED and str((one.get("metadata") or {}).get("tenant")).lower() == order.tenant
                for one in every(listed, "subscriptions", most=MOST, seconds=LIST_SECONDS)
            )

    def debt(self, payment: Payment) -> Debt:
        """Return what the subscription of a link owes."""
        subscription = self._subscriptions.subscription(payment.subscription)
        unpaid = [
            (one.created, one.link)
            for one in self._subscriptions.invoices(payment.subscription)
            # What is on its way already must not be paid twice.
            if one.is_owed and not one.is_under_way and one.link
        ]
        page = min(unpaid)[1] if unpaid else ""
        return Debt(subscription.customer, subscription.status in ENDED, page)

    def portal(self, customer: str, return_url: str, language: str) -> str:
        """Make a session of the customer portal; return its page, which is valid for a few minutes."""
        asked = {"customer": customer, "return_url": return_url, "locale": language}
        with failures("the customer portal"):
            made = self._client.v1.billing_portal.sessions.create(t.cast("t.Any", asked))
        return str(made.url)


def _complete(session: Mapping[str, t.Any]) -> SessionState:
    """Return what a session is that was completed."""
    if session.get("payment_status") == "no_payment_required" or session.get("amount_total") == 0:
        return "free"
    return "pending" if session.get("payment_status") == "unpaid" else "paid"

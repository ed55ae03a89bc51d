"""An account at Stripe: customers, subscriptions and invoices, as time goes by. Objects are as the API gives them."""

from __future__ import annotations

import calendar
import copy
import datetime
import itertools
import threading
import typing as t

Object = dict[str, t.Any]
DAY = 86400
# After a payment that failed it is tried again after so many days, as Smart Retries do by default within two weeks.
RETRIES = (3, 8, 14)
API_VERSION = "2026-10-28.endive"
BEGIN = int(datetime.datetime(2026, 1, 1, 9, tzinfo=datetime.UTC).timestamp())


class Account:
    """All of it in memory; `now` is its clock, in seconds since 1970, and `first` the number of the first id.

    `after_retries` is what Stripe does with a subscription whose last retry failed, as the dashboard has it set:
    "unpaid", "past_due" or "canceled".
    """

    def __init__(self, now: int = BEGIN, after_retries: str = "unpaid", first: int = 1) -> None:
        self.now, self.after_retries = now, after_retries
        self.customers: dict[str, Object] = {}
        self.subscriptions: dict[str, Object] = {}
        self.invoices: dict[str, Object] = {}
        self.prices: dict[str, Object] = {}
        self.products: dict[str, Object] = {}
        self.portals: dict[str, Object] = {}
        self.endpoints: dict[str, Object] = {}
        self.events: list[Object] = []
        self.broken_cards: set[str] = set()
        # The address of Stripe's pages of invoices.
        self.invoice_pages = "https://invoice.stripe.example"
        self.lock = threading.RLock()
        self._numbers = itertools.count(first)
        self._tries: dict[str, list[int]] = {}
        self._bills: dict[str, list[Object]] = {}

    @property
    def time(self) -> datetime.datetime:
        return datetime.datetime.fromtimestamp(self.now, datetime.UTC)

    def sell(self, price: str, name: str, **changes: t.Any) -> str:
        """Make a product with a monthly price of this id; `changes` are other values of the price."""
        product = self._new("prod", "product", name=name, active=True, default_price=price)
        self.products[product["id"]] = product
        self.prices[price] = {
            "id": price,
            "object": "price",
            "active": True,
            "billing_scheme": "per_unit",
            "currency": "chf",
            "livemode": False,
            "product": product["id"],
            "recurring": {"interval": "month", "interval_count": 1, "usage_type": "licensed"},
            "tax_behavior": "inclusive",
            "tiers_mode": None,
            "type": "recurring",
            "unit_amount": 1000,
            **changes,
        }
        return price

    def order(self, tenant: str, email: str, price: str, language: str = "de", **metadata: str) -> str:
        """A customer goes through the checkout, and pays; return the subscription."""
        with self.lock:
            customer = self._new("cus", "customer", email=email, name=tenant.title(), metadata={})
            self.customers[customer["id"]] = customer
            wished = {"tenant": tenant, "language": language, **metadata}
            name = self.subscribe(customer["id"], price, wished)
            session = self._new(
                "cs_test",
                "checkout.session",
                mode="subscription",
                payment_status="paid",
                status="complete",
                customer=customer["id"],
                customer_details={"email": email},
                subscription=name,
            )
            self._happens("checkout.session.completed", session)
            return name

    def subscribe(self, customer: str, price: str, metadata: dict[str, str]) -> str:
        """Make a subscription whose first invoice is paid."""
        with self.lock:
            subscription = self._new(
                "sub",
                "subscription",
                cancel_at=None,
                cancel_at_period_end=False,
                canceled_at=None,
                collection_method="charge_automatically",
                customer=customer,
                ended_at=None,
                items={"object": "list", "data": [], "has_more": False, "url": "/v1/subscription_items"},
                latest_invoice=None,
                metadata=dict(metadata),
                status="active",
                trial_end=None,
            )
            item = self._new("si", "subscription_item", subscription=subscription["id"])
            item |= {"price": self.prices[price], "quantity": 1}
            item |= {"current_period_start": self.now, "current_period_end": _month_after(self.now, self.now)}
            subscription["items"]["data"] = [item]
            self.subscriptions[subscription["id"]] = subscription
            self._happens("customer.subscription.created", subscription)
            self._try(self._bill(subscription, "subscription_create"))
            return t.cast("str", subscription["id"])

    def break_card(self, subscription: str) -> None:
        """The card of a subscription's customer fails from now on."""
        self.broken_cards.add(self.subscriptions[subscription]["customer"])

    def mend_card(self, subscription: str) -> None:
        """The customer gives a card that works; what is unpaid is tried again when its time comes, not at once."""
        self.broken_cards.discard(self.subscriptions[subscription]["customer"])

    def pay(self, subscription: str) -> None:
        """The customer opens the page of each unpaid invoice and pays."""
        with self.lock:
            for invoice in self.of(subscription):
                if invoice["status"] in ("open", "uncollectible"):
                    self._paid(invoice)

    def pay_invoice(self, invoice: str) -> None:
        """The customer opens the page of one invoice and pays."""
        with self.lock:
            if self.invoices[invoice]["status"] in ("open", "uncollectible"):
                self._paid(self.invoices[invoice])

    def cancel(self, subscription: str, at_period_end: bool = False) -> None:
        """The customer ends the subscription in the portal."""
        with self.lock:
            found = self.subscriptions[subscription]
            if at_period_end:
                found |= {"cancel_at_period_end": True, "cancel_at": found["items"]["data"][0]["current_period_end"]}
                self._happens("customer.subscription.updated", found)
            else:
                self._end(found)

    def change(self, subscription: str, price: str) -> None:
        """The customer takes another plan in the portal."""
        with self.lock:
            found = self.subscriptions[subscription]
            found["items"]["data"][0]["price"] = self.prices[price]
            self._happens("customer.subscription.updated", found)

    def pause(self, subscription: str) -> None:
        """A trial is over, and there is no card."""
        with self.lock:
            self.subscriptions[subscription]["status"] = "paused"
            self._happens("customer.subscription.paused", self.subscriptions[subscription])

    def dispute(self, subscription: str) -> None:
        """The customer has their bank take a payment back."""
        with self.lock:
            charge = self._new("ch", "charge", customer=self.subscriptions[subscription]["customer"])
            dispute = self._new("dp", "dispute", charge=charge["id"], amount=1000, currency="chf", reason="general")
            self._happens("charge.dispute.created", dispute)

    def refund(self, subscription: str) -> None:
        """The operator gives a payment back."""
        with self.lock:
            customer = self.subscriptions[subscription]["customer"]
            charge = self._new("ch", "charge", customer=customer, amount_refunded=1000, currency="chf", refunded=True)
            self._happens("charge.refunded", charge)

    def move(self, subscription: str, email: str | None) -> None:
        """The customer of a subscription changes the address in the portal."""
        self._update(subscription, email=email)

    def rename(self, subscription: str, name: str) -> None:
        """The customer of a subscription changes the name in the portal."""
        self._update(subscription, name=name)

    def _update(self, subscription: str, **values: t.Any) -> None:
        with self.lock:
            customer = self.customers[self.subscriptions[subscription]["customer"]]
            before = {key: customer[key] for key in values}
            customer |= values
            self._happens("customer.updated", customer, before)

    def of(self, subscription: str) -> list[Object]:
        """Return the invoices of a subscription, the oldest first."""
        return list(self._bills.get(subscription, ()))

    def advance(self, days: float) -> None:
        """Let time go by: renewals, retries and ends happen when they should."""
        with self.lock:
            until = self.now + round(days * DAY)
            while (moment := min(self._moments(), default=until + 1)) <= until:
                self.now = max(self.now, moment)
                self._happen_now()
            self.now = until

    def _moments(self) -> t.Iterator[int]:
        for one in self.subscriptions.values():
            if one["status"] in ("active", "past_due", "unpaid"):
                yield one["items"]["data"][0]["current_period_end"]
        for invoice, times in self._tries.items():
            if times and self.invoices[invoice]["status"] == "open":
                yield times[0]

    def _happen_now(self) -> None:
        for name, times in list(self._tries.items()):
            if times and times[0] <= self.now and self.invoices[name]["status"] == "open":
                times.pop(0)
                self._try(self.invoices[name])
        for one in list(self.subscriptions.values()):
            item = one["items"]["data"][0]
            if one["status"] not in ("active", "past_due", "unpaid") or item["current_period_end"] > self.now:
                continue
            if one["cancel_at_period_end"]:
                self._end(one)
                continue
            begun = item["current_period_end"]
            item |= {"current_period_start": begun, "current_period_end": _month_after(begun, one["created"])}
            # Who is unpaid gets drafts, which nobody tries to collect.
            if one["status"] == "unpaid":
                self._bill(one, "subscription_cycle", draft=True)
            else:
                self._try(self._bill(one, "subscription_cycle"))

    def _bill(self, subscription: Object, reason: str, draft: bool = False) -> Object:
        name = self._name("in")
        invoice = {
            "id": name,
            "object": "invoice",
            "attempt_count": 0,
            "attempted": False,
            "billing_reason": reason,
            "collection_method": "charge_automatically",
            "created": self.now,
            "customer": subscription["customer"],
            "due_date": None,
            "hosted_invoice_url": None if draft else f"{self.invoice_pages}/i/{name}",
            "livemode": False,
            "metadata": {},
            "next_payment_attempt": None,
            "parent": {
                "type": "subscription_details",
                "quote_details": None,
                "subscription_details": {
                    "metadata": dict(subscription["metadata"]),
                    "subscription": subscription["id"],
                },
            },
            "status": "draft" if draft else "open",
            "status_transitions": {"finalized_at": None if draft else self.now, "paid_at": None},
        }
        self.invoices[name] = invoice
        self._bills.setdefault(subscription["id"], []).append(invoice)
        subscription["latest_invoice"] = name
        self._tries[name] = []
        return invoice

    def _try(self, invoice: Object) -> None:
        first = not invoice["attempted"]
        invoice |= {"attempted": True, "attempt_count": invoice["attempt_count"] + 1}
        if invoice["customer"] not in self.broken_cards:
            self._paid(invoice)
            return
        times = self._tries[invoice["id"]]
        if first:
            times += [invoice["created"] + days * DAY for days in RETRIES]
        invoice["next_payment_attempt"] = times[0] if times else None
        self._happens("invoice.payment_failed", invoice)
        subscription = self.subscriptions[_parent(invoice)]
        if not times and self.after_retries == "canceled":
            self._end(subscription)
        elif subscription["status"] not in ("canceled", "unpaid"):
            self._becomes(subscription, "past_due" if times or self.after_retries == "past_due" else "unpaid")

    def _paid(self, invoice: Object) -> None:
        invoice |= {"status": "paid", "next_payment_attempt": None, "attempted": True}
        invoice["status_transitions"]["paid_at"] = self.now
        self._tries[invoice["id"]] = []
        self._happens("invoice.paid", invoice)
        subscription = self.subscriptions[_parent(invoice)]
        latest = subscription["latest_invoice"] == invoice["id"]
        open_ones = any(one["status"] == "open" for one in self.of(subscription["id"]))
        # Stripe looks at the latest invoice alone; of who is unpaid that is a draft, so at those before it.
        if subscription["status"] in ("past_due", "unpaid") and (latest or not open_ones):
            self._becomes(subscription, "active")

    def _becomes(self, subscription: Object, status: str) -> None:
        if subscription["status"] != status:
            subscription["status"] = status
            self._happens("customer.subscription.updated", subscription)

    def _end(self, subscription: Object) -> None:
        subscription |= {"status": "canceled", "canceled_at": self.now, "ended_at": self.now}
        self._happens("customer.subscription.deleted", subscription)

    def _happens(self, kind: str, about: Object, before: Object | None = None) -> None:
        event = self._new("evt", "event", api_version=API_VERSION, type=kind, pending_webhooks=1)
        event["data"] = {"object": copy.deepcopy(about)} | ({"previous_attributes": before} if before else {})
        self.events.append(event)

    def _name(self, prefix: str) -> str:
        return f"{prefix}_{next(self._numbers):08d}"

    def _new(self, prefix: str, kind: str, **values: t.Any) -> Object:
        return {"id": self._name(prefix), "object": kind, "created": self.now, "livemode": False, **values}


def _parent(invoice: Object) -> str:
    return t.cast("str", invoice["parent"]["subscription_details"]["subscription"])


def _month_after(moment: int, anchor: int) -> int:
    """Return the same day of the next month as the anchor's, or its last one."""
    found = datetime.datetime.fromtimestamp(moment, datetime.UTC)
    year, month = (found.year, found.month + 1) if found.month < 12 else (found.year + 1, 1)
    day = min(datetime.datetime.fromtimestamp(anchor, datetime.UTC).day, calendar.monthrange(year, month)[1])
    return int(found.replace(year=year, month=month, day=day).timestamp())

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
# A direct debit is on its way for so many days.
SLOW_DAYS = 5
API_VERSION = "2026-10-28.endive"
# The states in which a subscription goes on from period to period.
RUNS = ("active", "trialing", "past_due", "unpaid")
BEGIN = int(datetime.datetime(2026, 1, 1, 9, tzinfo=datetime.UTC).timestamp())


class Account:
    """All of it in memory; `now` is its clock, in seconds since 1970, and `first` the number of the first id.

    `after_retries` is what Stripe does with a subscription whose last retry failed, as the dashboard has it set:
    "unpaid", "past_due" or "canceled". `broken_cards`, `slow` and `asking` are the customers whose payments fail, take
    days, or must be confirmed at the bank.
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
        self.payments: dict[str, Object] = {}
        self.intents: dict[str, Object] = {}
        self.clocks: dict[str, Object] = {}
        self.broken_cards: set[str] = set()
        # The address of Stripe's pages of invoices.
        self.invoice_pages = "https://invoice.stripe.example"
        self.slow: set[str] = set()
        self.asking: set[str] = set()
        self._arrivals: dict[str, int] = {}
        self.lock = threading.RLock()
        self._numbers = itertools.count(first)
        self._tries: dict[str, list[int]] = {}
        self._bills: dict[str, list[Object]] = {}
        self._of_invoice: dict[str, Object] = {}

    @property
    def time(self) -> datetime.datetime:
        return datetime.datetime.fromtimestamp(self.now, datetime.UTC)

    def sell(self, price: str, name: str, amount: int = 1000, **changes: t.Any) -> str:
        """Make a product with a monthly price of this id, in hundredths of a franc; `changes` are its other values."""
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
            "unit_amount": amount,
            **changes,
        }
        return price

    def register(self, email: str, name: str = "", **more: t.Any) -> str:
        """Somebody becomes a customer; return who."""
        with self.lock:
            customer = self._new("cus", "customer", email=email, name=name, metadata={}, test_clock=None) | more
            self.customers[customer["id"]] = customer
            return t.cast("str", customer["id"])

    def order(
        self, tenant: str, email: str, price: str, language: str = "de", slowly: bool = False, **metadata: str
    ) -> str:
        """A customer goes through the checkout, and pays, at once or by direct debit; return the subscription."""
        with self.lock:
            customer = self.customers[self.register(email, tenant.title())]
            if slowly:
                self.slow.add(customer["id"])
            wished = {"tenant": tenant, "language": language, **metadata}
            name = self.subscribe(customer["id"], price, wished)
            session = self._new(
                "cs_test",
                "checkout.session",
                mode="subscription",
                payment_status="unpaid" if slowly else "paid",
                status="complete",
                customer=customer["id"],
                customer_details={"email": email},
                subscription=name,
            )
            self._happens("checkout.session.completed", session)
            return name

    def subscribe(
        self,
        customer: str,
        price: str,
        metadata: dict[str, str],
        *,
        quantity: int = 1,
        trial_days: int = 0,
        days_until_due: int = 0,
    ) -> str:
        """Make a subscription, and try to collect its first invoice; with `days_until_due` that is sent by mail."""
        with self.lock:
            trial_ends = self.now + trial_days * DAY if trial_days else None
            subscription = self._new(
                "sub",
                "subscription",
                cancel_at=None,
                cancel_at_period_end=False,
                canceled_at=None,
                cancellation_details={"comment": None, "feedback": None, "reason": None},
                collection_method="send_invoice" if days_until_due else "charge_automatically",
                customer=customer,
                days_until_due=days_until_due or None,
                ended_at=None,
                items={"object": "list", "data": [], "has_more": False, "url": "/v1/subscription_items"},
                latest_invoice=None,
                metadata=dict(metadata),
                pause_collection=None,
                status="trialing" if trial_days else "active",
                test_clock=self.customers[customer]["test_clock"],
                trial_end=trial_ends,
            )
            item = self._new("si", "subscription_item", subscription=subscription["id"])
            item |= {"price": self.prices[price], "quantity": quantity}
            ends = trial_ends or _month_after(self.now, self.now)
            item |= {"current_period_start": self.now, "current_period_end": ends}
            subscription["items"]["data"] = [item]
            self.subscriptions[subscription["id"]] = subscription
            self._happens("customer.subscription.created", subscription)
            self._collect(self._bill(subscription, "subscription_create", amount=0 if trial_days else None))
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

    def pay_slowly(self, subscription: str) -> None:
        """The customer opens the page of each unpaid invoice and pays by direct debit, which takes days."""
        with self.lock:
            for invoice in self.of(subscription):
                if invoice["status"] in ("open", "uncollectible"):
                    self._goes(invoice)

    def void(self, subscription: str) -> None:
        """The operator forgives what is open."""
        self._close(subscription, "void")

    def write_off(self, subscription: str) -> None:
        """The operator gives up what is open."""
        self._close(subscription, "uncollectible")

    def _close(self, subscription: str, status: str) -> None:
        with self.lock:
            for invoice in self.of(subscription):
                if invoice["status"] == "open":
                    invoice |= {"status": status, "next_payment_attempt": None}
                    self._tries[invoice["id"]] = []
            found = self.subscriptions[subscription]
            if found["status"] in ("past_due", "unpaid"):
                self._becomes(found, "active")

    def pause_collection(self, subscription: str, behavior: str | None) -> None:
        """The operator gives it for free, or collects again with None."""
        with self.lock:
            found = self.subscriptions[subscription]
            found["pause_collection"] = {"behavior": behavior, "resumes_at": None} if behavior else None
            self._happens("customer.subscription.updated", found)

    def cancel(self, subscription: str, at_period_end: bool = False, cause: str = "cancellation_requested") -> None:
        """The customer ends the subscription in the portal, or Stripe does for another cause."""
        with self.lock:
            found = self.subscriptions[subscription]
            found["cancellation_details"] = {"comment": None, "feedback": None, "reason": cause}
            if at_period_end:
                found |= {"cancel_at_period_end": True, "cancel_at": found["items"]["data"][0]["current_period_end"]}
                self._happens("customer.subscription.updated", found)
            else:
                self._end(found)

    def change(self, subscription: str, price: str, at_once: bool = False) -> None:
        """The customer takes another plan in the portal; what it costs more is asked for `at_once`, or next month."""
        with self.lock:
            found = self.subscriptions[subscription]
            found["items"]["data"][0]["price"] = self.prices[price]
            self._happens("customer.subscription.updated", found)
            if at_once:
                self._collect(self._bill(found, "subscription_update", amount=500))

    def pause(self, subscription: str, cause: str = "trial_end_without_payment_method") -> None:
        """A trial is over, and there is no card."""
        with self.lock:
            about = {"subscription": {"type": cause}, "transitioned_at": self.now, "type": "subscription"}
            self.subscriptions[subscription] |= {"status": "paused", "status_details": {"paused": about}}
            self._happens("customer.subscription.paused", self.subscriptions[subscription])

    def resume(self, subscription: str) -> None:
        """A paused subscription goes on: a new period begins, and is asked for."""
        with self.lock:
            found = self.subscriptions[subscription]
            found.pop("status_details", None)
            ends = _month_after(self.now, self.now)
            found["items"]["data"][0] |= {"current_period_start": self.now, "current_period_end": ends}
            found["status"] = "active"
            self._happens("customer.subscription.resumed", found)
            self._collect(self._bill(found, "subscription_cycle"))

    def take(self, subscription: str, quantity: int) -> None:
        """The customer takes so many of the plan in the portal."""
        with self.lock:
            found = self.subscriptions[subscription]
            found["items"]["data"][0]["quantity"] = quantity
            self._happens("customer.subscription.updated", found)

    def is_under_way(self, invoice: Object) -> bool:
        """Return whether a direct debit for an invoice is on its way."""
        payment = self._of_invoice.get(invoice["id"])
        intent = self.intents[payment["payment"]["payment_intent"]] if payment else {}
        return invoice["status"] == "open" and intent.get("status") == "processing"

    def dispute(self, subscription: str) -> None:
        """The customer has their bank take a payment back."""
        with self.lock:
            intent, charge = self._last_payment(subscription), self._name("ch")
            dispute = self._new(
                "dp", "dispute", charge=charge, payment_intent=intent, amount=1000, currency="chf", reason="general"
            )
            self._happens("charge.dispute.created", dispute)

    def refund(self, subscription: str) -> None:
        """The operator gives a payment back."""
        with self.lock:
            customer, intent = self.subscriptions[subscription]["customer"], self._last_payment(subscription)
            charge = self._new("ch", "charge", customer=customer, amount_refunded=1000, currency="chf", refunded=True)
            self._happens("charge.refunded", charge | {"payment_intent": intent})

    def _last_payment(self, subscription: str) -> str | None:
        bills = [one["id"] for one in self.of(subscription)]
        found = [one["payment"]["payment_intent"] for one in self.payments.values() if one["invoice"] in bills]
        return found[-1] if found else None

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
        yield from self._arrivals.values()
        for one in self.subscriptions.values():
            if one["status"] in RUNS:
                yield one["items"]["data"][0]["current_period_end"]
        for invoice, times in self._tries.items():
            if times and self.invoices[invoice]["status"] == "open":
                yield times[0]

    def _happen_now(self) -> None:
        for name, moment in list(self._arrivals.items()):
            if moment <= self.now:
                del self._arrivals[name]
                self._arrives(self.invoices[name])
        for name, times in list(self._tries.items()):
            if times and times[0] <= self.now and self.invoices[name]["status"] == "open":
                times.pop(0)
                self._try(self.invoices[name])
        for one in list(self.subscriptions.values()):
            item = one["items"]["data"][0]
            if one["status"] not in RUNS or item["current_period_end"] > self.now:
                continue
            if one["cancel_at_period_end"]:
                self._end(one)
                continue
            if one["status"] == "trialing":
                if one["customer"] in self.broken_cards:
                    self.pause(one["id"])
                    continue
                self._becomes(one, "active")
            begun = item["current_period_end"]
            item |= {"current_period_start": begun, "current_period_end": _month_after(begun, one["created"])}
            # Who is unpaid gets drafts, which nobody tries to collect.
            if one["status"] == "unpaid":
                self._bill(one, "subscription_cycle", draft=True)
            else:
                self._collect(self._bill(one, "subscription_cycle"))

    def _collect(self, invoice: Object) -> None:
        """Do with a new invoice what its subscription says: charge the card, or wait for the day on which it is due."""
        paused = self.subscriptions[_parent(invoice)]["pause_collection"]
        if invoice["amount_remaining"] == 0:
            self._paid(invoice)
        elif paused:
            status = {"mark_uncollectible": "uncollectible", "void": "void", "keep_as_draft": "draft"}
            invoice["status"] = status[paused["behavior"]]
        elif invoice["collection_method"] == "charge_automatically":
            self._try(invoice)

    def _bill(self, subscription: Object, reason: str, draft: bool = False, amount: int | None = None) -> Object:
        name, item = self._name("in"), subscription["items"]["data"][0]
        total = item["price"]["unit_amount"] * item["quantity"] if amount is None else amount
        due = subscription["days_until_due"]
        invoice = {
            "id": name,
            "object": "invoice",
            "amount_due": total,
            "amount_paid": 0,
            "amount_remaining": total,
            "attempt_count": 0,
            "attempted": False,
            "billing_reason": reason,
            "collection_method": subscription["collection_method"],
            "created": self.now,
            "currency": "chf",
            "customer": subscription["customer"],
            "due_date": self.now + due * DAY if due else None,
            "hosted_invoice_url": None if draft else f"{self.invoice_pages}/i/{name}",
            "last_finalization_error": None,
            "lines": {
                "object": "list",
                "data": [
                    {
                        "object": "line_item",
                        "amount": total,
                        "parent": {
                            "type": "subscription_item_details",
                            "subscription_item_details": {
                                "subscription_item": item["id"],
                                "proration": reason == "subscription_update",
                            },
                        },
                        "period": {"start": self.now, "end": item["current_period_end"]},
                    }
                ],
                "has_more": False,
            },
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
        if not draft and total:
            self._expect(invoice)
        return invoice

    def _expect(self, invoice: Object) -> None:
        """Make the payment of an invoice, and its intent, as Stripe does when it finalises one."""
        intent = self._new("pi", "payment_intent", status="requires_payment_method", next_action=None)
        self.intents[intent["id"]] = intent
        payment = self._new(
            "inpay",
            "invoice_payment",
            amount_paid=None,
            amount_requested=invoice["amount_remaining"],
            currency="chf",
            invoice=invoice["id"],
            is_default=True,
            payment={"type": "payment_intent", "payment_intent": intent["id"]},
            status="open",
            status_transitions={"canceled_at": None, "paid_at": None},
        )
        self.payments[payment["id"]] = payment
        self._of_invoice[invoice["id"]] = payment

    def _intends(self, invoice: Object, status: str, **more: t.Any) -> None:
        if payment := self._of_invoice.get(invoice["id"]):
            self.intents[payment["payment"]["payment_intent"]] |= {"status": status, "next_action": None, **more}

    def fail_to_finalise(self, subscription: str, message: str = "The customer's address is not valid.") -> str:
        """The next invoice stays a draft, because Stripe cannot finalise it; return which."""
        with self.lock:
            invoice = self._bill(self.subscriptions[subscription], "subscription_cycle", draft=True)
            invoice["last_finalization_error"] = {"code": "tax_location_invalid", "message": message}
            self._happens("invoice.finalization_failed", invoice)
            return t.cast("str", invoice["id"])

    def _goes(self, invoice: Object) -> None:
        """A direct debit is on its way."""
        invoice |= {"attempted": True, "next_payment_attempt": None}
        self._tries[invoice["id"]] = []
        self._intends(invoice, "processing")
        self._arrivals[invoice["id"]] = self.now + SLOW_DAYS * DAY

    def _arrives(self, invoice: Object) -> None:
        if invoice["status"] not in ("open", "uncollectible"):
            return
        if invoice["customer"] not in self.broken_cards:
            self._paid(invoice)
            return
        self._intends(invoice, "requires_payment_method")
        self._fails(invoice, [])

    def _try(self, invoice: Object) -> None:
        first = not invoice["attempted"]
        invoice |= {"attempted": True, "attempt_count": invoice["attempt_count"] + 1}
        customer = invoice["customer"]
        if customer in self.slow and (first or customer not in self.broken_cards):
            self._goes(invoice)
            if first and invoice["billing_reason"] == "subscription_create":
                self.subscriptions[_parent(invoice)]["status"] = "incomplete"
            return
        if customer not in self.broken_cards | self.asking:
            self._paid(invoice)
            return
        times = self._tries[invoice["id"]]
        if first:
            times += [invoice["created"] + days * DAY for days in RETRIES]
        if customer in self.asking:
            about = {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect"}}
            self._intends(invoice, "requires_action", next_action=about)
            self._happens("invoice.payment_action_required", invoice)
        else:
            self._intends(invoice, "requires_payment_method")
        self._fails(invoice, times)

    def _fails(self, invoice: Object, times: list[int]) -> None:
        invoice["next_payment_attempt"] = times[0] if times else None
        self._happens("invoice.payment_failed", invoice)
        subscription = self.subscriptions[_parent(invoice)]
        if subscription["status"] == "incomplete":
            return
        if not times and self.after_retries == "canceled":
            self._end(subscription)
        elif subscription["status"] not in ("canceled", "unpaid"):
            self._becomes(subscription, "past_due" if times or self.after_retries == "past_due" else "unpaid")

    def _paid(self, invoice: Object) -> None:
        invoice |= {"status": "paid", "next_payment_attempt": None, "attempted": True}
        invoice |= {"amount_paid": invoice["amount_due"], "amount_remaining": 0}
        self._arrivals.pop(invoice["id"], None)
        self._intends(invoice, "succeeded")
        if payment := self._of_invoice.get(invoice["id"]):
            payment |= {"status": "paid", "amount_paid": invoice["amount_due"]}
        invoice["status_transitions"]["paid_at"] = self.now
        self._tries[invoice["id"]] = []
        self._happens("invoice.paid", invoice)
        subscription = self.subscriptions[_parent(invoice)]
        if subscription["status"] == "incomplete":
            self._becomes(subscription, "active")
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

    def _happens(self, kind: str, about: Object, previous: Object | None = None) -> None:
        event = self._new("evt", "event", api_version=API_VERSION, type=kind, pending_webhooks=1)
        event["data"] = {"object": copy.deepcopy(about)}
        if previous:
            event["data"]["previous_attributes"] = previous
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

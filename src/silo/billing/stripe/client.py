"""Reads Stripe, and never writes to it. Converts the objects of its API into those of silo.billing.model."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import ssl
import time
import typing as t
from collections.abc import Iterator, Mapping, Sequence

import stripe
from ansible_collections.swissphoto.silo.plugins.module_utils.common import http_client
from ansible_collections.swissphoto.silo.plugins.module_utils.common.http_client import Route
from ansible_collections.swissphoto.silo.plugins.module_utils.common.text import printable

from silo import languages
from silo.billing.errors import NeedsAttention, TryLater
from silo.billing.model import ENDED, REQUIRES_ACTION, UNDER_WAY, Invoice, Subscription
from silo.tenant.names import meant

API_VERSION = "2026-10-28.endive"
TIMEOUT_SECONDS = 20
RETRIES = 2
# Bytes of an answer; a page of a hundred subscriptions has a few hundred kilobytes.
LARGEST = 32 * 1024**2
PAGE = 100
# The most objects of one list, and the most seconds for all of its pages.
MOST, LIST_SECONDS = 200_000, 600.0
# Characters, by Stripe's own limits: of ids and addresses, and of links.
LONGEST_TEXT, LONGEST_LINK = 512, 2000
# Days for which Stripe keeps events.
EVENT_DAYS = 30
# What an object raises that lacks something, or is of another type; and the most that a message quotes of it.
MALFORMED = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)
LONGEST_WHY = 100

Object = Mapping[str, t.Any]


class BoundedClient(stripe.HTTPClient):
    """The HTTP client of the library, with a time limit for each whole request and a size limit for each answer."""

    name = "silo"

    def __init__(self, seconds: float | None = None) -> None:
        """Trust the certificate authorities of the library; each request has so many seconds, or TIMEOUT_SECONDS."""
        super().__init__()
        self._seconds = TIMEOUT_SECONDS if seconds is None else seconds
        self._route = Route(tls=ssl.create_default_context(cafile=stripe.ca_bundle_path), proxies=True)

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: t.Any = None,
        *,
        _usage: list[str] | None = None,
    ) -> tuple[str, int, Mapping[str, str]]:
        """Return body, status and headers; raises the library's APIConnectionError."""
        body = post_data.encode() if isinstance(post_data, str) else post_data
        try:
            answer = http_client.ask(
                url,
                method=method.upper(),
                body=body,
                headers=headers or {},
                seconds=self._seconds,
                largest=LARGEST,
                route=self._route,
            )
        except http_client.HttpError as error:
            is_certificate = isinstance(error.__cause__, ssl.SSLError)
            raise _unanswered(str(error), should_retry=not is_certificate) from error
        if not answer.whole:
            raise _unanswered(f"the answer has more than {LARGEST} bytes", should_retry=False)
        return answer.text, answer.status, CaseInsensitiveHeaders(answer.headers)

    def close(self) -> None:
        """Do nothing, because each request closes its own connection."""


def _unanswered(reason: str, *, should_retry: bool) -> stripe.APIConnectionError:
    return stripe.APIConnectionError(reason, should_retry=should_retry)  # type: ignore[no-untyped-call]


class CaseInsensitiveHeaders(dict[str, str]):
    """Response headers with case-insensitive names, as the library requires."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        """Take headers with names in lower case."""
        super().__init__(headers)

    def __getitem__(self, name: str) -> str:
        """Return a header."""
        return super().__getitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        """Return whether there is a header."""
        return super().__contains__(name.lower() if isinstance(name, str) else name)

    def get(self, name: str, default: t.Any = None) -> t.Any:
        """Return a header, or `default`."""
        return super().get(name.lower(), default)


def connect(
    key: str, api: str = "", http: stripe.HTTPClient | None = None, retries: int | None = None
) -> stripe.StripeClient:
    """Return a client with this key; tests replace Stripe's address by `api`, and the HTTP client by `http`."""
    return stripe.StripeClient(
        key,
        stripe_version=API_VERSION,
        base_addresses={"api": api} if api else {},
        http_client=http or BoundedClient(),
        max_network_retries=RETRIES if retries is None else retries,
    )


class Client:
    """Reads one account. A failure raises TryLater; an object that Stripe does not know raises NeedsAttention."""

    def __init__(self, key: str, *, api: str = "", http: stripe.HTTPClient | None = None) -> None:
        """Use a restricted key; `api` and `http` are those of `connect`."""
        self._client = connect(key, api, http)

    def subscription(self, name: str) -> Subscription:
        """Return the current state of the subscription `name` (sub_...)."""
        with failures(f"subscription {name}"):
            found = self._client.v1.subscriptions.retrieve(name, {"expand": ["customer"]}).to_dict()
            return dataclasses.replace(_subscription(found), now=self._frozen(found))

    def _frozen(self, found: Object) -> datetime.datetime | None:
        """Return the time of the test clock of a subscription, None if it has none, as every real one."""
        if not (clock := _id(found.get("test_clock"))):
            return None
        with failures(f"test clock {clock}"):
            return _time(self._client.v1.test_helpers.test_clocks.retrieve(clock).to_dict().get("frozen_time"))

    def invoices(self, subscription: str) -> tuple[Invoice, ...]:
        """Return all invoices of a subscription, in any status, with the payments of those that are not paid."""
        with failures(f"invoices of {subscription}"):
            listed = self._client.v1.invoices.list({"subscription": subscription, "limit": PAGE})
            found = [_invoice(one) for one in every(listed, f"invoices of {subscription}")]
            return tuple(self._with_payment(one) if one.is_owed else one for one in found)

    def _with_payment(self, invoice: Invoice) -> Invoice:
        asked = t.cast("t.Any", {"invoice": invoice.id, "status": "open", "limit": PAGE, "expand": [_INTENT]})
        listed = self._client.v1.invoice_payments.list(asked)
        return _paid_by(invoice, [one for one in every(listed, f"payments of {invoice.id}")])

    def subscriptions(self, *, ended: bool = True, customer: str = "") -> tuple[Subscription, ...]:
        """Return all subscriptions of the account or of a customer; without canceled ones if `ended` is false.

        Stripe leaves those of test clocks out, unless a customer is given.
        """
        asked: dict[str, t.Any] = {"limit": PAGE, "expand": ["data.customer"]} | ({"status": "all"} if ended else {})
        if customer:
            asked["customer"] = customer
        with failures("subscriptions"):
            listed = self._client.v1.subscriptions.list(t.cast("t.Any", asked))
            return tuple(_subscription(one) for one in every(listed, "subscriptions"))

    def unpaid(self) -> dict[str, tuple[Invoice, ...]]:
        """Return the invoices of the account that are not settled, by subscription id.

        They are the open and uncollectible ones, with their payments, and drafts that Stripe could not finalise.
        """
        found: dict[str, list[Invoice]] = {}
        with failures("invoices"):
            payments = self._open_payments()
            for status in ("open", "uncollectible", "draft"):
                listed = self._client.v1.invoices.list({"status": t.cast("t.Any", status), "limit": PAGE})
                for invoice in every(listed, "invoices"):
                    one = _invoice(invoice)
                    if (subscription := _of(invoice)) and (one.is_owed or one.problem):
                        found.setdefault(subscription, []).append(_paid_by(one, payments.get(one.id, ())))
        return {subscription: tuple(some) for subscription, some in found.items()}

    def _open_payments(self) -> dict[str, list[Object]]:
        """Return the payments of the account that are not complete, by invoice id."""
        found: dict[str, list[Object]] = {}
        asked = t.cast("t.Any", {"status": "open", "limit": PAGE, "expand": [_INTENT]})
        for one in every(self._client.v1.invoice_payments.list(asked), "payments of invoices"):
            found.setdefault(_id(one.get("invoice")), []).append(one)
        return found

    def payer(self, payment_intent: str) -> tuple[str, str]:
        """Return customer and subscription of a payment (pi_...), for which Stripe keeps an invoice; empty for none."""
        asked = {"payment": {"type": "payment_intent", "payment_intent": payment_intent}, "expand": ["data.invoice"]}
        with failures(f"payment {payment_intent}"):
            listed = self._client.v1.invoice_payments.list(t.cast("t.Any", asked | {"limit": PAGE}))
            for one in every(listed, f"payment {payment_intent}"):
                if isinstance(invoice := one.get("invoice"), dict):
                    return _id(invoice.get("customer")), _of(invoice)
        return "", ""

    def events(self, types: Sequence[str], since: datetime.datetime) -> Iterator[Object]:
        """Yield the account's events of these types since a time, the oldest first; Stripe keeps them for 30 days."""
        with failures("events"):
            asked: dict[str, t.Any] = {"created": {"gte": int(since.timestamp())}, "limit": PAGE}
            asked["types"] = list(types)
            listed = self._client.v1.events.list(t.cast("t.Any", asked))
            found = list(every(listed, "events", for_json=True))
        yield from reversed(found)


# What is expanded in a list of payments; the payments in a list of invoices would be too deep for Stripe.
_INTENT = "data.payment.payment_intent"


def every(
    listed: t.Any, what: str, *, most: int = MOST, seconds: float = LIST_SECONDS, **how: t.Any
) -> Iterator[Object]:
    """Yield the objects of all pages of a list; raises TryLater for more than `most`, or after so many seconds."""
    deadline = time.monotonic() + seconds
    for count, one in enumerate(listed.auto_paging_iter()):
        if count >= most:
            raise TryLater(f"Stripe has more than {most} {what}; silo reads no more, and changes nothing")
        if time.monotonic() > deadline:
            raise TryLater(f"Stripe took more than {seconds:.0f} s to list {what}; the next run tries again")
        yield one.to_dict(**how)


@contextlib.contextmanager
def failures(what: str) -> Iterator[None]:
    """Convert errors of the library into TryLater and NeedsAttention; no message contains the key.

    An object that lacks something, or has another form than Stripe describes, is TryLater as well: who left it out
    could miss a payment.
    """
    try:
        yield
    except stripe.InvalidRequestError as error:
        if error.code == "resource_missing":
            hint = "it may belong to another account, or to test mode"
            raise NeedsAttention(f"Stripe does not know {what}; {hint}") from None
        raise TryLater(f"Stripe refused to return {what}: {error.user_message or error.code}") from None
    except (stripe.AuthenticationError, stripe.PermissionError):
        hint = "the key is invalid or lacks the right to read this; 'silo billing check' lists the missing rights"
        raise TryLater(f"Stripe refused to return {what}: {hint}") from None
    except stripe.StripeError as error:
        raise TryLater(f"Stripe did not return {what}: {type(error).__name__}") from None
    except MALFORMED as error:
        why = f"{type(error).__name__}: {printable(str(error), LONGEST_WHY)}"
        raise TryLater(
            f"Stripe returned {what} in a form that silo cannot read ({why}); report it if it lasts"
        ) from error


def _subscription(found: Object) -> Subscription:
    customer = found["customer"]
    known: Object = customer if isinstance(customer, dict) else {"id": customer}
    metadata = found.get("metadata") or {}
    status = _text(found["status"])
    # A subscription that never became active has only the time of its cancellation.
    ended = _time(found.get("ended_at") or found.get("canceled_at"))
    items = found["items"]["data"]
    return Subscription(
        id=_text(found["id"]),
        customer=_text(known["id"]),
        status=status,
        prices=tuple(_text(item["price"]["id"]) for item in items),
        created=_sure(found["created"]),
        name=meant(wish := _text(metadata.get("tenant"))) or wish,
        language=languages.normal(spoken := _text(metadata.get("language"))) or spoken,
        email=_text(known.get("email")),
        ended=ended if status in ENDED else None,
        ends=_ends(found),
        # Metered prices have no quantity.
        quantities=tuple(1 if item.get("quantity") is None else int(item["quantity"]) for item in items),
        customer_name=_text((known.get("metadata") or {}).get("tenant")),
        end_cause=_text((found.get("cancellation_details") or {}).get("reason")),
        paused_cause=_text(_within(found, "status_details", "paused", "subscription", "type")),
        free=_within(found, "pause_collection", "behavior") == "mark_uncollectible",
        trial_ends=_time(found.get("trial_end")),
    )


def _within(found: t.Any, *keys: str) -> t.Any:
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def _ends(found: Object) -> datetime.datetime | None:
    """Return when a subscription is scheduled to end, or None."""
    if at := _time(found.get("cancel_at")):
        return at
    if not found.get("cancel_at_period_end"):
        return None
    # Since 2025, each item has its own period.
    return max(filter(None, (_time(item.get("current_period_end")) for item in found["items"]["data"])), default=None)


def _invoice(found: Object) -> Invoice:
    moved = found.get("status_transitions") or {}
    by_post = found.get("collection_method") == "send_invoice"
    return Invoice(
        id=_text(found["id"]),
        status=_text(found["status"]),
        attempted=bool(found.get("attempted")),
        created=_sure(found["created"]),
        finalized=_time(moved.get("finalized_at")),
        due=_time(found.get("due_date")) if by_post else None,
        link=_text(found.get("hosted_invoice_url"), LONGEST_LINK),
        cause=_text(found.get("billing_reason")),
        amount=None if found.get("amount_remaining") is None else int(found["amount_remaining"]),
        currency=_text(found.get("currency")),
        covers=_covers(found),
        problem=_text(_within(found, "last_finalization_error", "message")) if found["status"] == "draft" else "",
    )


def _covers(found: Object) -> datetime.datetime | None:
    """Return the end of the period of a subscription for which an invoice is."""
    lines = _within(found, "lines", "data") or ()
    of_items = [one for one in lines if _within(one, "parent", "type") == "subscription_item_details"]
    return max(filter(None, (_time(_within(one, "period", "end")) for one in of_items)), default=None)


def _paid_by(invoice: Invoice, payments: Sequence[Object]) -> Invoice:
    """Return an invoice with the state of its payment that is nearest to success."""
    intents = [intent for one in payments if isinstance(intent := _within(one, "payment", "payment_intent"), dict)]
    for states in (UNDER_WAY, (REQUIRES_ACTION,)):
        for intent in intents:
            if (status := _text(intent.get("status"))) in states:
                return dataclasses.replace(invoice, payment=status, act_until=_expires(intent))
    return invoice


def _expires(intent: Object) -> datetime.datetime | None:
    """Return when what the customer must do for a payment expires; None if Stripe names no time, as for 3-D Secure."""
    details = _within(intent, "next_action", _text(_within(intent, "next_action", "type")))
    return _time(_within(details, "expires_at") or _within(details, "expires_after"))


def _of(invoice: Object) -> str:
    """Return the id of the subscription of an invoice, empty for none."""
    details = (invoice.get("parent") or {}).get("subscription_details") or {}
    return _id(details.get("subscription"))


def _id(found: t.Any) -> str:
    """Return the id of an object, which Stripe sends alone or with the object; empty for none."""
    return _text(found["id"] if isinstance(found, dict) else found)


def _text(value: t.Any, limit: int = LONGEST_TEXT) -> str:
    """Return a text from Stripe or a customer as one printable line, empty for none."""
    return printable(str(value or "").strip(), limit)


def _time(seconds: t.Any) -> datetime.datetime | None:
    return _sure(seconds) if seconds else None


def _sure(seconds: t.Any) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(int(seconds), datetime.UTC)

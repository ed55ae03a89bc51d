"""Reads Stripe, and never writes to it. Converts the objects of its API into those of silo.billing.model."""

from __future__ import annotations

import contextlib
import datetime
import ssl
import typing as t
from collections.abc import Iterator, Mapping, Sequence

import stripe
from ansible_collections.swissphoto.silo.plugins.module_utils.common import http_client
from ansible_collections.swissphoto.silo.plugins.module_utils.common.http_client import Route
from ansible_collections.swissphoto.silo.plugins.module_utils.common.text import printable

from silo import languages
from silo.billing.errors import NeedsAttention, TryLater
from silo.billing.model import ENDED, Invoice, Subscription
from silo.tenant.names import meant

API_VERSION = "2026-10-28.endive"
TIMEOUT_SECONDS = 20
RETRIES = 2
# Bytes of an answer; a page of a hundred subscriptions has a few hundred kilobytes.
LARGEST = 32 * 1024**2
PAGE = 100
# Characters, by Stripe's own limits: of ids and addresses, and of links.
LONGEST_TEXT, LONGEST_LINK = 512, 2000
# Days for which Stripe keeps events.
EVENT_DAYS = 30

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
            found = self._client.v1.subscriptions.retrieve(name, {"expand": ["customer"]})
        return _subscription(found.to_dict())

    def invoices(self, subscription: str) -> tuple[Invoice, ...]:
        """Return all invoices of a subscription, in any status."""
        with failures(f"invoices of {subscription}"):
            listed = self._client.v1.invoices.list({"subscription": subscription, "limit": PAGE})
            return tuple(_invoice(one.to_dict()) for one in listed.auto_paging_iter())

    def subscriptions(self, *, ended: bool = True, customer: str = "") -> tuple[Subscription, ...]:
        """Return all subscriptions of the account, or of one customer; without canceled ones if `ended` is false."""
        asked: dict[str, t.Any] = {"limit": PAGE, "expand": ["data.customer"]} | ({"status": "all"} if ended else {})
        asked |= {"customer": customer} if customer else {}
        with failures("subscriptions"):
            listed = self._client.v1.subscriptions.list(t.cast("t.Any", asked))
            return tuple(_subscription(one.to_dict()) for one in listed.auto_paging_iter())

    def unpaid(self) -> dict[str, tuple[Invoice, ...]]:
        """Return the open and uncollectible invoices of the account, by subscription id."""
        found: dict[str, list[Invoice]] = {}
        with failures("invoices"):
            for status in ("open", "uncollectible"):
                listed = self._client.v1.invoices.list({"status": t.cast("t.Any", status), "limit": PAGE})
                for one in listed.auto_paging_iter():
                    invoice = one.to_dict()
                    if subscription := _of(invoice):
                        found.setdefault(subscription, []).append(_invoice(invoice))
        return {subscription: tuple(some) for subscription, some in found.items()}

    def events(self, types: Sequence[str], since: datetime.datetime) -> Iterator[Object]:
        """Yield the account's events of these types since a time, the oldest first; Stripe keeps them for 30 days."""
        with failures("events"):
            asked: dict[str, t.Any] = {"created": {"gte": int(since.timestamp())}, "limit": PAGE}
            asked["types"] = list(types)
            listed = self._client.v1.events.list(t.cast("t.Any", asked))
            found = [one.to_dict(for_json=True) for one in listed.auto_paging_iter()]
        yield from reversed(found)


@contextlib.contextmanager
def failures(what: str) -> Iterator[None]:
    """Convert errors of the library into TryLater and NeedsAttention; no message contains the key."""
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


def _subscription(found: Object) -> Subscription:
    customer = found["customer"]
    known: Object = customer if isinstance(customer, dict) else {"id": customer}
    metadata = found.get("metadata") or {}
    status = _text(found["status"])
    # A subscription that never became active has only the time of its cancellation.
    ended = _time(found.get("ended_at") or found.get("canceled_at"))
    return Subscription(
        id=_text(found["id"]),
        customer=_text(known["id"]),
        status=status,
        prices=tuple(_text(item["price"]["id"]) for item in found["items"]["data"]),
        created=_sure(found["created"]),
        name=meant(wish := _text(metadata.get("tenant"))) or wish,
        language=languages.normal(spoken := _text(metadata.get("language"))) or spoken,
        email=_text(known.get("email")),
        ended=ended if status in ENDED else None,
        ends=_ends(found),
    )


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
    )


def _of(invoice: Object) -> str:
    """Return the id of the subscription of an invoice, empty for none."""
    details = (invoice.get("parent") or {}).get("subscription_details") or {}
    found = details.get("subscription")
    return _text(found["id"] if isinstance(found, dict) else found)


def _text(value: t.Any, limit: int = LONGEST_TEXT) -> str:
    """Return a text from Stripe or a customer as one printable line, empty for none."""
    return printable(str(value or "").strip(), limit)


def _time(seconds: t.Any) -> datetime.datetime | None:
    return _sure(seconds) if seconds else None


def _sure(seconds: t.Any) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(int(seconds), datetime.UTC)

"""Stripe, read and never written: the one place that knows its library and the shapes of its API."""

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

from silo.billing.errors import NeedsAttention, TryLater
from silo.billing.model import ENDED, Invoice, Subscription

API_VERSION = "2026-10-28.endive"
TIMEOUT_SECONDS = 20
RETRIES = 2
# A page of a hundred subscriptions has some hundred kilobytes.
LARGEST = 32 * 1024**2
PAGE = 100
# Stripe's own limits: of an id and an address, and of a link.
LONGEST_TEXT, LONGEST_LINK = 512, 2000
# As long as Stripe keeps events.
EVENT_DAYS = 30

Object = Mapping[str, t.Any]


class BoundedClient(stripe.HTTPClient):
    """How the library asks: each request has a time as a whole, and its answer a size."""

    name = "silo"

    def __init__(self) -> None:
        """Trust the authorities that the library knows."""
        super().__init__()
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
                seconds=TIMEOUT_SECONDS,
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
        """Do nothing: each request closes its connection."""


def _unanswered(reason: str, *, should_retry: bool) -> stripe.APIConnectionError:
    return stripe.APIConnectionError(reason, should_retry=should_retry)  # type: ignore[no-untyped-call]


class CaseInsensitiveHeaders(dict[str, str]):
    """Headers by names in whatever letters, as the library looks for them."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        """Take headers whose names have small letters."""
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


def connect(key: str, api: str = "", http: stripe.HTTPClient | None = None) -> stripe.StripeClient:
    """Return a client with this key; `api` is another address than Stripe's own and `http` another way, for tests."""
    return stripe.StripeClient(
        key,
        stripe_version=API_VERSION,
        base_addresses={"api": api} if api else {},
        http_client=http or BoundedClient(),
        max_network_retries=RETRIES,
    )


class Client:
    """Reads one account. What fails raises TryLater; what Stripe does not know raises NeedsAttention."""

    def __init__(self, key: str, *, api: str = "", http: stripe.HTTPClient | None = None) -> None:
        """Ask with a restricted key; `api` and `http` are those of `connect`."""
        self._client = connect(key, api, http)

    def subscription(self, name: str) -> Subscription:
        """Return the subscription sub_... as it is at this moment."""
        with failures(f"subscription {name}"):
            found = self._client.v1.subscriptions.retrieve(name, {"expand": ["customer"]})
        return _subscription(found.to_dict())

    def invoices(self, subscription: str) -> tuple[Invoice, ...]:
        """Return all invoices of a subscription."""
        with failures(f"invoices of {subscription}"):
            listed = self._client.v1.invoices.list({"subscription": subscription, "limit": PAGE})
            return tuple(_invoice(one.to_dict()) for one in listed.auto_paging_iter())

    def subscriptions(self, *, ended: bool = True) -> tuple[Subscription, ...]:
        """Return all subscriptions of the account; those that were canceled only where `ended` asks for them."""
        asked: dict[str, t.Any] = {"limit": PAGE, "expand": ["data.customer"]} | ({"status": "all"} if ended else {})
        with failures("subscriptions"):
            listed = self._client.v1.subscriptions.list(t.cast("t.Any", asked))
            return tuple(_subscription(one.to_dict()) for one in listed.auto_paging_iter())

    def unpaid(self) -> dict[str, tuple[Invoice, ...]]:
        """Return the invoices of the account that are not paid, by subscription."""
        found: dict[str, list[Invoice]] = {}
        with failures("invoices"):
            for status in ("open", "uncollectible"):
                listed = self._client.v1.invoices.list({"status": t.cast("t.Any", status), "limit": PAGE})
                for one in listed.auto_paging_iter():
                    made = one.to_dict()
                    if subscription := _of(made):
                        found.setdefault(subscription, []).append(_invoice(made))
        return {subscription: tuple(some) for subscription, some in found.items()}

    def events(self, types: Sequence[str], since: datetime.datetime) -> Iterator[Object]:
        """Yield the account's events of these types since a time, the oldest first; Stripe keeps them 30 days."""
        with failures("events"):
            asked: dict[str, t.Any] = {"created": {"gte": int(since.timestamp())}, "limit": PAGE}
            asked["types"] = list(types)
            listed = self._client.v1.events.list(t.cast("t.Any", asked))
            found = [one.to_dict(for_json=True) for one in listed.auto_paging_iter()]
        yield from reversed(found)


@contextlib.contextmanager
def failures(what: str) -> Iterator[None]:
    """Turn what the library raises into sentences; none of them holds the key."""
    try:
        yield
    except stripe.InvalidRequestError as error:
        if error.code == "resource_missing":
            raise NeedsAttention(f"Stripe knows no {what}; it may be of another account, or of its test mode") from None
        raise TryLater(f"Stripe refuses to tell {what}: {error.user_message or error.code}") from None
    except (stripe.AuthenticationError, stripe.PermissionError):
        hint = "the key is not valid, or may not read this; 'silo billing check' says which rights it needs"
        raise TryLater(f"Stripe refuses to tell {what}: {hint}") from None
    except stripe.StripeError as error:
        raise TryLater(f"Stripe does not tell {what} now: {type(error).__name__}") from None


def _subscription(found: Object) -> Subscription:
    customer = found["customer"]
    known: Object = customer if isinstance(customer, dict) else {"id": customer}
    metadata = found.get("metadata") or {}
    status = _text(found["status"])
    # Where it never began, only the day of the cancellation is known.
    ended = _time(found.get("ended_at") or found.get("canceled_at"))
    return Subscription(
        id=_text(found["id"]),
        customer=_text(known["id"]),
        status=status,
        prices=tuple(_text(item["price"]["id"]) for item in found["items"]["data"]),
        created=_sure(found["created"]),
        name=_text(metadata.get("tenant")),
        language=_text(metadata.get("language")),
        email=_text(known.get("email")),
        ended=ended if status in ENDED else None,
        ends=_ends(found),
    )


def _ends(found: Object) -> datetime.datetime | None:
    """Return when a subscription will end, where that is said."""
    if at := _time(found.get("cancel_at")):
        return at
    if not found.get("cancel_at_period_end"):
        return None
    # Since 2025 a period is one of an item.
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
    """Return of which subscription an invoice is, empty for none."""
    details = (invoice.get("parent") or {}).get("subscription_details") or {}
    found = details.get("subscription")
    return _text(found["id"] if isinstance(found, dict) else found)


def _text(value: t.Any, limit: int = LONGEST_TEXT) -> str:
    """Return a text of Stripe's or of a customer's on one line, empty for none."""
    return printable(str(value or "").strip(), limit)


def _time(seconds: t.Any) -> datetime.datetime | None:
    return _sure(seconds) if seconds else None


def _sure(seconds: t.Any) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(int(seconds), datetime.UTC)

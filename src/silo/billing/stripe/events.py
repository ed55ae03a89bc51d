"""What an event of Stripe is about, by its own words. It says no more than where to look: what holds is read anew."""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t
from collections.abc import Mapping

from silo.identifiers import SUBSCRIPTION

# Where Stripe posts them.
PATH = "/stripe/webhook"
# The types that the endpoint subscribes to; others that come are kept, and ask for nothing.
WANTED = frozenset(
    {
        "charge.dispute.created",
        "charge.refunded",
        "checkout.session.async_payment_failed",
        "checkout.session.async_payment_succeeded",
        "checkout.session.completed",
        "customer.subscription.created",
        "customer.subscription.deleted",
        "customer.subscription.paused",
        "customer.subscription.resumed",
        "customer.subscription.updated",
        "customer.updated",
        "invoice.paid",
        "invoice.payment_action_required",
        "invoice.payment_failed",
    }
)
ID = re.compile(r"[A-Za-z0-9_]{1,255}")
TYPE = re.compile(r"[a-z0-9_.]{1,255}")


class MalformedError(ValueError):
    """A body that is no event; the text is a sentence, without anything of the body."""


@dataclasses.dataclass(frozen=True)
class Event:
    """An event as it came: `body` are its bytes, `created` seconds since 1970 by Stripe's clock.

    `subscription` is whose it is (sub_...), empty where it is none's.
    """

    id: str
    type: str
    created: float
    subscription: str
    body: bytes

    @property
    def queue_key(self) -> str:
        """Events with the same key are processed in order: those of a subscription; any other has its own."""
        return self.subscription or self.id


def parse(body: bytes) -> Event:
    """Return the event of a body; raises MalformedError."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise MalformedError("the body is no JSON in UTF-8") from None
    if not isinstance(found, dict):
        raise MalformedError("the body is no object of JSON")
    for key, pattern in (("id", ID), ("type", TYPE)):
        value = found.get(key)
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise MalformedError(f"the body is no event of Stripe: its {key} is missing, or not as Stripe's are")
    created = found.get("created")
    seconds = float(created) if isinstance(created, int) and 0 <= created < 2**40 else 0.0
    return Event(found["id"], found["type"], seconds, _subscription(found), body)


def _subscription(event: Mapping[str, t.Any]) -> str:
    about = _within(event, "data", "object")
    kind = str(event["type"])
    if kind.startswith("customer.subscription."):
        found = about
    elif kind.startswith("checkout.session."):
        found = _within(about, "subscription")
    elif kind.startswith("invoice."):
        # An endpoint made for an older version of the API sends the older shape.
        found = _within(about, "parent", "subscription_details", "subscription") or _within(about, "subscription")
    else:
        return ""
    # Stripe sends an id, or in its place the whole object.
    name = found.get("id") if isinstance(found, dict) else found
    return name if isinstance(name, str) and SUBSCRIPTION.fullmatch(name) else ""


def _within(value: t.Any, *keys: str) -> t.Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value

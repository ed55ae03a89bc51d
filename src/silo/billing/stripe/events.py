"""Parses events of Stripe. Only the id of the subscription is used; the worker reads the current state from the API."""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t
from collections.abc import Mapping

from silo.identifiers import SUBSCRIPTION

# The path to which Stripe posts events.
PATH = "/stripe/webhook"
# The types to which the endpoint subscribes; events of other types are stored and not processed.
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
        "invoice.finalization_failed",
        "invoice.paid",
        "invoice.payment_action_required",
        "invoice.payment_failed",
    }
)
ID = re.compile(r"[A-Za-z0-9_]{1,255}")
TYPE = re.compile(r"[a-z0-9_.]{1,255}")


class MalformedError(ValueError):
    """A body that is not an event; the text quotes nothing of the body."""


@dataclasses.dataclass(frozen=True)
class Event:
    """A received event. `created` is in seconds since 1970 by Stripe's clock, 0 if the body has no valid time.

    `subscription` is the id of its subscription (sub_...), or empty.
    """

    id: str
    type: str
    created: float
    subscription: str
    body: bytes

    @property
    def queue_key(self) -> str:
        """Events with the same key are processed in order: its subscription, or its own id without one."""
        return self.subscription or self.id


def parse(body: bytes) -> Event:
    """Parse a body (JSON in UTF-8); raises MalformedError."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise MalformedError("the body is not JSON in UTF-8") from None
    if not isinstance(found, dict):
        raise MalformedError("the body is not a JSON object")
    for key, pattern in (("id", ID), ("type", TYPE)):
        value = found.get(key)
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise MalformedError(f"the body is not an event of Stripe: its {key} is missing or malformed")
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
        # An endpoint with an older API version sends the older shape.
        found = _within(about, "parent", "subscription_details", "subscription") or _within(about, "subscription")
    else:
        return ""
    # Stripe sends the id or the whole object.
    name = found.get("id") if isinstance(found, dict) else found
    return name if isinstance(name, str) and SUBSCRIPTION.fullmatch(name) else ""


def _within(value: t.Any, *keys: str) -> t.Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value

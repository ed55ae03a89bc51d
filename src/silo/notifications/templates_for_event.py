"""From what happens to a tenant to its letter, and how far that is, in a sentence."""

from collections.abc import Mapping
from datetime import datetime

from silo.notifications.letter import Access, Created, Letter, PlanChanged, Restored, Suspended
from silo.notifications.outbox import Outbox

# The state in which a tenant must be, so that its letter tells the truth.
TRUE_WHEN: Mapping[str, str] = {
    "created": "running",
    "access": "running",
    "restored": "running",
    "plan_changed": "running",
    "suspended": "suspended",
}


def with_link(kind: str, name: str, address: str, link: str, valid_until: datetime) -> Letter:
    """The letter that brings a one-time link: `created`, or `access` for a link that is issued again."""
    return {"created": Created, "access": Access}[kind](name, address, link, valid_until)


def of_state(kind: str, name: str, address: str, payment_url: str, quota: int) -> Letter:
    """The letter of a tenant that is `suspended` or `restored`, or has another plan; its quota is in bytes."""
    if kind == "plan_changed":
        return PlanChanged(name, address, quota)
    return Suspended(name, address, payment_url) if kind == "suspended" else Restored(name, address)


def delivery_status(outbox: Outbox, event: str) -> str:
    """How far the letter of an event is, for the operator."""
    kind, name, _since = event.split("/")
    state, error = outbox.states().get(event, ("missing", ""))
    if state == "sent":
        return f"{name}: the letter '{kind}' is with the relay."
    if state == "failed":
        return f"{name}: the letter '{kind}' will not be sent: {error}."
    return f"{name}: the letter '{kind}' waits" + (f": {error}." if error else " for the relay.")

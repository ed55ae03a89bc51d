"""The letter for an event of a tenant, and a sentence on its delivery."""

from collections.abc import Mapping
from datetime import datetime

from silo.notifications.letter import Access, Created, Letter, PlanChanged, Restored, Suspended, Undeleted
from silo.notifications.outbox import Outbox

# The state of a tenant in which the content of a letter is true.
TRUE_WHEN: Mapping[str, str] = {
    "created": "running",
    "access": "running",
    "restored": "running",
    "undeleted": "running",
    "plan_changed": "running",
    "suspended": "suspended",
}


def with_link(kind: str, name: str, address: str, link: str, valid_until: datetime) -> Letter:
    """Return the letter with a one-time link: `created`, or `access` for a new link."""
    return {"created": Created, "access": Access}[kind](name, address, link, valid_until)


def of_state(kind: str, name: str, address: str, payment_url: str, quota: int, reason: str = "") -> Letter:
    """Return the letter for `suspended`, `restored`, `undeleted` or another plan; the quota is in bytes.

    `reason` is why it is suspended; a tenant from before reasons were written down is unpaid.
    """
    if kind == "plan_changed":
        return PlanChanged(name, address, quota)
    if kind == "suspended":
        return Suspended(name, address, payment_url, reason or "unpaid")
    return Undeleted(name, address) if kind == "undeleted" else Restored(name, address)


def delivery_status(outbox: Outbox, event: str) -> str:
    """Return a sentence on the delivery of an event's letter, for the operator."""
    kind, name, _since = event.split("/")
    state, error = outbox.states().get(event, ("missing", ""))
    if state == "sent":
        return f"{name}: the relay has accepted the letter '{kind}'."
    if state == "failed":
        return f"{name}: the letter '{kind}' will not be sent: {error}."
    return f"{name}: the letter '{kind}' waits" + (f": {error}." if error else " for the relay.")

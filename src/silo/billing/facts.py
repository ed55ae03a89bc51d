"""What the inventory and the outbox say of the tenant of a subscription."""

from __future__ import annotations

import dataclasses
import datetime
import re
from collections.abc import Iterable, Mapping

from silo.billing.errors import Parked
from silo.billing.model import PURGED, TRASHED, Notice, Tenant
from silo.edits import Edits
from silo.inventory import Tombstone
from silo.inventory.schema import Tenant as Known

SUBSCRIPTION = "tenant_subscription"
NOTICE = re.compile(r"deletion_announced/([^/]+)/(\d{4}-\d{2}-\d{2})@(\d+)")
REMINDER = re.compile(r"payment_failed/([^/]+)/(\d{4}-\d{2}-\d{2})")
Letters = Mapping[str, tuple[str, str]]


@dataclasses.dataclass(frozen=True)
class Facts:
    """Every tenant that has, or had, a subscription, by it. `problems` are sentences on those that are left alone."""

    tenants: Mapping[str, Tenant]
    problems: Mapping[str, str]

    def of(self, subscription: str) -> Tenant | None:
        """Return the tenant of a subscription, None for none; raises Parked where it is not clear."""
        if problem := self.problems.get(subscription):
            raise Parked(problem)
        return self.tenants.get(subscription)


def read(edits: Edits) -> Facts:
    """Read the inventory, which takes a second, and the outbox; raises InventoryError, LetterError."""
    known = edits.tenants()
    letters = edits.outbox.states() if edits.outbox else {}
    found: dict[str, Tenant] = {}
    for stone in sorted(edits.inventory.tombstones(), key=lambda stone: stone.when):
        if stone.subscription:
            found[stone.subscription] = _deleted(stone, letters)
    alive: dict[str, str] = {}
    problems: dict[str, str] = {}
    for name, file in edits.inventory.tenants().items():
        if not (subscription := str(file.settings.get(SUBSCRIPTION, ""))):
            continue
        if subscription in alive:
            problems[subscription] = f"{alive[subscription]} and {name} both have {subscription}; one of them is right"
        elif name not in known:
            # Taken for nobody's, its customer would get a second one.
            why = f"'silo plan {name}' says what is wrong"
            problems[subscription] = f"{name}: its settings are not right, so its bill is left alone; {why}"
        else:
            found[subscription] = _alive(known[name], letters)
        alive[subscription] = name
    return Facts(found, problems)


def linked(known: Known) -> str:
    """Return the subscription of a tenant, empty for none."""
    return str(known.settings.get(SUBSCRIPTION, ""))


def _alive(known: Known, letters: Letters) -> Tenant:
    until = known.settings.get("tenant_extended_until")
    return Tenant(
        known.name,
        known.state,
        str(known.settings.get("tenant_plan", "")),
        datetime.date.fromisoformat(str(until)) if until else None,
        tuple(notices(known.name, letters)),
        tuple(_reminded(known.name, letters)),
    )


def _deleted(stone: Tombstone, letters: Letters) -> Tenant:
    state = PURGED if stone.purged else TRASHED
    return Tenant(stone.name, state, notices=tuple(notices(stone.name, letters)))


def notices(name: str, letters: Letters) -> Iterable[Notice]:
    """Yield the announcements that were written to a tenant's customer."""
    for event, (state, _error) in letters.items():
        if (found := NOTICE.fullmatch(event)) and found[1] == name:
            yield Notice(datetime.date.fromisoformat(found[2]), int(found[3]), state == "sent")


def _reminded(name: str, letters: Letters) -> Iterable[datetime.date]:
    for event in letters:
        if (found := REMINDER.fullmatch(event)) and found[1] == name:
            yield datetime.date.fromisoformat(found[2])


def name_of(tenant: Tenant | None, wished: str) -> str:
    """Return how a customer's tenant is called, or would be."""
    return tenant.name if tenant else wished or "nobody"

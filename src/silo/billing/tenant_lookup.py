"""What the inventory and the outbox say of the tenant of a subscription."""

from __future__ import annotations

import dataclasses
import datetime
import re
from collections.abc import Iterable, Mapping, Sequence

from silo.billing.errors import NeedsAttention
from silo.billing.model import PURGED, TRASHED, BillingTenant, Holder, Notice, Subscription
from silo.billing.state_store import StateStore
from silo.inventory import DeletionRecord
from silo.inventory.validation import Tenant as Known
from silo.tenants import TenantService

SUBSCRIPTION = "tenant_subscription"
NOTICE = re.compile(r"deletion_announced/([^/]+)/(\d{4}-\d{2}-\d{2})@(\d+)")
REMINDER = re.compile(r"payment_failed/([^/]+)/(\d{4}-\d{2}-\d{2})")


@dataclasses.dataclass(frozen=True)
class Letters:
    """What was written to the customers of all tenants, by tenant."""

    notices: Mapping[str, Sequence[Notice]]
    reminded: Mapping[str, Sequence[datetime.date]]

    @classmethod
    def of(cls, events: Mapping[str, tuple[str, str]]) -> Letters:
        """Read the ids of all letters once: there are many more of them than of tenants."""
        notices: dict[str, list[Notice]] = {}
        reminded: dict[str, list[datetime.date]] = {}
        for event, (state, _error) in events.items():
            if found := NOTICE.fullmatch(event):
                notice = Notice(datetime.date.fromisoformat(found[2]), int(found[3]), state == "sent")
                notices.setdefault(found[1], []).append(notice)
            elif found := REMINDER.fullmatch(event):
                reminded.setdefault(found[1], []).append(datetime.date.fromisoformat(found[2]))
        return cls(notices, reminded)


@dataclasses.dataclass(frozen=True)
class TenantLookup:
    """Every tenant that has, or had, a subscription, by it. `problems` are sentences on those that are left alone.

    `alive` is the name of the tenant that has it now. `holders` are all tenants by name, of the deleted ones those that
    can come back.
    """

    tenants: Mapping[str, BillingTenant]
    problems: Mapping[str, str]
    alive: Mapping[str, str]
    holders: Mapping[str, Holder]

    def of(self, subscription: str) -> BillingTenant | None:
        """Return the tenant of a subscription, None for none; raises NeedsAttention where it is not clear."""
        if problem := self.problems.get(subscription):
            raise NeedsAttention(problem)
        return self.tenants.get(subscription)

    def claims(self, name: str, subscriptions: Iterable[Subscription]) -> list[Subscription]:
        """Return the subscriptions that name a tenant, in large letters too, and are no living tenant's."""
        return [one for one in subscriptions if one.name.lower() == name and one.id not in self.alive]


def read(service: TenantService) -> TenantLookup:
    """Read the inventory, which takes a second, and the outbox; raises InventoryError, LetterError."""
    known = service.tenants()
    letters = Letters.of(service.outbox.states() if service.outbox else {})
    spared = StateStore(service.state.folder).spared()
    found: dict[str, BillingTenant] = {}
    holders: dict[str, Holder] = {}
    for deletion in sorted(service.files.deletion_records(), key=lambda deletion: deletion.when):
        if not deletion.purged:
            holders[deletion.name] = Holder(deletion.name, TRASHED, deletion.subscription)
        if deletion.subscription:
            found[deletion.subscription] = _deleted(deletion, letters)
    alive: dict[str, str] = {}
    problems: dict[str, str] = {}
    for name, file in service.files.all().items():
        subscription = str(file.settings.get(SUBSCRIPTION, ""))
        holders[name] = Holder(name, known[name].state if name in known else "", subscription)
        if not subscription:
            continue
        if subscription in alive:
            problems[subscription] = f"{alive[subscription]} and {name} both have {subscription}; keep one of them"
        elif name not in known:
            # Taken for nobody's, its customer would get a second one.
            why = f"'silo plan {name}' says what is wrong"
            problems[subscription] = f"{name}: its settings are not right, so its bill is left alone; {why}"
        else:
            found[subscription] = _alive(known[name], letters, spared.get(subscription))
        alive[subscription] = name
    return TenantLookup(found, problems, alive, holders)


def _alive(known: Known, letters: Letters, spared: datetime.date | None) -> BillingTenant:
    until = known.settings.get("tenant_extended_until")
    return BillingTenant(
        known.name,
        known.state,
        str(known.settings.get("tenant_plan", "")),
        datetime.date.fromisoformat(str(until)) if until else None,
        tuple(letters.notices.get(known.name, ())),
        tuple(letters.reminded.get(known.name, ())),
        spared,
    )


def _deleted(deletion: DeletionRecord, letters: Letters) -> BillingTenant:
    state = PURGED if deletion.purged else TRASHED
    return BillingTenant(deletion.name, state, notices=tuple(letters.notices.get(deletion.name, ())))


def name_of(tenant: BillingTenant | None, wished: str) -> str:
    """Return how a customer's tenant is called, or would be."""
    return tenant.name if tenant else wished or "nobody"

"""Finds the tenant of a subscription in the inventory, and the letters to its customer in the outbox."""

from __future__ import annotations

import dataclasses
import datetime
import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from silo.billing.errors import NeedsAttention
from silo.billing.model import PURGED, TRASHED, BillingTenant, Holder, Notice, Subscription
from silo.billing.state_store import StateStore
from silo.inventory import DeletionRecord
from silo.inventory.validation import Tenant as Known
from silo.tenants import TenantService

SUBSCRIPTION = "tenant_subscription"
NOTICE = re.compile(r"deletion_announced/([^/]+)/(\d{4}-\d{2}-\d{2})@(\d+)")
REMINDER = re.compile(r"(?:payment_failed|confirm_payment)/([^/]+)/(\d{4}-\d{2}-\d{2})")


@dataclasses.dataclass(frozen=True)
class Letters:
    """The announcements and the deadlines in letters to customers, by tenant."""

    notices: Mapping[str, Sequence[Notice]]
    reminded: Mapping[str, Sequence[datetime.date]]

    @classmethod
    def of(cls, events: Mapping[str, tuple[str, str]]) -> Letters:
        """Parse the ids of all letters in one pass, because there are many more letters than tenants."""
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
    """The tenants by subscription id, including deleted ones.

    `problems` says, by subscription id, why billing leaves a tenant unchanged. `alive` maps a subscription id to the
    name of the tenant in the inventory. `holders` are, by name, the tenants in the inventory and in the trash.
    """

    tenants: Mapping[str, BillingTenant]
    problems: Mapping[str, str]
    alive: Mapping[str, str]
    holders: Mapping[str, Holder]

    def of(self, subscription: str) -> BillingTenant | None:
        """Return the tenant of a subscription, or None; raises NeedsAttention if the subscription has a problem."""
        if problem := self.problems.get(subscription):
            raise NeedsAttention(problem)
        return self.tenants.get(subscription)

    def claims(
        self, name: str, own: Subscription, subscriptions: Iterable[Subscription], prices: Collection[str]
    ) -> list[Subscription]:
        """Return the subscriptions that claim a tenant, and have no tenant in the inventory.

        They name it, in upper or lower case; or they name nobody, have one of `prices`, and their customer is that of
        its `own` subscription or names it.
        """

        def is_claim(one: Subscription) -> bool:
            if one.name:
                return one.name.lower() == name
            ours = one.customer == own.customer or one.customer_name.lower() == name
            return ours and any(price in prices for price in one.prices)

        return [one for one in subscriptions if one.id != own.id and one.id not in self.alive and is_claim(one)]


def read(service: TenantService) -> TenantLookup:
    """Read the inventory, which takes about a second, and the outbox; raises InventoryError, LetterError."""
    known = service.tenants()
    letters = Letters.of(service.outbox.states() if service.outbox else {})
    spared = StateStore(service.state.folder).spared()
    found: dict[str, BillingTenant] = {}
    holders: dict[str, Holder] = {}
    for deletion in sorted(service.files.deletion_records(), key=lambda deletion: deletion.when):
        if not deletion.purged:
            holders[deletion.name] = Holder(deletion.name, TRASHED, deletion.subscription, reason=deletion.reason)
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
            both = f"{alive[subscription]} and {name} both have {subscription}"
            problems[subscription] = f"{both}; remove it from one of them"
        elif name not in known:
            # Without this problem, billing would create a second tenant for the customer.
            fix = f"'silo plan {name}' shows the error"
            problems[subscription] = f"{name}: its settings are invalid, so billing does not change it; {fix}"
        else:
            found[subscription] = _alive(known[name], letters, spared.get(subscription))
        alive[subscription] = name
    return TenantLookup(found, problems, alive, holders)


def _alive(known: Known, letters: Letters, spared: datetime.date | None) -> BillingTenant:
    until, since = known.settings.get("tenant_extended_until"), known.settings.get("tenant_state_since")
    return BillingTenant(
        known.name,
        known.state,
        str(known.settings.get("tenant_plan", "")),
        datetime.date.fromisoformat(str(until)) if until else None,
        tuple(letters.notices.get(known.name, ())),
        tuple(letters.reminded.get(known.name, ())),
        spared,
        str(known.settings.get("tenant_state_reason") or ""),
        datetime.date.fromisoformat(str(since)) if since else None,
        known.email,
    )


def _deleted(deletion: DeletionRecord, letters: Letters) -> BillingTenant:
    state = PURGED if deletion.purged else TRASHED
    notices = tuple(letters.notices.get(deletion.name, ()))
    return BillingTenant(deletion.name, state, notices=notices, reason=deletion.reason)


def name_of(tenant: BillingTenant | None, wished: str) -> str:
    """Return the name of the tenant, or the name that was ordered."""
    return tenant.name if tenant else wished or "nobody"

"""What Stripe says of a customer, what the inventory says of their tenant, and what follows. No type of Stripe's own.

All times have a zone; a day is one of Switzerland, by which customers read their letters.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum

ZONE_NAME = "Europe/Zurich"
PAID = frozenset(("active", "trialing"))
ENDED = frozenset(("canceled", "incomplete_expired"))
# What a tenant is after it was deleted, beside the states that an inventory knows.
TRASHED, PURGED = "trashed", "purged"


@dataclasses.dataclass(frozen=True)
class Subscription:
    """A subscription as it is now; `status` is in Stripe's words, `prices` are those of its items.

    `name` and `language` are what the customer wished (empty where nothing was), `email` is the customer's. `ended` is
    when it ended, `ends` when it will.
    """

    id: str
    customer: str
    status: str
    prices: tuple[str, ...]
    created: datetime.datetime
    name: str = ""
    language: str = ""
    email: str = ""
    ended: datetime.datetime | None = None
    ends: datetime.datetime | None = None


@dataclasses.dataclass(frozen=True)
class Invoice:
    """An invoice of a subscription; `attempted` says that a payment was tried, `link` where it can be paid."""

    id: str
    status: str
    attempted: bool
    created: datetime.datetime
    finalized: datetime.datetime | None = None
    due: datetime.datetime | None = None
    link: str = ""

    def unpaid_since(self, now: datetime.datetime) -> datetime.datetime | None:
        """Return since when it should be paid, None where it is, or need not be yet; no retry changes that."""
        if self.status not in ("open", "uncollectible"):
            return None
        if self.due is not None:
            return self.due if self.due <= now else None
        return (self.finalized or self.created) if self.attempted else None


@dataclasses.dataclass(frozen=True)
class Notice:
    """A letter that announces the deletion on a day, `days` before it; `sent` once the relay has it."""

    on: datetime.date
    days: int
    sent: bool = False

    def event(self, tenant: str) -> str:
        """Return the id under which this letter is sent once."""
        return f"deletion_announced/{tenant}/{self.on.isoformat()}@{self.days}"


@dataclasses.dataclass(frozen=True)
class BillingTenant:
    """The tenant of a subscription: `state` is the inventory's, TRASHED or PURGED once it is deleted.

    `plan` is empty where the operator gave it a quota of its own. `notices` are the announcements that were written,
    `reminded` the days that letters on failed payments have named. `spared_until` is the day after the last one on
    which another subscription was seen to pay for the name.
    """

    name: str
    state: str
    plan: str = ""
    extended_until: datetime.date | None = None
    notices: tuple[Notice, ...] = ()
    reminded: tuple[datetime.date, ...] = ()
    spared_until: datetime.date | None = None


@dataclasses.dataclass(frozen=True)
class Claim:
    """A subscription that names a tenant and has none itself, with its unpaid invoices."""

    subscription: Subscription
    invoices: tuple[Invoice, ...] = ()


@dataclasses.dataclass(frozen=True)
class Holder:
    """The tenant, living or in the trash, that already has the name of an order.

    `linked` is the id of its subscription, empty for none; `subscription` is None where Stripe does not know that one.
    """

    name: str
    state: str
    linked: str = ""
    subscription: Subscription | None = None


@dataclasses.dataclass(frozen=True)
class Case:
    """A subscription with its invoices and its tenant as they are now, and the others that want the same name.

    `tenant` is None for a customer who never had one: `holder` may have its name. `claims` are on the tenant's name.
    """

    subscription: Subscription
    invoices: tuple[Invoice, ...] = ()
    tenant: BillingTenant | None = None
    claims: tuple[Claim, ...] = ()
    holder: Holder | None = None


@dataclasses.dataclass(frozen=True)
class Contest:
    """A tenant whose own subscription is not paid while others name it and are; only the operator knows whose it is."""

    tenant: str
    state: str
    own: Subscription
    payers: tuple[Subscription, ...]


class Step(enum.Enum):
    """What is to be done with a tenant next; NOTHING also where it waits for a day."""

    NOTHING = "nothing"
    CREATE = "create"
    RESTORE = "restore"
    START = "start"
    CHANGE = "change"
    SUSPEND = "suspend"
    DELETE = "delete"
    NEEDS_ATTENTION = "needs_attention"


@dataclasses.dataclass(frozen=True)
class Decision:
    """What is to be done now, and why, in half a sentence; with the days on which more will be.

    `clock` is the day since which nothing is paid; `suspends` and `deletes` follow from it. `notice` is a letter that
    is due, `pay_by` the day that a letter on a failed payment names, `link` where the customer can pay. `contest` is
    why it needs attention, where several subscriptions want one tenant.
    """

    step: Step
    because: str
    plan: str = ""
    clock: datetime.date | None = None
    suspends: datetime.date | None = None
    deletes: datetime.date | None = None
    notice: Notice | None = None
    pay_by: datetime.date | None = None
    link: str = ""
    contest: Contest | None = None

    @property
    def takes_away(self) -> bool:
        """Whether a tenant loses something by it, now or on a day that it names."""
        return self.step in (Step.SUSPEND, Step.DELETE) or self.deletes is not None

"""The data of billing, without types of Stripe: subscriptions, invoices, tenants, and the decision about them.

Each time has a zone. Each date is a day in Switzerland, as customers read it in their letters.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum

ZONE_NAME = "Europe/Zurich"
PAID = frozenset(("active", "trialing"))
ENDED = frozenset(("canceled", "incomplete_expired"))
# The states of a deleted tenant, in addition to those of the inventory.
TRASHED, PURGED = "trashed", "purged"


@dataclasses.dataclass(frozen=True)
class Subscription:
    """The current state of a subscription. `status` is Stripe's, `prices` are the price ids of its items.

    `name` and `language` are the tenant name and the language that the customer ordered, or empty; what means one thing
    is that thing, all else is as the customer typed it. `email` is the customer's. `ended` is when it ended, `ends`
    when it is scheduled to end.
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
    """An invoice of a subscription. `status` is Stripe's; `attempted` tells whether Stripe has tried to charge it.

    `due` is set only if the customer pays by a due date. `link` is the payment page, or empty.
    """

    id: str
    status: str
    attempted: bool
    created: datetime.datetime
    finalized: datetime.datetime | None = None
    due: datetime.datetime | None = None
    link: str = ""

    def unpaid_since(self, now: datetime.datetime) -> datetime.datetime | None:
        """Return since when it is overdue; None if it is paid, void or not due yet. Retries do not change the time."""
        if self.status not in ("open", "uncollectible"):
            return None
        if self.due is not None:
            return self.due if self.due <= now else None
        return (self.finalized or self.created) if self.attempted else None


@dataclasses.dataclass(frozen=True)
class Notice:
    """A letter that announces the deletion on day `on`, `days` days before; `sent` once the relay has accepted it."""

    on: datetime.date
    days: int
    sent: bool = False

    def event(self, tenant: str) -> str:
        """Return the id in the outbox, under which this letter is sent only once."""
        return f"deletion_announced/{tenant}/{self.on.isoformat()}@{self.days}"


@dataclasses.dataclass(frozen=True)
class BillingTenant:
    """The tenant of a subscription; `state` is that of the inventory, or TRASHED or PURGED after a deletion.

    `plan` is empty if the operator gave it its own quota. `notices` are the announcements in the outbox, `reminded` the
    deadlines that letters about failed payments named. `spared_until` is the day after the last day on which another
    subscription paid for the name.
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
    """A subscription that names an existing tenant but has none itself; with all invoices, or the unpaid ones only."""

    subscription: Subscription
    invoices: tuple[Invoice, ...] = ()


@dataclasses.dataclass(frozen=True)
class Holder:
    """The tenant, in the inventory or in the trash, that already has the name of an order.

    `linked` is the id of its subscription, or empty. `subscription` is None if there is none, or Stripe does not know
    it.
    """

    name: str
    state: str
    linked: str = ""
    subscription: Subscription | None = None


@dataclasses.dataclass(frozen=True)
class Case:
    """All that a decision depends on: a subscription, its invoices and its tenant, and others with the same name.

    `tenant` is None if the subscription never had one; `holder` is then the tenant that has the name, if any. `claims`
    are other subscriptions that name the tenant.
    """

    subscription: Subscription
    invoices: tuple[Invoice, ...] = ()
    tenant: BillingTenant | None = None
    claims: tuple[Claim, ...] = ()
    holder: Holder | None = None


@dataclasses.dataclass(frozen=True)
class Contest:
    """A tenant whose own subscription is unpaid, while paid ones name it. The operator must decide whose it is."""

    tenant: str
    state: str
    own: Subscription
    payers: tuple[Subscription, ...]


class Step(enum.Enum):
    """The next step for a tenant; NOTHING also if a later day is set."""

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
    """The next step, the reason as a clause for messages, and the days of later steps.

    `plan` is the plan that was bought, or empty. `clock` is the first unpaid day; `suspends` and `deletes` follow from
    it. `notice` is a letter that is due, `pay_by` the deadline for a letter about a failed payment, `link` the payment
    page. `contest` is set if several subscriptions want the tenant.
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
        """Whether the tenant loses something, now or on the day of its deletion."""
        return self.step in (Step.SUSPEND, Step.DELETE) or self.deletes is not None

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
# The states of a payment that is on its way: the money may still come without anybody's doing.
UNDER_WAY = frozenset(("processing", "succeeded"))
REQUIRES_ACTION = "requires_action"


class Reason(enum.StrEnum):
    """Why a tenant is suspended or deleted; the values are those of `tenant_state_reason`."""

    UNPAID = "unpaid"
    CANCELLED = "cancelled"
    TRIAL_OVER = "trial_over"
    PAUSED = "paused"
    DISPUTED = "disputed"
    OPERATOR = "operator"


# What Stripe shows, so what billing may begin and end by itself; the others are the operator's.
OF_STRIPE = frozenset((Reason.UNPAID, Reason.CANCELLED, Reason.TRIAL_OVER, Reason.PAUSED))


@dataclasses.dataclass(frozen=True)
class Subscription:
    """The current state of a subscription. `status` is Stripe's, `prices` are the price ids of its items.

    `name` and `language` are the tenant name and the language that the customer ordered, or empty; what means one thing
    is that thing, all else is as the customer typed it. `email` is the customer's, `customer_name` the tenant name in
    the customer's own metadata. `ended` is when it ended, `end_cause` what Stripe gives as the cause; `ends` is when it
    is scheduled to end. `paused_cause` is why its status is "paused", `free` whether its invoices are written off as
    they come, because the operator gives it for free. `trial_ends` is the end of its trial. `quantities` belong to
    `prices`; without them it is one each. `now` is the time of its test clock, None for a real subscription.
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
    quantities: tuple[int, ...] = ()
    customer_name: str = ""
    end_cause: str = ""
    paused_cause: str = ""
    free: bool = False
    trial_ends: datetime.datetime | None = None
    now: datetime.datetime | None = None


@dataclasses.dataclass(frozen=True)
class Invoice:
    """An invoice of a subscription. `status` is Stripe's; `attempted` tells whether Stripe has tried to charge it.

    `due` is set only if the customer pays by a due date. `link` is the payment page, or empty. `cause` is Stripe's
    billing reason. `payment` is the state of the payment that is nearest to success, or empty; `act_until` is when an
    action of the customer expires, if Stripe says so. `amount` is what remains to be paid, in the smallest unit of
    `currency`, None if unknown. `covers` is the end of the period that it pays for, `problem` why Stripe could not
    finalise it.
    """

    id: str
    status: str
    attempted: bool
    created: datetime.datetime
    finalized: datetime.datetime | None = None
    due: datetime.datetime | None = None
    link: str = ""
    cause: str = "subscription_cycle"
    payment: str = ""
    act_until: datetime.datetime | None = None
    amount: int | None = None
    currency: str = ""
    covers: datetime.datetime | None = None
    problem: str = ""

    @property
    def is_owed(self) -> bool:
        """Whether something of it remains to be paid; it may not be due yet."""
        return self.status == "uncollectible" or (self.status == "open" and self.amount != 0)

    @property
    def is_under_way(self) -> bool:
        """Whether a payment of it is on its way, which takes days for a direct debit."""
        return self.is_owed and self.payment in UNDER_WAY

    @property
    def begun(self) -> datetime.datetime:
        """When it was finalised, so since when it can be paid."""
        return self.finalized or self.created

    def action_ends(self, action_days: int) -> datetime.datetime | None:
        """Return until when the customer can confirm its payment; None if there is nothing to confirm."""
        if not self.is_owed or self.status != "open" or self.payment != REQUIRES_ACTION:
            return None
        if self.act_until is not None:
            return self.act_until
        # Who pays by a due date has until that day anyway.
        return None if self.due is not None else self.begun + datetime.timedelta(days=action_days)

    def unpaid_since(self, now: datetime.datetime, action_days: int = 0) -> datetime.datetime | None:
        """Return since when it is overdue; None if it is paid, under way, to be confirmed, void or not due yet.

        Neither retries nor the time for a confirmation change the time.
        """
        if not self.is_owed or self.is_under_way:
            return None
        if (until := self.action_ends(action_days)) and now < until:
            return None
        if self.due is not None:
            return self.due if self.due <= now else None
        return self.begun if self.attempted else None


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
    subscription paid for the name, or a payment was under way while it was suspended. `reason` and `since` are why it
    is in its state and since which day, empty and None if nobody wrote it down. `email` is where its letters go.
    """

    name: str
    state: str
    plan: str = ""
    extended_until: datetime.date | None = None
    notices: tuple[Notice, ...] = ()
    reminded: tuple[datetime.date, ...] = ()
    spared_until: datetime.date | None = None
    reason: str = ""
    since: datetime.date | None = None
    email: str = ""


@dataclasses.dataclass(frozen=True)
class Claim:
    """Another subscription without a tenant that claims this one; with all invoices, or those that are not settled.

    It names the tenant, its customer does, or it is a plan of the tenant's own customer that names nobody.
    """

    subscription: Subscription
    invoices: tuple[Invoice, ...] = ()


@dataclasses.dataclass(frozen=True)
class Holder:
    """The tenant, in the inventory or in the trash, that already has the name of an order.

    `linked` is the id of its subscription, or empty. `subscription` is None if there is none, or Stripe does not know
    it. `reason` is why one in the trash was deleted, or empty.
    """

    name: str
    state: str
    linked: str = ""
    subscription: Subscription | None = None
    reason: str = ""


@dataclasses.dataclass(frozen=True)
class Case:
    """All that a decision depends on: a subscription, its invoices and its tenant, and all that claims the tenant.

    `tenant` is None if the subscription never had one; `holder` is then the tenant that has the name, if any. `claims`
    are other subscriptions that claim the tenant.
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


@dataclasses.dataclass(frozen=True)
class Note:
    """Something that the operator must know and that changes no tenant; `about` is the object at Stripe it concerns.

    `kind` is `not_finalised` or `beside_unpaid`.
    """

    kind: str
    about: str
    text: str


class Step(enum.Enum):
    """The next step for a tenant; NOTHING also if a later day is set. EXPLAIN: it is suspended for another reason."""

    NOTHING = "nothing"
    CREATE = "create"
    RESTORE = "restore"
    START = "start"
    CHANGE = "change"
    EXPLAIN = "explain"
    SUSPEND = "suspend"
    DELETE = "delete"
    NEEDS_ATTENTION = "needs_attention"


@dataclasses.dataclass(frozen=True)
class Decision:
    """The next step, the reason as a clause for messages, and the days of later steps.

    `plan` is the plan that was bought, or empty. `clock` is the first unpaid day; `suspends` and `deletes` follow from
    it. `notice` is a letter that is due, `pay_by` the deadline for a letter about a failed payment, `link` the payment
    page. With `confirm`, the payment has not failed, but the customer must confirm it. `contest` is set if several
    subscriptions want the tenant, `held` if only a payment of others, or one under way, prevents its deletion.
    `reason` is why the tenant loses something, `invoice` the one that must be paid first. With NEEDS_ATTENTION, `ends`
    is until when, as a clause; `parked` that somebody has paid an order for a tenant that exists, and must hear that
    it waits. With `leads`, the link is ours, and leads to whatever the customer must do.
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
    reason: Reason | None = None
    confirm: bool = False
    held: bool = False
    invoice: Invoice | None = None
    notes: tuple[Note, ...] = ()
    ends: str = ""
    leads: bool = False
    parked: bool = False

    @property
    def takes_away(self) -> bool:
        """Whether the tenant loses something, now or on the day of its deletion."""
        return self.step in (Step.SUSPEND, Step.DELETE) or self.deletes is not None

    @property
    def page(self) -> str:
        """The payment page for letters, empty for the platform's: an invoice helps only those who did not pay one."""
        return self.link if self.leads or self.reason in (None, Reason.UNPAID) else ""

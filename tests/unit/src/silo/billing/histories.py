"""Lives of customers, made by chance: what they do, what Stripe says of it, and what is right by their doings alone.

Nothing here uses the rules of silo: `Life.pays` and its neighbours say what is true in the words of the story, so that
the rules can be held against it. A day is looked at late, and all that happens on it happens in the morning.
"""

from __future__ import annotations

import dataclasses
import datetime
import random

from silo.billing.model import BillingTenant, Case, Claim, Holder, Invoice, Subscription
from silo.billing.policy import BillingPolicy

BEGIN = datetime.datetime(2027, 1, 4, 9, tzinfo=datetime.UTC)
LOOK = datetime.timedelta(hours=11)
MONTH = 30
NEVER = 10**6


def morning(day: int) -> datetime.datetime:
    return BEGIN + datetime.timedelta(days=day)


def date(day: int) -> datetime.date:
    return morning(day).date()


@dataclasses.dataclass
class Bill:
    """A bill in the words of the story: when it came, for what, and what became of it. Days count from BEGIN.

    `how` is card, slow (a direct debit), asks (the bank wants a confirmation), mail (to be paid by a day) or nothing
    (0 francs). `under_way` are the days on which money is on its way, first and last; `paid`, `void` and `given_up` are
    the days of an end. `until` is the end of the period that it is for.
    """

    name: str
    begun: int
    until: int
    how: str = "card"
    beside: bool = False
    due: int = 0
    under_way: tuple[tuple[int, int], ...] = ()
    paid: int = NEVER
    void: int = NEVER
    given_up: int = NEVER
    confirm_days: int = 0

    def is_coming(self, day: int) -> bool:
        return not self.is_settled(day) and any(first <= day <= last for first, last in self.under_way)

    def is_settled(self, day: int) -> bool:
        return self.how == "nothing" or day >= min(self.paid, self.void)

    def may_confirm(self, day: int) -> bool:
        left = self.how == "asks" and day < self.begun + self.confirm_days
        return left and not self.is_settled(day) and day < self.given_up

    def owed(self, day: int) -> bool:
        """Whether it should be paid by now, and is not, and nobody can do anything but wait for the customer."""
        if day < max(self.begun, self.due) or self.is_settled(day) or self.is_coming(day):
            return False
        return not self.may_confirm(day)

    def at(self, day: int) -> Invoice:
        """Return it as Stripe shows it on a day."""
        status, payment = "open", ""
        if self.how == "nothing" or day >= self.paid:
            status = "paid"
        elif day >= self.void:
            status = "void"
        elif day >= self.given_up:
            status = "uncollectible"
        if self.is_coming(day):
            payment = "processing"
        elif self.how == "asks" and status == "open":
            payment = "requires_action"
        return Invoice(
            self.name,
            status,
            attempted=not self.due,
            created=morning(self.begun),
            finalized=morning(self.begun),
            due=morning(self.due) if self.due else None,
            link=f"https://invoice.example/{self.name}",
            cause="subscription_update" if self.beside else "subscription_cycle",
            payment=payment,
            amount=0 if status == "paid" else 1000,
            currency="chf",
            covers=morning(self.until),
        )


class Contract:
    """One subscription: its bills come each month until it ends; the customer pays them by chance."""

    def __init__(self, life: Life, name: str, customer: str, begun: int, wished: str, trial: int = 0) -> None:
        self.life, self.name, self.customer, self.begun, self.wished = life, name, customer, begun, wished
        self.bills: list[Bill] = []
        self.ended = self.paused = NEVER
        self.trial = begun + trial if trial else 0
        self.next = begun
        self.conscience = life.chance.choice([0.995, 0.97, 0.8, 0.4])

    def live(self, day: int) -> None:
        if day < min(self.ended, self.paused) and day >= self.next:
            if self.trial and day == self.begun:
                self._bill(day, self.trial, "nothing")
                self.next = self.trial
            elif day == self.trial and self.life.chance.random() < 0.4:
                self.paused = day
            else:
                self._bill(day, day + MONTH)
                self.next = day + MONTH

    def _bill(self, day: int, until: int, how: str = "", beside: bool = False) -> None:
        chance = self.life.chance
        how = how or chance.choice(["card"] * 8 + ["slow", "slow", "asks", "mail", "nothing"])
        bill = Bill(f"in_{self.name}_{len(self.bills)}", day, until, how, beside)
        bill.confirm_days = self.life.policy.action_days
        honest = chance.random() < self.conscience
        late = chance.choice([1, 2, 4, 9, 16, 25, 33, 50])
        if how == "mail":
            bill.due = day + chance.choice([10, 20])
            bill.paid = day + chance.randrange(1, 10) if honest else self._sometime(bill.due + late)
        elif how == "slow":
            arrives = day + chance.randrange(2, 9)
            bill.under_way = ((day, arrives - 1),)
            bill.paid = arrives if honest else self._sometime(arrives + late)
        elif how == "asks":
            bill.paid = day + chance.randrange(0, 3) if honest and bill.confirm_days > 2 else self._sometime(day + late)
        elif how == "card":
            bill.paid = day if honest else self._sometime(day + late)
        if not honest and bill.paid < NEVER and how in ("card", "mail") and chance.random() < 0.4:
            # They pay at last, by a direct debit.
            bill.under_way = ((max(day, bill.paid - 5), bill.paid - 1),)
        if not honest and chance.random() < 0.1:
            bill.void = day + chance.randrange(1, 40)
        elif not honest and chance.random() < 0.15:
            bill.given_up = day + chance.randrange(1, 40)
        self.bills.append(bill)

    def _sometime(self, day: int) -> int:
        return day if self.life.chance.random() < 0.7 else NEVER

    def upgrade(self, day: int) -> None:
        """Something is asked for in the middle of a month."""
        until = max((bill.until for bill in self.bills), default=day)
        if until > day:
            self._bill(day, until, self.life.chance.choice(["card", "slow"]), beside=True)

    def end(self, day: int) -> None:
        self.ended = min(self.ended, day)

    def paid_until(self, day: int) -> int:
        done = [bill.until for bill in self.bills if bill.how == "nothing" or bill.paid <= day]
        if self.trial and day < self.trial:
            done.append(self.trial)
        return max(done, default=-1)

    def debts(self, day: int) -> list[tuple[int, Bill]]:
        """Return what is owed on a day, each with the day since which it is."""
        found, until = [], self.paid_until(day)
        for bill in self.bills:
            if not bill.owed(day):
                continue
            since = bill.due or bill.begun
            if day >= bill.given_up and self.life.policy.written_off == "until_paid" and until > since:
                continue
            if bill.beside or day < bill.given_up or self.life.policy.written_off == "until_paid":
                since = max(since, until)
            if since > day:
                continue
            found.append((since, bill))
        return found

    def is_over(self, day: int) -> bool:
        return day >= self.ended

    def is_paused(self, day: int) -> bool:
        return self.paused <= day < self.ended

    def coming(self, day: int) -> bool:
        return any(bill.is_coming(day) for bill in self.bills if bill.begun <= day)

    def pays(self, day: int) -> bool:
        """Whether it is a subscription for which nothing is owed; money may be on its way."""
        alive = self.begun <= day and not self.is_over(day) and not self.is_paused(day)
        return alive and not self.debts(day) and not self.is_incomplete(day)

    def is_incomplete(self, day: int) -> bool:
        """Whether not even the first payment has come."""
        first = self.bills[0]
        return first.how in ("slow", "asks", "card") and not first.is_settled(day) and day < first.given_up

    def since(self, day: int) -> int:
        """Return since when nothing is paid for it."""
        return min([since for since, _bill in self.debts(day)] + ([self.ended] if self.is_over(day) else []))

    def since_or_never(self, day: int) -> int | None:
        """Return since when nothing is paid, None where it is only paused."""
        return self.since(day) if self.debts(day) or self.is_over(day) else None

    def reason(self, day: int) -> str:
        if self.is_over(day):
            return "trial_over" if self.ended == self.trial else "cancelled"
        return "trial_over" if self.is_paused(day) and not self.debts(day) else "unpaid"

    def status(self, day: int) -> str:
        if self.is_over(day):
            return "canceled"
        if self.is_paused(day):
            return "paused"
        if self.trial and day < self.trial:
            return "trialing"
        if self.is_incomplete(day):
            return "incomplete"
        last = [bill for bill in self.bills if bill.begun <= day][-1:]
        failed = any(bill.owed(day) or bill.may_confirm(day) for bill in last)
        return "past_due" if failed and not all(day >= bill.given_up for bill in last) else "active"

    def subscription(self, day: int) -> Subscription:
        return Subscription(
            self.name,
            self.customer,
            self.status(day),
            ("price_small",),
            morning(self.begun),
            self.wished,
            ended=morning(self.ended) if self.is_over(day) else None,
            trial_ends=morning(self.trial) if self.trial else None,
            paused_cause="trial_end_without_payment_method" if self.is_paused(day) else "",
        )

    def invoices(self, day: int) -> tuple[Invoice, ...]:
        return tuple(bill.at(day) for bill in self.bills if bill.begun <= day)


class Life:
    """One customer's story: `own` is the contract of the tenant, `others` what else they or strangers ordered."""

    def __init__(self, seed: int, days: int) -> None:
        self.chance = chance = random.Random(seed)
        self.policy = BillingPolicy(
            {"price_small": "small"},
            grace_days=chance.choice([0, 0, 3, 7, 10]),
            deletion_days=chance.choice([25, 30, 30, 45]),
            notices=chance.choice([(14, 7, 1), (14, 7, 1), (7, 1), (10,)]),
            action_days=chance.choice([0, 3, 3, 5]),
            written_off=chance.choice(["until_paid", "until_paid", "unpaid"]),
        )
        self.days = days
        self.own = Contract(self, "sub_1", "cus_1", 0, "hans", chance.choice([0, 0, 0, 14]))
        self.others: list[Contract] = []
        self.extended: tuple[int, int] = (NEVER, NEVER)
        self.relay_away: tuple[int, int] = (NEVER, NEVER)
        self.disputed: tuple[int, int] = (NEVER, NEVER)
        if chance.random() < 0.2:
            begin = chance.randrange(days)
            self.relay_away = (begin, begin + chance.randrange(1, 40))
        if chance.random() < 0.3:
            begin = chance.randrange(days)
            self.disputed = (begin, begin + chance.randrange(3, 30))

    def live(self, day: int) -> None:
        """Let a morning happen."""
        chance = self.chance
        for contract in (self.own, *self.others):
            contract.live(day)
        if self.own.begun < day and chance.random() < 0.004:
            self.own.upgrade(day)
        if self.own.begun < day and chance.random() < (0.004 if not self.own.is_over(day) else 0):
            self.own.end(day)
        wants = 0.03 if self.own.is_over(day) else 0.01 if self.own.debts(day) else 0.001
        if len(self.others) < 2 and chance.random() < wants:
            self._order(day)
        for other in self.others:
            if other.begun < day and chance.random() < 0.02:
                other.end(day)
        is_free = self.extended[0] == NEVER or self.extended[1] <= day
        if is_free and self.own.debts(day) and chance.random() < 0.01:
            self.extended = (day, day + chance.randrange(2, 40))

    def _order(self, day: int) -> None:
        name = f"sub_{len(self.others) + 2 + day * 10}"
        customer = self.chance.choice(["cus_1", f"cus_{day}"])
        names = ["hans", "hans", "Hans"] + ([""] if customer == "cus_1" else [])
        other = Contract(self, name, customer, day, self.chance.choice(names))
        other.live(day)
        self.others.append(other)

    def is_extended(self, day: int) -> bool:
        return self.extended[0] <= day < self.extended[1]

    def is_disputed(self, day: int) -> bool:
        return self.disputed[0] <= day < self.disputed[1]

    def has_relay(self, day: int) -> bool:
        return not self.relay_away[0] <= day < self.relay_away[1]

    def claimed(self, day: int) -> bool:
        """Whether somebody else pays for the name, or is about to; who never paid, and only may confirm, does not."""
        live = [one for one in self.others if one.begun <= day and not one.is_over(day)]
        paying = [one for one in live if one.pays(day)]
        known = [one for one in paying if one.paid_until(day) >= 0 or not self._unconfirmed(one, day)]
        return bool(known) or any(one.coming(day) for one in live)

    def heir(self, day: int) -> Contract | None:
        """Return the next order of the same customer, which takes over once the own contract has ended."""
        found = [one for one in self.others if one.customer == self.own.customer and one.wished == "hans"]
        paying = [one for one in found if one.pays(day) and not one.coming(day) and not self._unconfirmed(one, day)]
        return paying[0] if paying and self.own.is_over(day) else None

    @staticmethod
    def _unconfirmed(one: Contract, day: int) -> bool:
        return any(bill.may_confirm(day) for bill in one.bills)

    def case(self, day: int, tenant: BillingTenant) -> Case:
        """Return what silo reads on a day, in no order that means anything."""
        claims = [Claim(one.subscription(day), one.invoices(day)) for one in self.others if not one.is_over(day)]
        until = date(self.extended[1]) if self.extended[0] <= day else None
        tenant = dataclasses.replace(tenant, extended_until=until)
        return Case(self.own.subscription(day), self.own.invoices(day), tenant, tuple(claims))

    def order_of(self, heir: Contract, day: int, state: str) -> Case:
        """Return what silo reads of an order for a name that the same customer's ended contract has."""
        holder = Holder("hans", state, self.own.name, self.own.subscription(day))
        return Case(heir.subscription(day), heir.invoices(day), None, (), holder)

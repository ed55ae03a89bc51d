"""Whole lives: who pays is never suspended or deleted, who does not is in time, and nobody is told what is false."""

import dataclasses
import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from silo.billing.decision import decide, today
from silo.billing.model import TRASHED, BillingTenant, Notice, Step
from tests.unit.examples import examples

from .histories import LOOK, MONTH, NEVER, Life, date, morning

MONTHS = 25
DAYS = MONTHS * MONTH
STEPS = 5
seeds = st.integers(0, 2**63)


@dataclasses.dataclass(frozen=True)
class Told:
    """A letter to the customer: its kind, and the day or the reason that it names."""

    day: int
    kind: str
    what: object


class Silo:
    """What silo has of one customer: it looks, decides and carries it out, as the reconciler does."""

    def __init__(self, life):
        self.life, self.tenant, self.told = life, BillingTenant("hans", "running", "small"), []
        self.held = None

    def look(self, day):
        """Look once, late on a day; return all decisions that were made."""
        self._deliver(day)
        if heir := self.heir(day):
            self.take_over(heir, day)
        made = []
        for _again in range(STEPS):
            case = self.life.case(day, dataclasses.replace(self.tenant, spared_until=self.held))
            decision = decide(case, self.life.policy, morning(day) + LOOK)
            made.append(decision)
            self._carry_out(decision, day)
            if decision.step in (Step.NOTHING, Step.NEEDS_ATTENTION):
                return made
        raise AssertionError(f"it goes on for ever: {made}")

    def heir(self, day):
        return self.life.heir(day) if self.tenant.state in ("running", "suspended", TRASHED) else None

    def take_over(self, heir, day):
        decision = decide(self.life.order_of(heir, day, self.tenant.state), self.life.policy, morning(day) + LOOK)
        assert decision.step is Step.CREATE, decision
        if self.tenant.state == TRASHED:
            self._becomes("running", day)
        self.life.others.remove(heir)
        self.life.own = heir

    def _carry_out(self, decision, day):
        if decision.held:
            self.held = date(day + 1)
        self._take_back(decision)
        if decision.step in (Step.START, Step.RESTORE):
            self._becomes("running", day)
        elif decision.step in (Step.SUSPEND, Step.EXPLAIN):
            self._becomes("suspended", day, decision.reason.value)
            self.told.append(Told(day, "suspended", decision.reason.value))
        elif decision.step is Step.DELETE:
            self._becomes(TRASHED, day, decision.reason.value)
            self.told.append(Told(day, "deleted", decision.reason.value))
        elif self.tenant.state != TRASHED:
            self._write(decision, day)

    def _becomes(self, state, day, reason=""):
        self.tenant = dataclasses.replace(self.tenant, state=state, reason=reason, since=date(day))

    def _write(self, decision, day):
        if decision.notice:
            notice = dataclasses.replace(decision.notice, sent=self.life.has_relay(day))
            self.tenant = dataclasses.replace(self.tenant, notices=(*self.tenant.notices, notice))
            if notice.sent:
                self.told.append(Told(day, "announced", (notice.on, decision.reason.value)))
        if decision.pay_by and decision.pay_by not in self.tenant.reminded:
            self.tenant = dataclasses.replace(self.tenant, reminded=(*self.tenant.reminded, decision.pay_by))
            self.told.append(Told(day, "confirm" if decision.confirm else "failed", decision.pay_by))

    def _take_back(self, decision):
        """Withdraw letters on their way that are not true any more."""
        kept = tuple(one for one in self.tenant.notices if one.sent or one.on == decision.deletes)
        self.tenant = dataclasses.replace(self.tenant, notices=kept)

    def _deliver(self, day):
        if self.life.has_relay(day):
            notices = tuple(dataclasses.replace(one, sent=True) for one in self.tenant.notices)
            self.tenant = dataclasses.replace(self.tenant, notices=notices)


class Oracle:
    """Says, by the story alone, what may and what must be on each day."""

    def __init__(self, life):
        self.life, self.own, self.run, self.grace, self.since = life, life.own, 0, 0, None

    def check(self, day, before, silo):
        """Hold a day against the story; `before` is the state of the evening before."""
        life, own, after = self.life, self.life.own, silo.tenant
        before_own, self.own = self.own, own
        if before_own is not own:
            # The next order has taken over.
            before = dataclasses.replace(before, reason="", since=date(day))
        pays, since = own.pays(day), None if own.pays(day) else own.since_or_never(day)
        told = [one for one in silo.told if one.day == day]
        spared = life.claimed(day)
        if pays and not life.is_disputed(day) and not self._waits(own, day, silo, before):
            assert after.state == "running", "who pays does not run"
        if before.state == "suspended" and self._must_stay(before, day):
            assert after.state != "running", "it runs before the money has come, or against the operator's will"
        if pays or spared:
            lost = (before.state, after.state)
            assert lost not in ((("running"), "suspended"), ("running", TRASHED), ("suspended", TRASHED)), lost
            assert not [one for one in told if one.kind in ("announced", "deleted", "failed")], told
        for one in told:
            self._is_true(one, day, since)
        if after.state == "suspended" and not pays and not spared and not life.is_disputed(day):
            assert after.reason == own.reason(day), (after.reason, own.reason(day))
        if after.state == TRASHED and before.state != TRASHED:
            self._was_right(day, since, silo)
        self._in_time(day, since, spared, silo)

    def _waits(self, own, day, silo, before):
        """Whether a tenant that was suspended waits for money that is on its way."""
        return before.state != "running" and own.coming(day)

    def _must_stay(self, before, day):
        """Whether a suspended tenant is not to be started: a dispute, or money on its way for what it was suspended."""
        life = self.life
        if before.reason == "disputed":
            return life.is_disputed(day)
        late = [bill for bill in life.own.bills if bill.is_coming(day) and date(bill.begun) < before.since]
        return bool(late) and not life.is_extended(day) and life.own is self.own

    def _is_true(self, told, day, since):
        own = self.life.own
        if told.kind == "failed":
            assert own.debts(day), "nothing had failed"
            assert told.what > date(day)
        elif told.kind == "confirm":
            assert any(bill.may_confirm(day) for bill in own.bills if bill.begun <= day), "there was nothing to confirm"
            assert told.what > date(day) or self.life.policy.action_days == 0
        elif told.kind == "announced":
            on, reason = told.what
            assert on > date(day)
            assert reason == own.reason(day)
            assert since is not None
            assert not own.coming(day)
        else:
            assert told.what == own.reason(day), (told, own.reason(day))
            assert since is not None or own.is_paused(day)

    def _was_right(self, day, since, silo):
        life = self.life
        assert since is not None
        assert day >= since + life.policy.deletion_days, "too early"
        assert not life.own.coming(day)
        assert not life.claimed(day)
        assert not life.is_extended(day)
        sent = [one.days for one in silo.tenant.notices if one.sent and one.on == date(day)]
        assert sent, "nobody was told of this day"

    def _in_time(self, day, since, spared, silo):
        """Count the days on which nothing speaks for the customer, and have it end."""
        life, own = self.life, self.life.own
        excused = since is None or spared or own.coming(day) or life.is_extended(day)
        later = not own.is_over(day) and since is not None and own.paid_until(day) > max(day, since)
        # What was paid, or forgiven, begins it anew with what is left.
        fresh = since is not None and self.since is not None and since > self.since
        excused, self.since = excused or fresh, since
        self.grace = 0 if excused else self.grace + 1
        self.run = 0 if excused or later or not life.has_relay(day) else self.run + 1
        policy = life.policy
        if self.grace > policy.grace_days + 1:
            assert silo.tenant.state in ("suspended", TRASHED), "who does not pay runs on"
        if self.run > policy.deletion_days + 2 * policy.notices[0] + 2:
            assert silo.tenant.state == TRASHED, "who does not pay is kept for ever"
        if own.is_paused(day) and not (spared or life.is_extended(day) or own.coming(day)):
            assert silo.tenant.state in ("suspended", TRASHED)


def lived(seed, looks=lambda _day: 1):
    """Live through a story, and look at each day as often as `looks` says; yield each evening."""
    life = Life(seed, DAYS)
    silo, oracle = Silo(life), Oracle(life)
    for day in range(DAYS):
        life.live(day)
        before = silo.tenant
        if life.disputed[0] == day and silo.tenant.state == "running":
            silo._becomes("suspended", day, "disputed")
            before = silo.tenant
        if life.disputed[1] == day and silo.tenant.reason == "disputed" and silo.tenant.state == "suspended":
            silo._becomes("running", day)
            before = silo.tenant
        count = looks(day)
        for _look in range(count):
            silo.look(day)
        if count:
            try:
                oracle.check(day, before, silo)
            except AssertionError as error:
                raise AssertionError(f"seed {seed}, day {day} ({date(day)}): {error}; {silo.tenant}") from error
        yield day, silo
    assert today(morning(0)) == date(0)


@examples(40, 4_000)
@given(seeds)
# An upgrade in the trial was not paid, and the trial ends without a card.
@example(10_000_000)
# What was owed is paid, and the next payment has to be confirmed.
@example(256_947_550)
# Another ordered the name and never paid; their second payment may be confirmed.
@example(419_184)
def test_who_pays_keeps_everything_and_who_does_not_is_told_suspended_and_deleted_in_time(seed):
    for _day in lived(seed):
        pass


@examples(15, 400)
@given(seeds)
def test_to_look_more_often_changes_nothing(seed):
    """Events that come twice are looks that come twice; what is lost is a look that only the night has."""
    chance = random.Random(seed)
    once = [(silo.tenant, list(silo.told)) for _day, silo in lived(seed)]
    often = [(silo.tenant, list(silo.told)) for _day, silo in lived(seed, lambda _day: chance.choice([1, 2, 3]))]
    assert once == often


@pytest.mark.long("120 lives, to see that the rare cases occur")
def test_the_lives_have_all_of_it():
    """A property over stories in which nothing happens proves nothing."""
    seen = set()
    for seed in range(120):
        for _day, silo in lived(seed):
            own = silo.life.own
            seen |= {one.kind for one in silo.told[-1:]} | {f"reason {silo.tenant.reason}", silo.tenant.state}
            seen |= {f"how {bill.how}" for bill in own.bills}
            if silo.life.claimed(_day):
                seen.add(f"claimed {silo.tenant.state}")
            seen |= {name for name in ("given_up", "void") for bill in own.bills if getattr(bill, name) < NEVER}
    assert seen >= {
        *("announced", "failed", "confirm", "suspended", "deleted", "running", TRASHED),
        *("reason unpaid", "reason cancelled", "reason trial_over", "reason disputed"),
        *("how card", "how slow", "how asks", "how mail", "how nothing", "given_up", "void"),
        *("claimed running", "claimed suspended"),
    }


@pytest.mark.parametrize("sent", [True, False])
def test_a_notice_of_another_day_is_none(sent):
    """The oracle itself sees a deletion of which nobody was told."""
    life = Life(1, DAYS)
    silo = Silo(life)
    life.own.end(1)
    notices = (Notice(date(40), 1, sent),)
    silo.tenant = dataclasses.replace(silo.tenant, state=TRASHED, notices=notices, reason="cancelled")
    with pytest.raises(AssertionError, match="nobody was told"):
        Oracle(life)._was_right(45, 1, silo)

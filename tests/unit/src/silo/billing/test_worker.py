"""The worker, with rules of the test: what each of its answers makes of an event, and what the order keeps.

It is also the contract of the engine: what others lose work by, as a new version of the code or a job that fails for
good, is nothing to it.
"""

import collections
import json
import threading
import time

import pytest

from silo.billing.errors import NeedsAttention, NeedsAttentionReported, TryLater
from silo.billing.inbox import Inbox
from silo.billing.protocols import EventOutcome
from silo.billing.stripe.events import Event
from silo.billing.worker import ATTEMPTS, WORTH_A_LETTER, TakenError, Worker, alone, wait_seconds
from tests.unit.patience import PATIENCE


class Clock:
    now = 1_000_000.0

    def __call__(self):
        return self.now


class Rules:
    """Notes what it is asked, and answers as it is told: an error to raise each, by subscription."""

    def __init__(self):
        self.asked, self.answers, self.opened = [], collections.defaultdict(list), 0
        self.waits = []

    def open(self):
        self.opened += 1
        return self

    def settle(self, subscription):
        self.asked.append(subscription)
        if self.answers[subscription]:
            raise self.answers[subscription].pop(0)
        return EventOutcome(f"{subscription} is as it should be")

    def consider(self, event):
        self.asked.append(event["id"])
        return EventOutcome("nothing is asked")

    def waiting(self):
        return tuple(self.waits)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def inbox(tmp_path, clock):
    return Inbox(tmp_path / "inbox.db", clock)


@pytest.fixture
def rules():
    return Rules()


@pytest.fixture
def told():
    return []


@pytest.fixture
def worker(inbox, rules, told):
    return Worker(inbox, rules.open, told.append)


def event(number, subscription="sub_1"):
    body = json.dumps({"id": f"evt_{number}"}).encode()
    return Event(f"evt_{number}", "invoice.paid" if subscription else "customer.updated", 7.0, subscription, body)


def work(worker, inbox):
    """Do what is due now, one after the other."""
    for row in inbox.due(100):
        worker.work(row)


def states(inbox):
    return {row.id: (row.state, row.attempts, row.message) for row in inbox.rows()}


def test_a_subscription_is_settled_and_anything_else_considered(worker, inbox, rules):
    inbox.keep([event(1), event(2, "")])
    work(worker, inbox)
    assert rules.asked == ["sub_1", "evt_2"]
    assert states(inbox) == {
        "evt_1": ("done", 1, "sub_1 is as it should be"),
        "evt_2": ("done", 1, "nothing is asked"),
    }
    assert rules.opened == 2


def test_what_may_go_better_later_waits_longer_each_time_and_never_ends(worker, inbox, rules, clock, told):
    inbox.keep([event(1), event(2)])
    rules.answers["sub_1"] = [TryLater("Stripe does not answer")] * 40
    waits = []
    for _ in range(40):
        (row,) = inbox.due(9)
        worker.work(row)
        waits.append(inbox.rows(["new"])[-1].due - clock.now)
        clock.now += waits[-1]
    assert waits[:4] == [30, 60, 120, 240]
    assert waits[-1] == max(waits) == 3600
    assert sum(waits[: WORTH_A_LETTER - 1]) <= 3600 + 600
    assert {trouble.key for trouble in told} == {"billing/waiting/evt_1"}
    assert "Stripe does not answer" in told[0].text
    work(worker, inbox)
    work(worker, inbox)
    assert [state for state, *_ in states(inbox).values()] == ["done", "done"]


def test_what_cannot_be_without_guessing_needs_attention_and_told_once_a_day(worker, inbox, rules, clock, told):
    rules.answers["sub_1"] = [NeedsAttention("price_9 is no plan of ours")] * 3
    for number in range(3):
        inbox.keep([event(number)])
        work(worker, inbox)
        clock.now += 86400 / 2
    assert states(inbox)["evt_0"] == ("needs_attention", 1, "price_9 is no plan of ours")
    assert len({trouble.key for trouble in told}) == 2
    assert "silo billing retry evt_0" in told[0].text
    assert inbox.due(9) == []


def test_what_has_a_letter_of_its_own_needs_attention_without_another(worker, inbox, rules, told):
    rules.answers["sub_1"] = [NeedsAttentionReported("sub_2 pays for hans")]
    inbox.keep([event(1)])
    work(worker, inbox)
    assert states(inbox)["evt_1"] == ("needs_attention", 1, "sub_2 pays for hans")
    assert told == []


def test_what_fails_by_a_mistake_of_ours_is_tried_and_then_told(worker, inbox, rules, clock, told):
    inbox.keep([event(1), event(2, "sub_2")])
    rules.answers["sub_1"] = [KeyError("quota")] * ATTEMPTS
    for _ in range(ATTEMPTS):
        clock.now += 3600
        work(worker, inbox)
    assert states(inbox)["evt_1"] == ("failed", ATTEMPTS, """KeyError: "'quota'\"""")
    assert states(inbox)["evt_2"][0] == "done"
    assert [trouble.key for trouble in told][-1] == "billing/failed/evt_1"
    # It holds nobody: the next of its line is done, and it with that.
    inbox.keep([event(3)])
    work(worker, inbox)
    assert states(inbox)["evt_1"][0] == states(inbox)["evt_3"][0] == "done"


def test_what_waits_elsewhere_is_settled_each_and_what_becomes_of_it_is_told(worker, rules, told):
    rules.waits = ["sub_1", "sub_2", "sub_3", "sub_4"]
    rules.answers["sub_1"] = [TryLater("Stripe does not answer")]
    rules.answers["sub_2"] = [NeedsAttention("another tenant has its name", "Tenant: hans")] * 2
    rules.answers["sub_3"] = [NeedsAttentionReported("sub_9 pays for hans")]
    for _again in range(2):
        worker.revisit()
    assert rules.asked == [*rules.waits, *rules.waits]
    assert len({trouble.key for trouble in told}) == 1
    assert "another tenant has its name" in told[0].subject
    assert "Tenant: hans" in told[0].text


def test_a_mistake_with_one_that_waits_elsewhere_keeps_no_other_waiting(worker, rules):
    rules.waits = ["sub_1", "sub_2"]
    rules.answers["sub_1"] = [KeyError("quota")]
    worker.revisit()
    assert rules.asked == ["sub_1", "sub_2"]


def test_what_waits_elsewhere_is_looked_at_while_it_runs_and_a_mistake_stops_nothing(tmp_path):
    inbox, rules = Inbox(tmp_path / "inbox.db"), Rules()
    rules.waits = ["sub_7"]
    rules.answers["sub_7"] = [KeyError("quota")]
    inbox.keep([event(1)])
    run(Worker(inbox, rules.open, print), lambda: {"sub_1", "sub_7"} <= set(rules.asked))
    assert [row.state for row in inbox.rows()] == ["done"]


def test_a_letter_that_cannot_be_written_stops_nobody(inbox, rules):
    def no_relay(_trouble):
        raise OSError("no relay")

    inbox.keep([event(1), event(2)])
    rules.answers["sub_1"] = [NeedsAttention("price_9 is no plan of ours")]
    worker = Worker(inbox, rules.open, no_relay)
    work(worker, inbox)
    work(worker, inbox)
    assert states(inbox)["evt_2"][0] == "done"


def test_rules_that_cannot_be_opened_are_tried_again(inbox, told):
    def broken():
        raise TryLater("the inventory cannot be read")

    inbox.keep([event(1)])
    work(Worker(inbox, broken, told.append), inbox)
    assert states(inbox)["evt_1"] == ("new", 1, "the inventory cannot be read")


def test_one_inbox_has_one_worker(inbox):
    with alone(inbox), pytest.raises(TakenError, match="another worker"), alone(inbox):
        pass
    with alone(inbox):
        pass


@pytest.mark.parametrize(("attempts", "seconds"), [(1, 30), (2, 60), (8, 3600), (10_000, 3600)])
def test_waits(attempts, seconds):
    assert wait_seconds(attempts) == seconds


class Slow(Rules):
    """Notes who works beside whom."""

    def __init__(self):
        super().__init__()
        self.lock, self.now, self.beside, self.order = threading.Lock(), [], 0, collections.defaultdict(list)

    def settle(self, subscription):
        with self.lock:
            assert subscription not in self.now, "two of one queue key at once"
            self.now.append(subscription)
            self.beside = max(self.beside, len(self.now))
        time.sleep(0.02)
        with self.lock:
            self.now.remove(subscription)
        return super().settle(subscription)


def run(worker, until):
    stop, looks = threading.Event(), []
    thread = threading.Thread(target=worker.run, args=(stop, lambda: looks.append(1)))
    thread.start()
    deadline = time.monotonic() + PATIENCE
    while not until() and time.monotonic() < deadline:
        time.sleep(0.02)
    stop.set()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert looks
    assert until()


def test_lines_go_side_by_side_up_to_a_bound_and_each_in_its_order(tmp_path):
    inbox, rules = Inbox(tmp_path / "inbox.db"), Slow()
    inbox.keep([event(number, f"sub_{number % 6}") for number in range(60)])
    run(Worker(inbox, rules.open, print, lanes=3), lambda: inbox.tally().counts["done"] == 60)
    assert rules.beside == 3
    assert collections.Counter(rules.asked) == {f"sub_{number}": 10 for number in range(6)}
    ended = [row.id for row in reversed(inbox.rows())]
    assert ended == [f"evt_{number}" for number in range(60)]
    assert {row.attempts for row in inbox.rows()} == {1}


def test_what_comes_while_it_works_is_found(tmp_path):
    inbox, rules = Inbox(tmp_path / "inbox.db"), Rules()
    threading.Timer(0.3, lambda: Inbox(inbox.path).keep([event(1)])).start()
    run(Worker(inbox, rules.open, print), lambda: inbox.tally().counts["done"] == 1)


def test_a_stop_waits_for_what_is_under_way(tmp_path):
    inbox, rules = Inbox(tmp_path / "inbox.db"), Slow()
    inbox.keep([event(1)])
    run(Worker(inbox, rules.open, print), lambda: bool(rules.now or rules.asked))
    assert [row.state for row in inbox.rows()] == ["done"]


def test_an_inbox_that_is_away_for_a_while_is_waited_for(tmp_path, caplog):
    inbox, rules = Inbox(tmp_path / "inbox.db"), Rules()
    inbox.keep([event(1)])
    away = inbox.path.rename(tmp_path / "away.db")
    threading.Timer(0.8, lambda: away.rename(inbox.path)).start()
    run(Worker(inbox, rules.open, print), lambda: rules.asked and inbox.tally().counts["done"] == 1)
    assert "the inbox; the next poll tries again" in caplog.text

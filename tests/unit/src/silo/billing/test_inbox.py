"""The inbox: once, in order, on disk; by processes of two users."""

import sqlite3
import stat

import pytest

from silo.billing.inbox import Inbox
from silo.billing.stripe.events import Event


class Clock:
    now = 1_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def inbox(tmp_path, clock):
    return Inbox(tmp_path / "inbox.db", clock)


def event(number, subscription="sub_1", kind="invoice.paid"):
    return Event(f"evt_{number}", kind, 7.0, subscription, b'{"id": "as it came"}')


def ids(rows):
    return [row.id for row in rows]


def test_an_event_is_kept_once_with_the_bytes_that_came(inbox):
    assert inbox.keep([event(1), event(2), event(1)]) == [True, True, False]
    assert inbox.keep([event(2)]) == [False]
    (first,) = inbox.due(9)
    assert (first.id, first.body, first.subscription, first.attempts) == ("evt_1", b'{"id": "as it came"}', "sub_1", 0)


def test_a_type_that_asks_for_nothing_is_kept_and_waits_for_nobody(inbox):
    inbox.keep([event(1, kind="customer.tax_id.created")])
    assert inbox.due(9) == []
    (row,) = inbox.rows()
    assert (row.state, row.message, row.body) == (
        "done",
        "events of this type ask for nothing",
        b'{"id": "as it came"}',
    )


def test_the_first_of_each_line_is_due_and_none_behind_it(inbox):
    inbox.keep([event(1), event(2), event(3, "sub_2"), event(4, ""), event(5, "")])
    assert ids(inbox.due(9)) == ["evt_1", "evt_3", "evt_4", "evt_5"]
    assert ids(inbox.due(2)) == ["evt_1", "evt_3"]
    inbox.end("evt_1", "done", "hans runs")
    assert ids(inbox.due(1)) == ["evt_2"]


def test_one_that_is_put_off_holds_its_line_and_no_other(inbox, clock):
    inbox.keep([event(1), event(2), event(3, "sub_2")])
    inbox.begin("evt_1")
    inbox.postpone("evt_1", 30, "Stripe does not answer")
    assert ids(inbox.due(9)) == ["evt_3"]
    clock.now += 30
    first, _other = inbox.due(9)
    assert (first.id, first.attempts, first.message) == ("evt_1", 1, "Stripe does not answer")


@pytest.mark.parametrize("state", ["needs_attention", "failed"])
def test_one_that_needs_the_operator_holds_nobody_and_can_be_tried_again(inbox, state):
    inbox.keep([event(1), event(2)])
    inbox.begin("evt_1")
    assert inbox.end("evt_1", state, "price_9 is no plan of ours")
    assert ids(inbox.due(9)) == ["evt_2"]
    assert inbox.again("evt_1")
    assert [(row.id, row.attempts) for row in inbox.due(9)] == [("evt_1", 0)]
    assert not inbox.again("evt_1")


def test_an_end_is_said_once(inbox):
    inbox.keep([event(1)])
    assert inbox.end("evt_1", "done", "hans runs")
    assert not inbox.end("evt_1", "failed", "too late")
    inbox.postpone("evt_1", 30, "too late")
    assert [(row.state, row.message) for row in inbox.rows()] == [("done", "hans runs")]
    assert not inbox.again("evt_1")


def test_what_is_done_later_is_done_for_those_of_its_line_that_waited_for_the_operator(inbox):
    inbox.keep([event(1), event(2, "sub_2"), event(3), event(4)])
    for one in ("evt_1", "evt_2", "evt_4"):
        inbox.end(one, "needs_attention", "no such price")
    inbox.end("evt_3", "done", "hans runs")
    assert {row.id: (row.state, row.message) for row in inbox.rows()} == {
        "evt_1": ("done", "done with evt_3"),
        "evt_2": ("needs_attention", "no such price"),
        "evt_3": ("done", "hans runs"),
        "evt_4": ("needs_attention", "no such price"),
    }


def test_what_is_done_is_forgotten_in_time_and_nothing_else_is(inbox, clock):
    inbox.keep([event(1), event(2, "sub_2"), event(3, "sub_3")])
    inbox.end("evt_1", "done", "")
    inbox.end("evt_2", "needs_attention", "")
    clock.now += 89 * 86400
    assert inbox.forget(90) == 0
    assert inbox.keep([event(1)]) == [False]
    clock.now += 2 * 86400
    assert inbox.forget(90) == 1
    assert ids(inbox.rows()) == ["evt_3", "evt_2"]


def test_it_counts_what_waits_and_since_when(inbox, clock):
    assert inbox.tally().oldest is None
    inbox.keep([event(1), event(2)])
    clock.now += 60
    inbox.keep([event(3, "sub_2")])
    inbox.end("evt_1", "needs_attention", "")
    tally = inbox.tally()
    assert tally.counts == {"new": 2, "done": 0, "needs_attention": 1, "failed": 0}
    assert clock.now - tally.oldest == 60


def test_its_files_are_for_its_owner_and_its_group(inbox):
    with inbox._database() as database:
        database.execute("SELECT count(*) FROM event").fetchone()
        files = {file.name: stat.S_IMODE(file.stat().st_mode) for file in inbox.path.parent.iterdir()}
    assert files == {"inbox.db": 0o660, "inbox.db-wal": 0o660, "inbox.db-shm": 0o660}


def test_every_write_is_on_disk_before_it_is_told(inbox):
    with inbox._database() as database:
        assert database.execute("PRAGMA synchronous").fetchone() == (2,)
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_write_that_fails_keeps_none_of_its_events(inbox):
    bad = Event("evt_2", "invoice.paid", 7.0, "sub_1", None)
    with pytest.raises(sqlite3.IntegrityError):
        inbox.keep([event(1), bad])
    assert inbox.rows() == []
    inbox.probe()

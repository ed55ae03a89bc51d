"""The inbox: once, in order, on disk; by processes of two users."""

import contextlib
import os
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
        "silo does not process events of this type",
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


def test_what_needs_attention_is_looked_at_again_the_last_of_each_line_and_no_line_with_a_new_event(inbox, clock):
    inbox.keep([event(1), event(2), event(3, "sub_2"), event(4, "sub_3"), event(5, "")])
    for one in ("evt_1", "evt_2", "evt_3", "evt_4"):
        inbox.end(one, "needs_attention", "no such price", ends="there is one", seconds=30)
    inbox.end("evt_5", "failed", "KeyError", seconds=60)
    inbox.keep([event(6, "sub_3")])
    assert inbox.parked(9) == []
    clock.now += 30
    assert ids(inbox.parked(9)) == ["evt_2", "evt_3"]
    assert ids(inbox.parked(1)) == ["evt_2"]
    inbox.look_later("evt_2", 60)
    clock.now += 30
    assert ids(inbox.parked(9)) == ["evt_3", "evt_5"]
    # It is what it was until then, and what was tried again by hand meanwhile stays so.
    assert inbox.end("evt_3", "done", "hans runs", was="needs_attention")
    assert inbox.again("evt_5")
    assert not inbox.end("evt_5", "failed", "KeyError", was="failed")
    assert {row.id: (row.state, row.ends) for row in inbox.rows()} == {
        "evt_1": ("needs_attention", "there is one"),
        "evt_2": ("needs_attention", "there is one"),
        "evt_3": ("done", ""),
        "evt_4": ("needs_attention", "there is one"),
        "evt_5": ("new", ""),
        "evt_6": ("new", ""),
    }


def test_an_inbox_of_an_older_version_learns_until_when_an_event_waits(inbox):
    inbox.keep([event(1)])
    with contextlib.closing(sqlite3.connect(inbox.path)) as database, database:
        database.execute("ALTER TABLE event DROP COLUMN ends")
    (row,) = Inbox(inbox.path).rows()
    assert (row.id, row.ends) == ("evt_1", "")


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


def test_what_is_done_is_forgotten_in_time_and_later_what_nobody_attended_to(inbox, clock):
    inbox.keep([event(1), event(2, "sub_2"), event(3, "sub_3")])
    inbox.end("evt_1", "done", "")
    inbox.end("evt_2", "needs_attention", "")
    clock.now += 89 * 86400
    assert inbox.forget(90, 365) == 0
    assert inbox.keep([event(1)]) == [False]
    clock.now += 2 * 86400
    assert inbox.forget(90, 365) == 0
    assert ids(inbox.rows()) == ["evt_3", "evt_2"]
    clock.now += 275 * 86400
    assert inbox.forget(90, 365) == 1
    assert ids(inbox.rows()) == ["evt_3"], "what is new waits for Stripe or a machine, and is never given up"
    assert b"evt_2" not in inbox.path.read_bytes()


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


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("subscription", "/etc/nologin"),
        ("subscription", "../x"),
        ("subscription", b"sub_1"),
        ("id", "evt_1\nBcc: x@example.ch"),
        ("id", "x" * 10**6),
        ("type", "\x1b[2J"),
        ("received", 1e300),
        ("received", "then"),
        ("attempts", -5),
        ("body", "text"),
        ("body", b"x" * 2 * 10**6),
        ("message", b"\xff"),
    ],
)
def test_a_row_that_the_webhook_server_does_not_write_fails_and_holds_nobody(inbox, column, value):
    inbox.keep([event(1), event(2, "sub_2")])
    with inbox._database() as database:
        database.execute(f"UPDATE event SET {column} = ? WHERE id = 'evt_1'", (value,))
    assert ids(inbox.due(9)) == ["evt_2"]
    assert ids(inbox.due(9)) == ["evt_2"]
    (failed,) = inbox.rows(["failed"])
    for text in (failed.id, failed.type, failed.subscription, failed.message):
        assert text.isprintable()


def test_a_text_that_is_none_hides_no_other(inbox):
    inbox.keep([event(1), event(2, "sub_2")])
    with inbox._database() as database:
        database.execute("UPDATE event SET type = CAST(X'ff41' AS TEXT) WHERE id = 'evt_1'")
    assert ids(inbox.due(9)) == ["evt_2"]


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm", "-journal"])
@pytest.mark.parametrize("kind", ["link", "pipe", "hard link"])
def test_nothing_is_written_through_a_file_that_is_another(inbox, tmp_path, suffix, kind):
    other, place = tmp_path / "other", inbox.path.with_name(f"inbox.db{suffix}")
    other.write_text("root's own")
    place.unlink(missing_ok=True)
    {"link": place.symlink_to, "hard link": place.hardlink_to, "pipe": lambda _other: os.mkfifo(place)}[kind](other)
    with pytest.raises(OSError, match=f"inbox.db{suffix} must be a regular file with one name"):
        inbox.due(9)
    with pytest.raises(OSError, match="."):
        Inbox(inbox.path)
    assert other.read_text() == "root's own"

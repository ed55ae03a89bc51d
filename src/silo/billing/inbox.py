"""The inbox stores each event of Stripe once, on disk before Stripe gets its answer.

It is the only queue: the webhook server adds rows, and the worker takes the oldest row of each queue key.
"""

from __future__ import annotations

import contextlib
import dataclasses
import sqlite3
import time
import typing as t
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from ansible_collections.swissphoto.silo.plugins.module_utils.common import sqlite
from ansible_collections.swissphoto.silo.plugins.module_utils.common.text import printable

from silo.billing.stripe.events import ID, TYPE, WANTED, Event
from silo.identifiers import SUBSCRIPTION

State = t.Literal["new", "done", "needs_attention", "failed"]
STATES: tuple[State, ...] = t.get_args(State)
# Numbers in a row are less than this; times are seconds since 1970.
LATEST = 2**40
MODE = 0o660  # the owner is the webhook server, and the worker is in the group
IGNORED = "silo does not process events of this type"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS event (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, type TEXT NOT NULL, queue_key TEXT NOT NULL,
    subscription TEXT NOT NULL, created REAL NOT NULL, received REAL NOT NULL, body BLOB NOT NULL,
    state TEXT NOT NULL DEFAULT 'new' CHECK (state IN ('new', 'done', 'needs_attention', 'failed')),
    attempts INTEGER NOT NULL DEFAULT 0, due REAL NOT NULL DEFAULT 0, ended REAL, message TEXT NOT NULL DEFAULT '',
    ends TEXT NOT NULL DEFAULT '');
CREATE INDEX IF NOT EXISTS waiting ON event (queue_key, seq) WHERE state = 'new';
CREATE INDEX IF NOT EXISTS asking ON event (queue_key) WHERE state IN ('needs_attention', 'failed');
"""
# The webhook server faces the internet and owns the file, so the worker reads no value larger than these limits.
LARGEST_BODY, LARGEST_TEXT = 1024**2, 4096
NOT_OURS = "the webhook server does not write such a row; look up the event at Stripe, and examine that server"
_COLUMNS = ", ".join(
    [
        *(f"CASE WHEN length({name}) <= {LARGEST_TEXT} THEN {name} END" for name in ("id", "type", "subscription")),
        f"received, CASE WHEN length(body) <= {LARGEST_BODY} THEN body END",
        f"state, attempts, due, substr(message, 1, {LARGEST_TEXT}), substr(ends, 1, {LARGEST_TEXT})",
    ]
)


def _prepare(database: sqlite3.Connection) -> None:
    sqlite.run_script(database, _SCHEMA)
    if "ends" not in {column for _place, column, *_about in database.execute("PRAGMA table_info(event)")}:
        database.execute("ALTER TABLE event ADD COLUMN ends TEXT NOT NULL DEFAULT ''")


@dataclasses.dataclass(frozen=True)
class Row:
    """An event in the inbox. `received` and `due` are seconds since 1970; `message` is the last result or error.

    `due` is when silo looks at it next, also if it needs attention or failed; `ends` is until when it waits, as a
    clause, or empty.
    """

    id: str
    type: str
    subscription: str
    received: float
    body: bytes
    state: State
    attempts: int
    due: float
    message: str
    ends: str = ""

    @property
    def is_ours(self) -> bool:
        """Whether the webhook server could have written it. Values end up in file names, letters and times."""
        texts = ((ID, self.id), (TYPE, self.type), (SUBSCRIPTION, self.subscription or "sub_none"))
        numbers = (self.received, self.attempts, self.due)
        return (
            all(isinstance(text, str) and pattern.fullmatch(text) for pattern, text in texts)
            and all(isinstance(number, int | float) and 0 <= number < LATEST for number in numbers)
            and isinstance(self.body, bytes)
            and isinstance(self.message, str)
            and isinstance(self.ends, str)
        )

    @property
    def shown(self) -> Row:
        """The row itself, or a printable replacement if it is not ours."""
        if self.is_ours:
            return self
        name, kind, subscription = (printable(str(text)) for text in (self.id, self.type, self.subscription))
        message = printable(str(self.message), LARGEST_TEXT)
        return Row(
            name, kind, subscription, 0.0, b"", self.state if self.state in STATES else "failed", 0, 0.0, message
        )

    @property
    def queue_key(self) -> str:
        """Events with the same key are processed in order, as Event.queue_key."""
        return self.subscription or self.id


@dataclasses.dataclass(frozen=True)
class Tally:
    """The number of events by state; `oldest` is when the oldest new one was received, in seconds since 1970."""

    counts: dict[State, int]
    oldest: float | None


class Inbox:
    """The events in an SQLite file. Several processes may use it; each call is atomic, and on disk when it returns."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        """Create the file if it is missing; `clock` returns seconds since 1970. Raises OSError, sqlite3.Error."""
        self.path, self._clock = path, clock
        # SQLite gives its journal files the same mode.
        sqlite.connect(path, _prepare, mode=MODE).close()

    @contextlib.contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        # A missing file is an error, not an empty inbox.
        with contextlib.closing(sqlite.connect(self.path)) as database:
            # Triggers and views in the file can call only harmless functions.
            database.execute("PRAGMA trusted_schema=OFF")
            database.text_factory = lambda raw: raw.decode(errors="replace")
            database.execute("PRAGMA secure_delete=ON")  # overwrites removed rows, which contain addresses
            yield database

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._database() as database, sqlite.transaction(database):
            yield database

    def keep(self, events: Iterable[Event]) -> list[bool]:
        """Store events in one transaction; return for each of them, in their order, whether it is new."""
        now, fresh = self._clock(), []
        with self._transaction() as database:
            for event in events:
                state, message = ("new", "") if event.type in WANTED else ("done", IGNORED)
                added = database.execute(
                    "INSERT INTO event (id, type, queue_key, subscription, created, received, body, state, message)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
                    (
                        *(event.id, event.type, event.queue_key, event.subscription, event.created),
                        *(now, event.body, state, message),
                    ),
                ).rowcount
                fresh.append(bool(added))
        return fresh

    def due(self, limit: int) -> list[Row]:
        """Return the first new event of each queue key, if it is due; the oldest first, at most `limit`.

        A row that is not ours becomes failed, so that it blocks no other event.
        """
        with self._database() as database:
            rows = database.execute(
                f"SELECT seq, {_COLUMNS} FROM event AS one WHERE state = 'new' AND due <= ? AND NOT EXISTS ("  # noqa: S608
                " SELECT 1 FROM event AS other"
                " WHERE state = 'new' AND other.queue_key = one.queue_key AND other.seq < one.seq)"
                " ORDER BY seq LIMIT ?",
                (self._clock(), limit),
            ).fetchall()
        found = {seq: Row(*values) for seq, *values in rows}
        if others := [seq for seq, row in found.items() if not row.is_ours]:
            with self._transaction() as database:
                database.executemany(
                    "UPDATE event SET state = 'failed', message = ?, ended = ? WHERE seq = ?",
                    [(NOT_OURS, self._clock(), seq) for seq in others],
                )
        return [row for seq, row in found.items() if seq not in others]

    def parked(self, limit: int) -> list[Row]:
        """Return the last event that needs attention or failed of each queue key without a new one, if it is due.

        The cause may be gone. At most `limit`, the oldest first; rows that are not ours are left out.
        """
        with self._database() as database:
            rows = database.execute(
                # The worker asks twice a second, and most events are done; each subquery has an index of its own.
                f"SELECT {_COLUMNS} FROM event AS one INDEXED BY asking"  # noqa: S608
                " WHERE state IN ('needs_attention', 'failed') AND due <= ? AND NOT EXISTS ("
                " SELECT 1 FROM event AS other WHERE state = 'new' AND other.queue_key = one.queue_key)"
                " AND NOT EXISTS (SELECT 1 FROM event AS other WHERE state IN ('needs_attention', 'failed')"
                " AND other.queue_key = one.queue_key AND other.seq > one.seq)"
                " ORDER BY seq LIMIT ?",
                (self._clock(), limit),
            ).fetchall()
        return [row for row in (Row(*values) for values in rows) if row.is_ours]

    def begin(self, event_id: str) -> None:
        """Count an attempt before it starts, so that one that kills the process counts as well."""
        with self._transaction() as database:
            database.execute("UPDATE event SET attempts = attempts + 1 WHERE id = ?", (event_id,))

    def postpone(self, event_id: str, seconds: float, message: str, ends: str = "") -> None:
        """Leave an event new, and retry it after `seconds`; later events of its queue key wait for it."""
        with self._transaction() as database:
            database.execute(
                "UPDATE event SET due = ?, message = ?, ends = ? WHERE id = ? AND state = 'new'",
                (self._clock() + seconds, message, ends, event_id),
            )

    def look_later(self, event_id: str, seconds: float) -> None:
        """Look at an event that needs attention or failed again after `seconds`."""
        with self._transaction() as database:
            database.execute(
                "UPDATE event SET due = ? WHERE id = ? AND state IN ('needs_attention', 'failed')",
                (self._clock() + seconds, event_id),
            )

    def end(
        self,
        event_id: str,
        state: t.Literal["done", "needs_attention", "failed"],
        message: str,
        *,
        ends: str = "",
        was: State = "new",
        seconds: float = 0.0,
    ) -> bool:
        """Record the result of an event that was in the state `was`; return False if it is not so any more.

        If it is done, earlier events of its queue key that need attention or failed become done too, because the
        subscription is settled. Otherwise, silo looks at it again after `seconds`.
        """
        with self._transaction() as database:
            now = self._clock()
            ended = database.execute(
                "UPDATE event SET state = ?, message = ?, ends = ?, ended = ?, due = ? WHERE id = ? AND state = ?",
                (state, message, "" if state == "done" else ends, now, now + seconds, event_id, was),
            ).rowcount
            if ended and state == "done":
                place = database.execute("SELECT queue_key, seq FROM event WHERE id = ?", (event_id,)).fetchone()
                database.execute(
                    "UPDATE event SET state = 'done', message = ?, ends = '', ended = ?"
                    " WHERE queue_key = ? AND seq < ? AND state IN ('needs_attention', 'failed')",
                    (f"done with {event_id}", now, *place),
                )
        return bool(ended)

    def again(self, event_id: str) -> bool:
        """Make an event new again if it needs attention or failed; return False if it does neither."""
        with self._transaction() as database:
            return bool(
                database.execute(
                    "UPDATE event SET state = 'new', attempts = 0, due = 0, ended = NULL, ends = ''"
                    " WHERE id = ? AND state IN ('needs_attention', 'failed')",
                    (event_id,),
                ).rowcount
            )

    def forget(self, days: float, parked_days: float) -> int:
        """Remove events that are done after `days`, and those that need attention or failed after `parked_days`.

        Return the number of the latter. Events contain addresses of customers. Stripe does not repeat an event that is
        older than 30 days.
        """
        with self._transaction() as database:
            now = self._clock()
            database.execute("DELETE FROM event WHERE state = 'done' AND received < ?", (now - days * 86400,))
            return database.execute(
                "DELETE FROM event WHERE state IN ('needs_attention', 'failed') AND received < ?",
                (now - parked_days * 86400,),
            ).rowcount

    def rows(self, states: Iterable[State] = STATES, limit: int = 1000) -> list[Row]:
        """Return at most `limit` events in these states, the newest first."""
        wanted = list(states)
        marks = ", ".join("?" * len(wanted))
        with self._database() as database:
            rows = database.execute(
                f"SELECT {_COLUMNS} FROM event WHERE state IN ({marks}) ORDER BY seq DESC LIMIT ?",  # noqa: S608
                (*wanted, limit),
            ).fetchall()
        return [Row(*row).shown for row in rows]

    def of(self, subscriptions: Iterable[str], limit: int = 1000) -> list[Row]:
        """Return at most `limit` events of these subscriptions, the newest first."""
        wanted = list(subscriptions)
        marks = ", ".join("?" * len(wanted))
        with self._database() as database:
            rows = database.execute(
                f"SELECT {_COLUMNS} FROM event WHERE subscription IN ({marks}) ORDER BY seq DESC LIMIT ?",  # noqa: S608
                (*wanted, limit),
            ).fetchall()
        return [Row(*row).shown for row in rows]

    def probe(self) -> None:
        """Raise sqlite3.Error or OSError if the inbox cannot be written now."""
        with self._transaction() as database:
            database.execute("UPDATE event SET due = due WHERE seq = 0")

    def tally(self) -> Tally:
        """Count the events; raises sqlite3.Error if the file cannot be read."""
        with self._database() as database:
            counts = dict(database.execute("SELECT state, count(*) FROM event GROUP BY state").fetchall())
            (oldest,) = database.execute("SELECT min(received) FROM event WHERE state = 'new'").fetchone()
        return Tally({state: counts.get(state, 0) for state in STATES}, oldest)

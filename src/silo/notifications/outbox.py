"""The outbox: it stores the letter of each event until the relay has accepted it, and never sends it twice."""

import hashlib
import math
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from ansible_collections.swissphoto.silo.plugins.module_utils.common import locks, sqlite

from silo.notifications.errors import LetterError, PermanentError, TemporaryError
from silo.notifications.letter import Language, Letter, Rendered, render, render_for_operator
from silo.notifications.message import compose, mailbox
from silo.notifications.relay import Relay, UncertainError
from silo.notifications.settings import MailSettings

ATTEMPTS = 12  # with the back-off below, about a day and a half
_SCHEMA = """CREATE TABLE IF NOT EXISTS letter (
    event_id TEXT PRIMARY KEY, digest TEXT NOT NULL, recipient TEXT NOT NULL, body BLOB,
    state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'sending', 'sent', 'failed')),
    attempts INTEGER NOT NULL DEFAULT 0, due REAL NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT '', ended REAL,
    kept REAL)"""
_PENDING = """CREATE TABLE IF NOT EXISTS pending_notification (
    tenant TEXT, kind TEXT, since TEXT NOT NULL, link TEXT NOT NULL DEFAULT '', PRIMARY KEY (tenant, kind))"""


def _prepare(database: sqlite3.Connection) -> None:
    database.execute(_SCHEMA)
    database.execute(_PENDING)
    known = {column for _place, column, *_about in database.execute("PRAGMA table_info(letter)")}
    for column in ("ended", "kept"):
        if column not in known:
            database.execute(f"ALTER TABLE letter ADD COLUMN {column} REAL")


@dataclass(frozen=True)
class PendingNotification:
    """A letter that is sent to a tenant's customer as soon as its content is true; `since` makes its event unique.

    `link` is this customer's page to pay, empty for the platform's page.
    """

    tenant: str
    kind: str
    since: str
    link: str = ""

    @property
    def event(self) -> str:
        """The id of the event, which has one letter."""
        return f"{self.kind}/{self.tenant}/{self.since}"


@dataclass(frozen=True)
class LetterRecord:
    """What the outbox remembers of a letter, without its content and its recipient.

    `ended` is when the relay accepted or refused it for good, in seconds since 1970; None while it waits.
    """

    event: str
    state: str
    error: str
    ended: float | None


@dataclass(frozen=True)
class WaitingLetter:
    """A letter that the relay has not accepted yet: since when it is written, and when it is tried next.

    Both are in seconds since 1970; `since` is None if an older version wrote it.
    """

    event: str
    error: str
    since: float | None
    due: float


class Outbox:
    """Letters by event id, in a file that only its owner can read."""

    def __init__(self, settings: MailSettings, clock: Callable[[], float] = time.time) -> None:
        """Create the file if it is missing; `clock` returns seconds since 1970."""
        self.settings, self._clock = settings, clock
        sqlite.connect(settings.outbox, _prepare).close()

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite.connect(self.settings.outbox)) as database:
            database.execute("PRAGMA secure_delete=ON")  # overwrites the login link when the body of its row is deleted
            yield database

    def queue_notification(self, tenant: str, kind: str, link: str = "") -> bool:
        """Queue a letter of this kind to the tenant's customer; False if one is queued already."""
        since = datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="milliseconds")
        with self._database() as database:
            columns = "INSERT OR IGNORE INTO pending_notification (tenant, kind, since, link) VALUES (?, ?, ?, ?)"
            return bool(database.execute(columns, (tenant, kind, since, link)).rowcount)

    def pending_notifications(self, tenant: str | None = None) -> tuple[PendingNotification, ...]:
        """Return the queued notifications of a tenant, or of all, the oldest first."""
        with self._database() as database:
            rows = database.execute(
                "SELECT tenant, kind, since, link FROM pending_notification ORDER BY since, kind"
            ).fetchall()
        return tuple(PendingNotification(*row) for row in rows if tenant in (None, row[0]))

    def forget(self, tenant: str, kind: str) -> None:
        """Remove a queued notification whose letter is written, or is not true any more."""
        with self._database() as database:
            database.execute("DELETE FROM pending_notification WHERE tenant = ? AND kind = ?", (tenant, kind))

    def enqueue(self, event_id: str, recipient: str, letter: Letter, language: Language) -> bool:
        """Store the letter; False if it is stored already. Raise LetterError if the event has another letter."""
        digest = hashlib.sha256(repr((recipient, letter, language)).encode()).hexdigest()
        return self._keep(event_id, recipient, render(letter, language, self.settings.brand), language, digest)

    def enqueue_for_operator(self, event_id: str, recipient: str, subject: str, text: str) -> bool:
        """Store a letter to the operator, as `enqueue` does."""
        rendered = render_for_operator(subject, text)
        digest = hashlib.sha256(repr((recipient, rendered)).encode()).hexdigest()
        return self._keep(event_id, recipient, rendered, "en", digest)

    def _keep(self, event_id: str, recipient: str, rendered: Rendered, language: str, digest: str) -> bool:
        settings = self.settings
        sender = mailbox("sender", settings.sender, settings.sender_name)
        message = compose(event_id, recipient, rendered, language, sender, settings.reply_to)
        with self._database() as database:
            fresh = database.execute(
                "INSERT OR IGNORE INTO letter (event_id, digest, recipient, body, kept) VALUES (?, ?, ?, ?, ?)",
                (event_id, digest, recipient, message.as_bytes(), self._clock()),
            ).rowcount
            (kept,) = database.execute("SELECT digest FROM letter WHERE event_id = ?", (event_id,)).fetchone()
        if kept != digest:
            raise LetterError(f"event {event_id!r} has another letter already; a new letter needs a new event")
        return bool(fresh)

    def withdraw(self, event_id: str) -> bool:
        """Remove a pending letter that is not true any more; False if it is already being sent."""
        with self._database() as database:
            where = "DELETE FROM letter WHERE event_id = ? AND state = 'pending'"
            return bool(database.execute(where, (event_id,)).rowcount)

    def states(self) -> dict[str, tuple[str, str]]:
        """Return event id to state (pending, sending, sent, failed) and last error."""
        with self._database() as database:
            rows = database.execute("SELECT event_id, state, error FROM letter").fetchall()
        return {event_id: (state, error) for event_id, state, error in rows}

    def records(self) -> tuple[LetterRecord, ...]:
        """Return what is remembered of all letters."""
        with self._database() as database:
            rows = database.execute("SELECT event_id, state, error, ended FROM letter").fetchall()
        return tuple(LetterRecord(*row) for row in rows)

    def waiting(self) -> tuple[WaitingLetter, ...]:
        """Return the letters that the relay has not accepted yet, the oldest first."""
        with self._database() as database:
            where = "WHERE state IN ('pending', 'sending') ORDER BY kept, event_id"
            rows = database.execute(f"SELECT event_id, error, kept, due FROM letter {where}").fetchall()  # noqa: S608
        return tuple(WaitingLetter(*row) for row in rows)

    def deliver(self, at_once: bool = False) -> int:
        """Send due letters, or all pending ones; return how many the relay accepted; 0 if another process delivers."""
        try:
            with locks.held(self.settings.outbox.with_name(f"{self.settings.outbox.name}.lock")):
                return self._deliver(at_once)
        except locks.LockedError:
            return 0

    def _deliver(self, at_once: bool) -> int:
        with self._database() as database:
            # Failed, not sent again: the relay may have accepted it, and a customer can ask for a new link.
            self._settle(
                database, "state = 'sending'", (), "failed", "silo was interrupted after the relay may have accepted it"
            )
            due = database.execute(
                "SELECT event_id, recipient, body, attempts FROM letter WHERE state = 'pending' AND due <= ?",
                (math.inf if at_once else self._clock(),),
            ).fetchall()
            sent = sum(self._send(database, *row) for row in due)
            self._forget(database)
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # removes copies of bodies from the log
            return sent

    def _forget(self, database: sqlite3.Connection) -> None:
        """Remove what was sent or failed long ago; an older version did not record when, so that counts from now."""
        ended = "state IN ('sent', 'failed')"
        fresh = f"UPDATE letter SET ended = ?, recipient = '' WHERE {ended} AND ended IS NULL"  # noqa: S608
        database.execute(fresh, (self._clock(),))
        before = self._clock() - self.settings.keep_days * 86400
        database.execute(f"DELETE FROM letter WHERE {ended} AND ended < ?", (before,))  # noqa: S608

    def _send(self, database: sqlite3.Connection, event_id: str, recipient: str, body: bytes, attempts: int) -> bool:
        def sending() -> None:
            database.execute("UPDATE letter SET state = 'sending' WHERE event_id = ?", (event_id,))

        where, which = "event_id = ?", (event_id,)
        try:
            Relay(self.settings).send(recipient, body, sending)
        except TemporaryError as error:
            if attempts + 1 >= ATTEMPTS:
                self._settle(database, where, which, "failed", str(error))
            else:
                wait = min(60 * 2**attempts, 6 * 3600)
                database.execute(
                    "UPDATE letter SET state = 'pending', attempts = ?, due = ?, error = ? WHERE event_id = ?",
                    (attempts + 1, self._clock() + wait, str(error), event_id),
                )
        except (PermanentError, UncertainError) as error:
            self._settle(database, where, which, "failed", str(error))
        else:
            self._settle(database, where, which, "sent", "")
            return True
        return False

    def _settle(self, database: sqlite3.Connection, where: str, which: tuple[str, ...], state: str, error: str) -> None:
        database.execute(
            # Nobody needs the address any more.
            f"UPDATE letter SET state = ?, error = ?, body = NULL, recipient = '', ended = ? WHERE {where}",  # noqa: S608
            (state, error, self._clock(), *which),
        )

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

from silo.notifications.errors import LetterError, PermanentError, SessionError, TemporaryError
from silo.notifications.letter import (
    KINDS,
    OUTDATES,
    WITH_LINK,
    Language,
    Letter,
    Rendered,
    render,
    render_for_operator,
)
from silo.notifications.message import compose, mailbox
from silo.notifications.relay import Relay, UncertainError
from silo.notifications.settings import MailSettings

# A letter that the relay refuses for now is tried so often, which with the waits below is about four days.
ATTEMPTS = 100
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 60, 3600
# So long a failed letter is one to do something about, unless a later one has reached the customer.
LOST_DAYS = 30
_SCHEMA = """CREATE TABLE IF NOT EXISTS letter (
    event_id TEXT PRIMARY KEY, digest TEXT NOT NULL, recipient TEXT NOT NULL, body BLOB,
    state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'sending', 'sent', 'failed')),
    attempts INTEGER NOT NULL DEFAULT 0, due REAL NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT '', ended REAL,
    kept REAL, until REAL)"""
_PENDING = """CREATE TABLE IF NOT EXISTS pending_notification (
    tenant TEXT, kind TEXT, since TEXT NOT NULL, link TEXT NOT NULL DEFAULT '', PRIMARY KEY (tenant, kind))"""


def _prepare(database: sqlite3.Connection) -> None:
    database.execute(_SCHEMA)
    database.execute(_PENDING)
    known = {column for _place, column, *_about in database.execute("PRAGMA table_info(letter)")}
    for column in ("ended", "kept", "until"):
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


class _WithdrawnError(Exception):
    """A letter was withdrawn while the relay was being connected."""


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
        rendered = render(letter, language, self.settings.brand)
        now = datetime.fromtimestamp(self._clock(), UTC)
        # What is over already has a day of another clock, such as a test clock of Stripe.
        until = ends.timestamp() if (ends := letter.ends(now)) and ends > now else None
        fresh = self._keep(event_id, recipient, rendered, language, digest, until)
        if fresh and letter.name:
            self._withdraw_older(event_id, recipient, letter)
        return fresh

    def enqueue_for_operator(self, event_id: str, recipient: str, subject: str, text: str) -> bool:
        """Store a letter to the operator, as `enqueue` does."""
        rendered = render_for_operator(subject, text)
        digest = hashlib.sha256(repr((recipient, rendered)).encode()).hexdigest()
        return self._keep(event_id, recipient, rendered, "en", digest)

    def _keep(
        self,
        event_id: str,
        recipient: str,
        rendered: Rendered,
        language: str,
        digest: str,
        until: float | None = None,
    ) -> bool:
        settings = self.settings
        sender = mailbox("sender", settings.sender, settings.sender_name)
        message = compose(event_id, recipient, rendered, language, sender, settings.reply_to)
        with self._database() as database:
            fresh = database.execute(
                "INSERT OR IGNORE INTO letter (event_id, digest, recipient, body, kept, until)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (event_id, digest, recipient, message.as_bytes(), self._clock(), until),
            ).rowcount
            (kept,) = database.execute("SELECT digest FROM letter WHERE event_id = ?", (event_id,)).fetchone()
        if kept != digest:
            raise LetterError(f"event {event_id!r} has another letter already; a new letter needs a new event")
        return bool(fresh)

    def _withdraw_older(self, event_id: str, recipient: str, letter: Letter) -> None:
        """Remove the letters to the same customer that wait, and that this one makes untrue."""
        with self._database() as database:
            for kind in OUTDATES.get(letter.kind, ()):
                database.execute(
                    "DELETE FROM letter WHERE state = 'pending' AND event_id GLOB ? AND event_id <> ?"
                    " AND recipient = ?",
                    (f"{kind}/{letter.name}/*", event_id, recipient),
                )

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

    def unanswered_since(self) -> float | None:
        """Return since when the oldest letter waits about which the relay has said nothing; None if none does."""
        with self._database() as database:
            where = "state IN ('pending', 'sending') AND attempts = 0"
            found = database.execute(f"SELECT min(kept) FROM letter WHERE {where}").fetchone()[0]  # noqa: S608
        return None if found is None else float(found)

    def lost(self) -> tuple[LetterRecord, ...]:
        """Return the letters to customers that failed of late, if none after it has reached the same customer."""
        with self._database() as database:
            rows = database.execute("SELECT event_id, state, error, ended, kept FROM letter ORDER BY ended").fetchall()
        since = self._clock() - LOST_DAYS * 86400
        after = [(*_about(event), state, kept) for event, state, _error, _ended, kept in rows if kept is not None]
        found = []
        for event, state, error, ended, _kept in rows:
            kind, name = _about(event)
            if state == "failed" and kind in KINDS and ended is not None and ended >= since:
                of_same = [(other, its) for other, whose, its, kept in after if whose == name and kept >= ended]
                if not any(_mends(kind, other, its) for other, its in of_same):
                    found.append(LetterRecord(event, state, error, ended))
        return tuple(found)

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
            over = "it was not sent as long as it was true, and is not sent any more"
            database.execute(
                "UPDATE letter SET state = 'failed', error = ? || iif(error = '', '', ': ' || error), body = NULL,"
                " recipient = '', ended = ? WHERE state = 'pending' AND until <= ?",
                (over, self._clock(), self._clock()),
            )
            due = database.execute(
                "SELECT event_id, recipient, body, attempts FROM letter WHERE state = 'pending' AND due <= ?"
                " ORDER BY kept, event_id",
                (math.inf if at_once else self._clock(),),
            ).fetchall()
            sent = 0
            for place, row in enumerate(due):
                try:
                    sent += self._send(database, *row)
                except SessionError as error:
                    # As long as the relay is away, no letter is at fault, and none is lost.
                    self._wait(database, [one[0] for one in due[place : None if error.ends_all else place + 1]], error)
                    if error.ends_all:
                        break
                except LetterError as error:
                    # A setting is wrong: each run says so, until it is corrected.
                    database.execute("UPDATE letter SET error = ? WHERE state = 'pending'", (str(error),))
                    raise
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

    def _wait(self, database: sqlite3.Connection, events: list[str], error: SessionError) -> None:
        """Try letters again later: after as long as they have waited, but within an hour."""
        now = self._clock()
        database.executemany(
            "UPDATE letter SET state = 'pending', error = ?, due = ? + min(max(? - coalesce(kept, 0), ?), ?)"
            " WHERE event_id = ? AND state IN ('pending', 'sending')",
            [(str(error), now, now, FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS, event) for event in events],
        )

    def _send(self, database: sqlite3.Connection, event_id: str, recipient: str, body: bytes, attempts: int) -> bool:
        def sending() -> None:
            begins = "UPDATE letter SET state = 'sending' WHERE event_id = ? AND state = 'pending'"
            if not database.execute(begins, (event_id,)).rowcount:
                raise _WithdrawnError

        where, which = "event_id = ?", (event_id,)
        try:
            Relay(self.settings).send(recipient, body, sending)
        except _WithdrawnError:
            return False
        except SessionError:
            raise
        except TemporaryError as error:
            if attempts + 1 >= ATTEMPTS:
                self._settle(database, where, which, "failed", str(error))
            else:
                wait = min(FIRST_WAIT_SECONDS * 2 ** min(attempts, 10), LONGEST_WAIT_SECONDS)
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


def _about(event: str) -> tuple[str, str]:
    """Return the kind of the letter of an event, and whom it concerns: a tenant, or a subscription."""
    kind, _, rest = event.partition("/")
    return kind, rest.partition("/")[0]


def _mends(failed: str, later: str, state: str) -> bool:
    """Return whether a later letter to a customer makes up for one that failed: of what kinds, in which state."""
    if failed in WITH_LINK:
        return later in (*WITH_LINK, "deleted") and state != "failed"
    # The letter on another address goes to the one that was left.
    return later == "address_changed" or (later in KINDS and state == "sent")

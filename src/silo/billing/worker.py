"""The worker processes the events of the inbox: in order within a queue key, several keys in parallel.

The inbox is the only queue. An interrupted event stays in it, and the next worker processes it again; the rules allow
repetition.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import hashlib
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.swissphoto.silo.plugins.module_utils.common import bounded_json, locks

from silo.billing.errors import BillingError, NeedsAttention, NeedsAttentionReported, TryLater
from silo.billing.inbox import Inbox, Row
from silo.billing.protocols import Rules
from silo.inventory.errors import shown

FIRST_WAIT_SECONDS = 30.0
LONGEST_WAIT_SECONDS = 3600.0
# The most attempts that end in an unexpected error; with the waits above, about four hours.
ATTEMPTS = 12
# After so many postponed attempts, about an hour, the operator gets a letter.
WORTH_A_LETTER = 8
POLL_SECONDS = 0.5
# Days for which events are kept: done ones, and those that need attention or failed.
KEEP_DAYS, KEEP_PARKED_DAYS = 90, 365
FORGET_SECONDS = 3600

_log = logging.getLogger(__name__)


class TakenError(BillingError):
    """Another worker already processes this inbox."""


@dataclasses.dataclass(frozen=True)
class Trouble:
    """A problem to report to the operator. The same problem has the same `key`, so that it is reported once."""

    key: str
    subject: str
    text: str


def wait_seconds(attempts: int) -> float:
    """Return the delay in seconds after so many attempts (1 or more)."""
    return min(FIRST_WAIT_SECONDS * 2.0 ** min(attempts - 1, 20), LONGEST_WAIT_SECONDS)


@contextlib.contextmanager
def alone(inbox: Inbox) -> Iterator[None]:
    """Hold the inbox's lock for workers until the block or the process ends; raises TakenError."""
    path = inbox.path.with_name(f"{inbox.path.name}.worker")

    def busy() -> TakenError:
        return TakenError(f"another worker already processes {inbox.path}; stop it first, as only one keeps the order")

    with locks.held(path, busy=busy, mode=0o660):
        yield


class Worker:
    """Processes the events of an inbox.

    `rules` is called for each event, in the thread of that event, so that a new policy applies at once. `notify`
    reports a problem to the operator; its errors are logged and do not change the event.
    """

    def __init__(
        self,
        inbox: Inbox,
        rules: Callable[[], Rules],
        notify: Callable[[Trouble], None],
        *,
        lanes: int = 4,
        parked_days: int = KEEP_PARKED_DAYS,
    ) -> None:
        """Process `lanes` events in parallel; remove those that need attention or failed after `parked_days`."""
        self._inbox, self._rules, self._notify, self._lanes = inbox, rules, notify, lanes
        self._parked_days = parked_days
        self._busy: set[str] = set()
        self._lock = threading.Lock()
        self._moved = threading.Event()
        self._forget_at = 0.0

    def run(self, stop: threading.Event, alive: Callable[[], None] = lambda: None) -> None:
        """Work until `stop` is set, then finish the running events; `alive` is called at each poll."""
        with ThreadPoolExecutor(self._lanes, thread_name_prefix="lane") as lanes:
            while not stop.is_set():
                alive()
                self._moved.clear()
                self._forget()
                for row in self._take():
                    lanes.submit(self._lane, row)
                self._moved.wait(POLL_SECONDS)

    def _forget(self) -> None:
        if time.monotonic() >= self._forget_at:
            self._forget_at = time.monotonic() + FORGET_SECONDS
            with contextlib.suppress(sqlite3.Error):
                if gone := self._inbox.forget(KEEP_DAYS, self._parked_days):
                    _log.warning("removed %d unresolved events older than %d days", gone, self._parked_days)

    def _take(self) -> list[Row]:
        """Return the events that can start now, and mark their queue keys as busy."""
        with self._lock:
            try:
                due = self._inbox.due(self._lanes + len(self._busy)) if len(self._busy) < self._lanes else []
            except sqlite3.Error as error:
                _log.error("cannot read the inbox; the next poll tries again: %s", error)
                return []
            taken = [row for row in due if row.queue_key not in self._busy][: self._lanes - len(self._busy)]
            self._busy.update(row.queue_key for row in taken)
            return taken

    def _lane(self, row: Row) -> None:
        at_once = True
        try:
            self.work(row)
        except sqlite3.Error as error:
            # The event is still new. Wait for the next poll, because an immediate retry would spin.
            _log.error("%s: cannot write the inbox; the next poll tries again: %s", row.id, error)
            at_once = False
        finally:
            with self._lock:
                self._busy.discard(row.queue_key)
            if at_once:
                self._moved.set()

    def work(self, row: Row) -> None:
        """Process one event, and record the result or postpone it."""
        self._inbox.begin(row.id)
        attempts = row.attempts + 1
        try:
            rules = self._rules()
            outcome = (
                rules.settle(row.subscription) if row.subscription else rules.consider(bounded_json.parse(row.body))
            )
        except TryLater as error:
            self._postpone(row, attempts, str(error))
        except NeedsAttention as error:
            self._inbox.end(row.id, "needs_attention", str(error))
            _log.warning("%s (%s): needs attention: %s", row.id, row.type, error)
            if not isinstance(error, NeedsAttentionReported):
                text = "\n\n".join(filter(None, (str(error), error.about)))
                self._trouble(row, "needs_attention", f"An event of Stripe needs attention: {error}", text)
        except Exception as error:  # a bug must not lose the event
            message = f"{type(error).__name__}: {shown(str(error))}"
            _log.exception("%s (%s): attempt %d failed", row.id, row.type, attempts)
            if attempts < ATTEMPTS:
                self._postpone(row, attempts, message)
                return
            self._inbox.end(row.id, "failed", message)
            self._trouble(row, "failed", f"An event of Stripe failed {attempts} times; silo gave up", message)
        else:
            self._inbox.end(row.id, "done", outcome.message)
            _log.info("%s (%s): %s", row.id, row.type, outcome.message)

    def _postpone(self, row: Row, attempts: int, message: str) -> None:
        seconds = wait_seconds(attempts)
        self._inbox.postpone(row.id, seconds, message)
        _log.warning("%s (%s): retry in %.0f s: %s", row.id, row.type, seconds, message)
        if attempts >= WORTH_A_LETTER:
            self._trouble(row, "waiting", f"An event of Stripe still waits after {attempts} attempts", message)

    def _trouble(self, row: Row, kind: str, subject: str, message: str) -> None:
        # Each event of a subscription reports the same problem; one letter a day is enough.
        day = datetime.datetime.fromtimestamp(row.received, datetime.UTC).date()
        digest = hashlib.sha256(message.encode()).hexdigest()[:8]
        about = f"{row.queue_key}/{day}/{digest}" if kind == "needs_attention" else row.id
        whose = f", subscription {row.subscription}" if row.subscription else ""
        text = (
            f"{message}\n\nThis is event {row.id}, {row.type}{whose}. 'silo billing events' lists all events that are "
            f"not done; 'silo billing retry {row.id}' retries this one after you fixed the cause."
        )
        try:
            self._notify(Trouble(f"billing/{kind}/{about}", subject, text))
        except Exception:  # a wrong setting of the relay must not stop the worker
            _log.exception("%s: cannot notify the operator", row.id)

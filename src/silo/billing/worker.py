"""The worker processes the events of the inbox: in order within a queue key, several keys in parallel.

The inbox is the only queue of events. An interrupted event stays in it, and the next worker processes it again; the
rules allow repetition. What waits for something, such as a name or room, is looked at again by itself: nobody tells the
worker that the cause is gone.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import hashlib
import logging
import math
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
# What waits outside of the inbox, such as an order for room, is looked at again after so many seconds, at most.
REVISIT_SECONDS = 300.0
# Days for which events are kept: done ones, and those that need attention or failed.
KEEP_DAYS, KEEP_PARKED_DAYS = 90, 365
FORGET_SECONDS = 3600
WHERE = "'silo billing' lists all that waits."

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
        self._moved, self._stop = threading.Event(), threading.Event()
        self._forget_at = self._revisit_at = 0.0

    def run(self, stop: threading.Event, alive: Callable[[], None] = lambda: None) -> None:
        """Work until `stop` is set, then finish the running events; `alive` is called at each poll."""
        self._stop = stop
        with ThreadPoolExecutor(self._lanes, thread_name_prefix="lane") as lanes:
            while not stop.is_set():
                alive()
                self._moved.clear()
                self._forget()
                for row in self._take():
                    lanes.submit(self._lane, row)
                if self._claim_revisit():
                    lanes.submit(self._revisit_lane)
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
                free = self._lanes - len(self._busy)
                due = self._inbox.due(self._lanes + len(self._busy)) if free > 0 else []
                # Only a lane that no event wants looks at what may still be as it was.
                due += self._inbox.parked(self._lanes + len(self._busy)) if free > len(due) else []
            except sqlite3.Error as error:
                _log.error("cannot read the inbox; the next poll tries again: %s", error)
                return []
            taken = [row for row in due if row.queue_key not in self._busy][: max(0, free)]
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
        """Process one event, or look again at one that needs attention or failed; record the result or postpone it."""
        self._inbox.begin(row.id)
        attempts, seconds = row.attempts + 1, wait_seconds(row.attempts + 1)
        try:
            rules = self._rules()
            outcome = (
                rules.settle(row.subscription) if row.subscription else rules.consider(bounded_json.parse(row.body))
            )
        except TryLater as error:
            self._postpone(row, attempts, str(error), error.ends)
        except NeedsAttention as error:
            self._inbox.end(row.id, "needs_attention", str(error), ends=error.ends, was=row.state, seconds=seconds)
            _log.warning("%s (%s): needs attention: %s", row.id, row.type, error)
            if not isinstance(error, NeedsAttentionReported):
                text = "\n\n".join(filter(None, (str(error), error.about)))
                self._trouble(row, "needs_attention", f"An event of Stripe needs attention: {error}", text)
        except Exception as error:  # a bug must not lose the event
            message = f"{type(error).__name__}: {shown(str(error))}"
            _log.exception("%s (%s): attempt %d failed", row.id, row.type, attempts)
            if attempts < ATTEMPTS and row.state != "failed":
                self._postpone(row, attempts, message, "silo is corrected")
                return
            self._inbox.end(row.id, "failed", message, ends="silo is corrected", was=row.state, seconds=seconds)
            self._trouble(row, "failed", f"An event of Stripe failed {attempts} times; silo gave up", message)
        else:
            self._inbox.end(row.id, "done", outcome.message, was=row.state)
            _log.info("%s (%s): %s", row.id, row.type, outcome.message)

    def _postpone(self, row: Row, attempts: int, message: str, ends: str) -> None:
        seconds = wait_seconds(attempts)
        _log.warning("%s (%s): retry in %.0f s: %s", row.id, row.type, seconds, message)
        if row.state != "new":
            # Why it needs attention is still what matters.
            self._inbox.look_later(row.id, seconds)
            return
        self._inbox.postpone(row.id, seconds, message, ends)
        if attempts >= WORTH_A_LETTER:
            self._trouble(row, "waiting", f"An event of Stripe still waits after {attempts} attempts", message)

    def _claim_revisit(self) -> bool:
        """Return whether it is time to look at what waits outside of the inbox, and no other lane does so."""
        if time.monotonic() < self._revisit_at:
            return False
        self._revisit_at = math.inf
        return True

    def _revisit_lane(self) -> None:
        try:
            self.revisit()
        except Exception:  # as for an event
            _log.exception("what waits cannot be looked at; the next attempt follows")
        finally:
            self._revisit_at = time.monotonic() + REVISIT_SECONDS

    def revisit(self) -> None:
        """Settle each subscription for which something waits outside of the inbox, such as an order for room."""
        try:
            waiting = self._rules().waiting()
        except (TryLater, NeedsAttention) as error:
            _log.warning("what waits cannot be looked at: %s", error)
            return
        for subscription in waiting:
            with self._lock:
                if self._stop.is_set():
                    return
                if subscription in self._busy:  # an event of it is at work, and settles all
                    continue
                self._busy.add(subscription)
            try:
                self._look_again(subscription)
            finally:
                with self._lock:
                    self._busy.discard(subscription)

    def _look_again(self, subscription: str) -> None:
        try:
            _log.info("%s: %s", subscription, self._rules().settle(subscription).message)
        except TryLater as error:
            _log.warning("%s: it waits on: %s", subscription, error)
        except NeedsAttention as error:
            _log.warning("%s: needs attention: %s", subscription, error)
            if not isinstance(error, NeedsAttentionReported):
                digest = hashlib.sha256(str(error).encode()).hexdigest()[:8]
                text = "\n\n".join(filter(None, (str(error), error.about, WHERE)))
                subject = f"What waited for {subscription} needs attention: {error}"
                self._tell(Trouble(f"billing/needs_attention/{subscription}/{digest}", subject, text))
        except Exception:  # a mistake with one must not keep the next ones waiting
            _log.exception("%s: what waits for it cannot be looked at; the next attempt follows", subscription)

    def _trouble(self, row: Row, kind: str, subject: str, message: str) -> None:
        # Each event of a subscription reports the same problem; one letter a day is enough.
        day = datetime.datetime.fromtimestamp(row.received, datetime.UTC).date()
        digest = hashlib.sha256(message.encode()).hexdigest()[:8]
        about = f"{row.queue_key}/{day}/{digest}" if kind == "needs_attention" else row.id
        whose = f", subscription {row.subscription}" if row.subscription else ""
        text = (
            f"{message}\n\nThis is event {row.id}, {row.type}{whose}. After you fixed the cause, silo goes on by "
            f"itself within an hour; 'silo billing retry {row.id}' does so at once. {WHERE}"
        )
        self._tell(Trouble(f"billing/{kind}/{about}", subject, text))

    def _tell(self, trouble: Trouble) -> None:
        try:
            self._notify(trouble)
        except Exception:  # a wrong setting of the relay must not stop the worker
            _log.exception("%s: cannot notify the operator", trouble.key)

"""What billing keeps beside an inventory: what it has begun, which orders wait for room, and the day's rate limits.

Nothing in it says what should be; that is Stripe's and the inventory's. Lost, at most a customer waits for a sweep. The
sweep also notes anew who is spared, and a day that a letter has named holds without this file.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import typing as t
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.swissphoto.silo.plugins.module_utils.common import files, locks
from ansible_collections.swissphoto.silo.plugins.module_utils.common.text import printable

from silo.billing.errors import NeedsAttention, TryLater
from silo.identifiers import SUBSCRIPTION

Kept = dict[str, t.Any]
FILE, LOCKS = "billing.json", "billing"


@dataclasses.dataclass(frozen=True)
class Order:
    """What is paid and waits for room, since a time (ISO 8601): `step` is what waits, `plan` what it needs."""

    subscription: str
    tenant: str
    step: str
    plan: str
    since: str


class StateStore:
    """The file `.silo/billing.json` of an inventory; each call is whole, and on disk when it returns.

    All of them raise TryLater where the file cannot be read: without its rate limits nothing is to be done.
    """

    def __init__(self, folder: Path) -> None:
        """Keep them in this folder, which is for its owner alone."""
        self._folder, self._path = folder, folder / FILE

    @contextlib.contextmanager
    def locked(self, subscription: str) -> Iterator[None]:
        """Hold a subscription, so that an event and a sweep do not settle it at the same moment.

        Raises NeedsAttention for what is no subscription: its name becomes that of a file.
        """
        if not SUBSCRIPTION.fullmatch(subscription):
            raise NeedsAttention(f"{printable(subscription)!r} is no subscription of Stripe; it must be such as sub_1")
        folder = self._folder / LOCKS
        folder.mkdir(mode=0o700, exist_ok=True)
        with locks.held(folder / subscription, wait_seconds=None):
            yield

    def begin(self, subscription: str, tenant: str) -> None:
        """Remember what is about to be changed: cut off from here on, it is brought to its end later."""
        with self.open() as kept:
            kept.setdefault("begun", {})[subscription] = tenant

    def begun(self) -> dict[str, str]:
        """Return the changes that were not brought to their end: subscription to tenant."""
        return dict(self._read().get("begun", {}))

    def end(self, subscription: str) -> None:
        """Forget a change that is made."""
        with self.open() as kept:
            kept.get("begun", {}).pop(subscription, None)

    def wait(self, subscription: str, tenant: str, step: str, plan: str, now: datetime.datetime) -> Order:
        """Have an order wait for room; one that waits already keeps its place."""
        with self.open() as kept:
            orders = kept.setdefault("orders", {})
            since = orders.get(subscription, {}).get("since", now.isoformat(timespec="seconds"))
            order = Order(subscription, tenant, step, plan, since)
            orders[subscription] = dataclasses.asdict(order)
            return order

    def waiting(self) -> tuple[Order, ...]:
        """Return the orders that wait, the oldest first."""
        orders = [Order(**one) for one in self._read().get("orders", {}).values()]
        return tuple(sorted(orders, key=lambda one: (one.since, one.subscription)))

    def made(self, subscription: str) -> None:
        """Take an order out of the queue: it is made, or not wanted any more."""
        with self.open() as kept:
            kept.get("orders", {}).pop(subscription, None)

    def spare(self, subscription: str, until: datetime.date) -> None:
        """Remember that another subscription pays for the tenant's name; its own counts again from this day on."""
        with self.open() as kept:
            kept.setdefault("spared", {})[subscription] = until.isoformat()

    def spared(self) -> dict[str, datetime.date]:
        """Return the subscriptions whose tenant another one paid for, each with the day after the last such look."""
        return {one: datetime.date.fromisoformat(day) for one, day in self._read().get("spared", {}).items()}

    @contextlib.contextmanager
    def open(self) -> Iterator[Kept]:
        """Give what is kept, for changes; written where it differs after the block."""
        with locks.held(self._path.with_suffix(".lock"), wait_seconds=None):
            kept = self._read()
            before = json.dumps(kept)
            yield kept
            if json.dumps(kept) != before:
                self._write(kept)

    def _read(self) -> Kept:
        """Read what was written last; needs no lock, as a file is whole or not there."""
        try:
            return dict(json.loads(self._path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError) as error:
            raise TryLater(
                f"{self._path} cannot be read: {type(error).__name__}; it holds the rate limits of billing, so nothing "
                "is done. Remove it: what waits or was begun is found again from Stripe and the inventory"
            ) from error

    def _write(self, kept: Kept) -> None:
        files.write(self._path, json.dumps(kept, indent=1), 0o600, scratch=self._path.with_suffix(".new"))

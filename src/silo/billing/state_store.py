"""The file in which billing stores changes in progress, what waits and for what, and the counts for rate limits.

The desired state comes from Stripe and the inventory only. If the file is lost, a customer waits for the next nightly
comparison at most; it also stores again which tenants are spared. The days that letters named are in the outbox.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import os
import typing as t
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from ansible_collections.swissphoto.silo.plugins.module_utils.common import files, locks
from ansible_collections.swissphoto.silo.plugins.module_utils.common.text import printable

from silo.billing.errors import NeedsAttention, TryLater
from silo.identifiers import SUBSCRIPTION

Kept = dict[str, t.Any]
FILE, LOCKS = "billing.json", "billing"


@dataclasses.dataclass(frozen=True)
class Order:
    """A paid order that waits for room since `since` (ISO 8601): `step` is what waits, `plan` the plan it needs.

    `why` is a sentence.
    """

    subscription: str
    tenant: str
    step: str
    plan: str
    since: str
    why: str = ""


@dataclasses.dataclass(frozen=True)
class Hold:
    """A step that waits for something else than room, since `since` (ISO 8601), until `ends` (a clause)."""

    subscription: str
    tenant: str
    step: str
    why: str
    ends: str
    since: str


@dataclasses.dataclass(frozen=True)
class Begun:
    """A change of a tenant that began at `since` (ISO 8601, empty if an older version wrote it) and did not end."""

    subscription: str
    tenant: str
    since: str


class StateStore:
    """The file `.silo/billing.json` of an inventory; each call is atomic, and on disk when it returns.

    Each call raises TryLater if the file cannot be read, because billing must do nothing without rate limits.
    """

    def __init__(self, folder: Path) -> None:
        """Use this folder, which only its owner can access."""
        self._folder, self._path = folder, folder / FILE

    @contextlib.contextmanager
    def locked(self, subscription: str) -> Iterator[None]:
        """Lock a subscription, so that an event and the nightly comparison do not settle it at the same time.

        Raises NeedsAttention for an invalid id, because the id becomes a file name.
        """
        if not SUBSCRIPTION.fullmatch(subscription):
            raise NeedsAttention(f"{printable(subscription)!r} is not the id of a subscription, such as sub_1")
        folder = self._folder / LOCKS
        folder.mkdir(mode=0o700, exist_ok=True)
        path = folder / subscription
        while True:
            with locks.held(path, wait_seconds=None) as handle:
                # `prune` removes the file, also that of somebody who waits for it.
                if _is_at(path, handle):
                    yield
                    return

    def prune(self, linked: Collection[str]) -> None:
        """Remove what is kept of subscriptions that are neither `linked` to a tenant nor waiting for anything.

        Strangers can make as many of them as they like. A lock that is held stays.
        """
        with self.open() as kept:
            wanted = {*linked, *(one for what in ("orders", "holds", "begun") for one in kept.get(what, {}))}
            if "spared" in kept:
                kept["spared"] = {one: day for one, day in kept["spared"].items() if one in wanted}
        with contextlib.suppress(FileNotFoundError):
            for path in sorted((self._folder / LOCKS).iterdir()):
                if path.name not in wanted:
                    with contextlib.suppress(locks.LockedError), locks.held(path):
                        path.unlink()

    def begin(self, subscription: str, tenant: str, now: datetime.datetime) -> None:
        """Record a change before it starts, so that a later call completes it after an interruption."""
        with self.open() as kept:
            since = now.isoformat(timespec="seconds")
            kept.setdefault("begun", {}).setdefault(subscription, {"tenant": tenant, "since": since})

    def begun(self) -> dict[str, Begun]:
        """Return the changes that were not completed, by subscription id."""
        found = {}
        for subscription, said in self._read().get("begun", {}).items():
            # An older version kept the tenant alone.
            known = said if isinstance(said, dict) else {"tenant": said, "since": ""}
            found[subscription] = Begun(subscription, known["tenant"], known["since"])
        return found

    def end(self, subscription: str) -> None:
        """Remove the record of a completed change."""
        with self.open() as kept:
            kept.get("begun", {}).pop(subscription, None)

    def wait(self, subscription: str, tenant: str, step: str, plan: str, now: datetime.datetime, why: str) -> Order:
        """Add an order to the queue for room; an order that already waits keeps its place."""
        with self.open() as kept:
            orders = kept.setdefault("orders", {})
            since = orders.get(subscription, {}).get("since", now.isoformat(timespec="seconds"))
            order = Order(subscription, tenant, step, plan, since, why)
            orders[subscription] = dataclasses.asdict(order)
            return order

    def waiting(self) -> tuple[Order, ...]:
        """Return the orders that wait for room, the oldest first."""
        orders = [Order(**one) for one in self._read().get("orders", {}).values()]
        return tuple(sorted(orders, key=lambda one: (one.since, one.subscription)))

    def unqueue(self, subscription: str) -> None:
        """Take an order out of the queue for room: it is done, or no longer wanted."""
        with self.open() as kept:
            kept.get("orders", {}).pop(subscription, None)

    def hold(self, subscription: str, tenant: str, step: str, why: str, ends: str, now: datetime.datetime) -> None:
        """Record that a step waits; one that waits already does so since then."""
        with self.open() as kept:
            holds = kept.setdefault("holds", {})
            former = holds.get(subscription, {})
            since = former.get("since") if former.get("step") == step else None
            hold = Hold(subscription, tenant, step, why, ends, since or now.isoformat(timespec="seconds"))
            holds[subscription] = dataclasses.asdict(hold)

    def holds(self) -> tuple[Hold, ...]:
        """Return the steps that wait, the oldest first."""
        found = [Hold(**one) for one in self._read().get("holds", {}).values()]
        return tuple(sorted(found, key=lambda one: (one.since, one.subscription)))

    def renew(self, step: str, holds: Iterable[Hold]) -> None:
        """Replace all that waits with this step by `holds`; what waited already does so since then."""
        with self.open() as kept:
            former = kept.setdefault("holds", {})
            others = {key: one for key, one in former.items() if one["step"] != step}
            fresh = {one.subscription: dataclasses.asdict(one) for one in holds if one.subscription not in others}
            for key, one in fresh.items():
                one["since"] = former.get(key, one)["since"]
            kept["holds"] = others | fresh

    def unhold(self, subscription: str, unless: str = "") -> None:
        """Record that nothing waits any more, unless the step `unless` does."""
        with self.open() as kept:
            holds = kept.get("holds", {})
            if subscription in holds and holds[subscription]["step"] != unless:
                del holds[subscription]

    def spare(self, subscription: str, until: datetime.date) -> None:
        """Record that another subscription pays for the tenant's name; its own counts again from the day `until`."""
        with self.open() as kept:
            kept.setdefault("spared", {})[subscription] = until.isoformat()

    def spared(self) -> dict[str, datetime.date]:
        """Return the days of `spare`, by the id of the tenant's own subscription."""
        return {one: datetime.date.fromisoformat(day) for one, day in self._read().get("spared", {}).items()}

    @contextlib.contextmanager
    def open(self) -> Iterator[Kept]:
        """Yield the contents under a lock; write them after the block if they changed."""
        with locks.held(self._path.with_suffix(".lock"), wait_seconds=None):
            kept = self._read()
            before = json.dumps(kept)
            yield kept
            if json.dumps(kept) != before:
                self._write(kept)

    def _read(self) -> Kept:
        """Read the file; needs no lock, because each write replaces the whole file."""
        try:
            return dict(json.loads(self._path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError) as error:
            raise TryLater(
                f"{self._path} cannot be read: {type(error).__name__}; it holds the rate limits, so billing does "
                "nothing. Remove it: billing rebuilds the rest from Stripe and the inventory",
                ends="that file can be read, or is removed",
            ) from error

    def _write(self, kept: Kept) -> None:
        files.write(self._path, json.dumps(kept, indent=1), 0o600, scratch=self._path.with_suffix(".new"))


def _is_at(path: Path, handle: int) -> bool:
    """Return whether an open file still has this name."""
    try:
        return os.path.samestat(path.stat(follow_symlinks=False), os.fstat(handle))
    except FileNotFoundError:
        return False

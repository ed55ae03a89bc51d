"""Edits of an inventory; each queues the notification of the customer that belongs to it."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import functools
import typing as t
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from silo import notifications
from silo.inventory import Change, DeletionRecord, Fleet, InventoryEditor, InventoryError, PlatformPolicy
from silo.inventory.editor import Pools
from silo.inventory.validation import Tenant
from silo.state import State


def in_the_trash(deletions: Sequence[DeletionRecord]) -> dict[str, dict[str, list[dict[str, t.Any]]]]:
    """Return `databases` by server and `uploads` by NAS, each a list as the modules of the trash take it."""
    databases: dict[str, list[dict[str, t.Any]]] = {}
    uploads: dict[str, list[dict[str, t.Any]]] = {}
    for deletion in deletions:
        entry = {"name": deletion.name, "id": deletion.index, "when": deletion.when}
        databases.setdefault(deletion.server, []).append({**entry, "uid": deletion.uid})
        uploads.setdefault(deletion.nas, []).append(entry)
    return {"databases": databases, "uploads": uploads}


class Edits:
    """Edits of one inventory. All of them raise InventoryError or AdmissionError where nothing was changed."""

    def __init__(
        self,
        path: Path | str,
        *,
        author: str | None = None,
        commit: bool = True,
        notify: Callable[[str], None] = lambda _text: None,
    ) -> None:
        """Open the inventory at `path`; raises InventoryError where it is none. `notify` is that of Inventory."""
        self.inventory = InventoryEditor.open(path, author=author, commit=commit, notify=notify)
        self.path = self.inventory.folder.root
        self.state = State(self.path)

    @functools.cached_property
    def policy(self) -> PlatformPolicy:
        """What holds for the whole platform."""
        return self._look()[1]

    def _look(self) -> tuple[Fleet, PlatformPolicy]:
        fleet, policy = self.inventory.look()
        self.__dict__["policy"] = policy  # the same look, which takes a second, serves for both
        return fleet, policy

    @functools.cached_property
    def outbox(self) -> notifications.Outbox | None:
        """The letters that wait; None where no relay is set. Raises LetterError."""
        settings = notifications.MailSettings.of(self.policy.letters, self.state.outbox)
        return notifications.Outbox(settings) if settings else None

    def create(
        self,
        name: str,
        *,
        email: str,
        pools: Pools | None = None,
        dry_run: bool = False,
        **settings: str | None,
    ) -> Change:
        """Add a tenant; its customer gets a one-time link. `pools` are those of Inventory."""
        # Queued before the edit: a customer whose creation is cut off right after it gets the letter all the same.
        inventory = self._notifying(name, lambda _was: "created", pools)
        return inventory.create(name, email=email, dry_run=dry_run, **settings)

    def change(
        self,
        name: str,
        *,
        pools: Pools | None = None,
        dry_run: bool = False,
        notify_customer: bool = False,
        **settings: str | None,
    ) -> Change:
        """Change settings of a tenant, as Inventory.change; `notify_customer` queues the letter on the plan."""
        inventory = self._notifying(name, lambda _was: "plan_changed" if notify_customer else "", pools)
        return inventory.change(name, dry_run=dry_run, **settings)

    def set_state(self, name: str, state: str, *, dry_run: bool = False, link: str = "") -> Change:
        """Say how a tenant should be; queues a letter to its customer where that concerns the bill.

        `link` is where this customer can pay, empty for the platform's page.
        """

        def kind(was: str) -> str:
            if state == "suspended" != was:
                return "suspended"
            return "restored" if state == "running" and was == "suspended" else ""

        return self._notifying(name, kind, link=link).set_state(name, state, dry_run=dry_run)

    def has_pending_notifications(self, names: Sequence[str] = ()) -> bool:
        """Whether a notification is queued for one of these tenants, without names for any."""
        pending = self.outbox.pending_notifications() if self.outbox else ()
        return any(not names or one.tenant in names for one in pending)

    def queue_access_notification(self, name: str) -> None:
        """Queue a new one-time link for a tenant's customer."""
        if (state := self.desired(name)) != "running":
            raise InventoryError(f"tenant {name!r}: it is {state}, and only one that runs can be opened; start it")
        if self.outbox:
            self.outbox.queue_notification(name, "access")

    def tenant(self, name: str) -> Tenant:
        """Return a tenant as it should be."""
        self.inventory.check_exists(name)
        fleet, _policy = self._look()
        if name not in fleet.tenants:
            raise InventoryError(fleet.problems)
        return fleet.tenants[name]

    def desired(self, name: str) -> str:
        """Return how a tenant should be."""
        return self.tenant(name).state

    def tenants(self) -> Mapping[str, Tenant]:
        """Return all tenants as they should be, by name."""
        return self._look()[0].tenants

    def remove(self, name: str, *, by: str | None = None) -> DeletionRecord:
        """Take a tenant out of the inventory; what it leaves on the machines is then to be put aside."""
        self.inventory.remove(name, by=by)
        return self.inventory.buried(name)

    def restore(self, name: str, *, dry_run: bool = False) -> Change:
        """Bring the tenant of this name that was deleted last back, to run; its data is to be there by then."""
        return self._notifying(name, lambda _was: "restored").restore(name, state="running", dry_run=dry_run)

    def unfinished(self) -> tuple[DeletionRecord, ...]:
        """Return the deleted tenants whose data nobody has put aside yet."""
        return tuple(
            deletion for deletion in self.inventory.deletion_records() if not deletion.trashed and not deletion.purged
        )

    def put_aside(self, deletion: DeletionRecord, *, files: int, used: int) -> DeletionRecord:
        """Record what a deleted tenant left, files and bytes, now that it is put aside, and tell its customer."""
        event, recipient = (
            f"deleted/{deletion.name}/{deletion.when}",
            self.inventory.former(deletion).get("tenant_email"),
        )
        # An earlier run, which was cut off, may have kept it already.
        if self.outbox and recipient and event not in self.outbox.states():
            letter = self._deleted(dataclasses.replace(deletion, files=files, used=used))
            self.outbox.enqueue(event, str(recipient), letter, t.cast("notifications.Language", deletion.language))
        return self.inventory.record(deletion, files=files, used=used)

    def _deleted(self, deletion: DeletionRecord) -> notifications.Letter:
        at = datetime.datetime.fromisoformat(deletion.when)
        # The day is the customer's, as the time in the letter is.
        until = (at + datetime.timedelta(days=self.policy.trash_days)).astimezone(notifications.ZONE).date()
        address = f"https://{deletion.name}.{self.policy.domain}"
        return notifications.Deleted(deletion.name, address, deletion.files, deletion.used, at, until)

    def _notifying(
        self, name: str, kind: Callable[[str], str], pools: Pools | None = None, link: str = ""
    ) -> InventoryEditor:
        """The inventory, whose next edit queues a letter of that kind, by the state before, before it is written.

        A refused edit queues none.
        """

        @contextlib.contextmanager
        def around(before: Tenant | None, policy: Callable[[], PlatformPolicy]) -> Iterator[None]:
            self.__dict__["policy"] = policy()
            wanted = kind(before.state if before else "")
            outbox = self.outbox if wanted else None
            fresh = outbox is not None and outbox.queue_notification(name, wanted, link)
            try:
                yield
            except Exception:
                if outbox is not None and fresh:
                    outbox.forget(name, wanted)
                raise

        return dataclasses.replace(self.inventory, pools=self._heard(pools), around=around)

    def _heard(self, pools: Pools | None) -> Pools:
        """These pools; who tells them later finds the policy already read."""
        if not callable(pools):
            return pools or {}

        def heard(policy: PlatformPolicy) -> Mapping[str, int]:
            self.__dict__["policy"] = policy
            return pools(policy)

        return heard

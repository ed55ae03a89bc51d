"""All changes of tenants, for the command line, the playbooks and billing: from validation to the machines.

A change is validated, its letter queued, the inventory edited and applied, the letter sent, and the tenant verified. If
it is interrupted anywhere, the same change, or `apply`, completes it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import functools
import typing as t
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from silo import email_address, notifications
from silo.ansible import runner
from silo.ansible.contract import READ, ReadTag, TaskId
from silo.ansible.playbooks import ACCESS, APPLY, LETTERS, MAINTENANCE, PLAN, TRASH, VERIFY, Playbooks
from silo.ansible.runner import Event, Results, RunError
from silo.diagnostics import Finding, changed
from silo.inventory import (
    NOT_READ,
    Change,
    DeletionRecord,
    Fleet,
    InventoryEditor,
    InventoryError,
    PlatformPolicy,
    Sizes,
)
from silo.inventory.session import EditSession, PreparedEdit
from silo.inventory.tenant_files import TenantFiles
from silo.inventory.validation import Tenant
from silo.maintenance import Notice
from silo.state import State
from silo.tenant.schema import defaults

LINKS = "links"
# How many purges may fail before no other is tried.
MOST_FAILURES = 10
# A stop needs no storage: the NAS may be away, and may be the reason for the stop.
WITHOUT_STORAGE = ("stacks", "letters")
# The settings of a tenant that need room on a NAS, or on a server's disk.
NEEDING_ROOM = frozenset({"quota", "disk", "plan"})
# The reason for a state that nobody gives another one for.
BY_DEFAULT = {"suspended": "unpaid"}


class ApplyIncomplete(Exception):
    """The inventory is changed, but not yet applied to all machines; the text says why, and what completes it."""


def _silent(_message: object) -> None:
    return


class TenantService:
    """The tenants of one inventory.

    Each change raises InventoryError or silo.admission.AdmissionError where nothing was changed, and ApplyIncomplete
    where the inventory is edited and the run failed. With `dry_run` it returns the same Change and changes nothing.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        author: str | None = None,
        commit: bool = True,
        notify: Callable[[str], None] = _silent,
        apply: bool = True,
        verify: bool = False,
    ) -> None:
        """Open the inventory at `path`; raises InventoryError where it is none.

        `author`, `commit` and `notify` are those of InventoryEditor. Without `apply`, changes edit the inventory alone,
        and read no machine: a play that runs already applies them. With `verify`, each run verifies the tenants that it
        changed, and `broken` has the findings that need something done. `left_alone` has a sentence for each tenant
        that an apply has left alone on purpose.
        """
        self.inventory = InventoryEditor.open(path, author=author, commit=commit, notify=notify)
        self.path = self.inventory.folder.root
        self.state = State(self.path)
        self.broken: list[Finding] = []
        self.left_alone: list[str] = []
        self._playbooks = Playbooks(self.path, self.state)
        self._applies, self._verify = apply, verify
        self._policy: PlatformPolicy | None = None

    def observe(self, listen: Callable[[Event], None], on_wait: Callable[[str], None]) -> None:
        """Give Ansible's events to `listen`, and to `on_wait` a sentence where a run has to wait for another."""
        self._playbooks = dataclasses.replace(self._playbooks, listen=listen, on_wait=on_wait)

    # What the inventory says

    @property
    def files(self) -> TenantFiles:
        """The files of living and deleted tenants, as they are written."""
        return self.inventory.files

    @property
    def policy(self) -> PlatformPolicy:
        """What holds for the whole platform, as the last look or edit read it."""
        if self._policy is None:
            self._look()
        return t.cast("PlatformPolicy", self._policy)

    @functools.cached_property
    def outbox(self) -> notifications.Outbox | None:
        """The outbox; None without a relay. Raises LetterError."""
        settings = notifications.MailSettings.of(self.policy.letters, self.state.outbox)
        return notifications.Outbox(settings) if settings else None

    def tenants(self) -> Mapping[str, Tenant]:
        """Return the desired state of all tenants, by name."""
        return self._look().tenants

    def tenant(self, name: str) -> Tenant:
        """Return the desired state of a tenant; raises InventoryError for an unknown name."""
        self.files.existing(name)
        fleet = self._look()
        if name not in fleet.tenants:
            raise InventoryError(fleet.problems)
        return fleet.tenants[name]

    def unfinished(self) -> tuple[DeletionRecord, ...]:
        """Return the deleted tenants whose data is not in the trash yet."""
        return tuple(one for one in self.files.deletion_records() if not one.trashed and not one.purged)

    def _look(self) -> Fleet:
        fleet, self._policy = self.inventory.look()
        return fleet

    # What the machines say

    def sizes(self) -> Sizes:
        """Return the size of each NAS, and of each server's disk that can be read; raises RunError."""
        read = self._storage()
        return Sizes.of(read.get(TaskId.QUOTAS, {}), read.get(TaskId.DISKS, {}))

    def used(self, name: str) -> int:
        """Return how many bytes of its quota a tenant uses; raises RunError."""
        directories = self._storage().get(TaskId.QUOTAS, {}).get(self.tenant(name).nas, {}).get("tenants", {})
        return int(directories.get(name, {}).get("used") or 0)

    def stats(self) -> Results:
        """Return what silo.reports.usage reads; raises RunError."""
        return self._playbooks.run([READ], tags=[ReadTag.STATS]).results

    def plan(self, names: Sequence[str] = (), *, anew: bool = False) -> Results:
        """Return what apply would do; changes nothing. Raises RunError."""
        self._check_known(names)
        return self._playbooks.run([PLAN], tenants=names, variables=_anew(names, anew)).results

    def _storage(self) -> Results:
        # It only reads, and waits for nobody's turn.
        return runner.read(self.path, ReadTag.STORAGE)

    # Changes of a tenant

    def check_new(
        self, name: str, *, email: str, ordered: bool = False, former: str = "", **settings: str | None
    ) -> None:
        """Validate a new tenant without reading a machine; `ordered` and `former` are those of EditSession.create."""
        with self.inventory.session(dry_run=True) as session:
            session.create(name, {**settings, "email": email}, ordered=ordered, former=former)
            # Whoever asks for it next need not let Ansible read all once more.
            self._policy = session.policy()

    def create(
        self,
        name: str,
        *,
        email: str,
        sizes: Sizes | None = None,
        dry_run: bool = False,
        ordered: bool = False,
        former: str = "",
        **settings: str | None,
    ) -> Change:
        """Create a tenant; its customer is sent a one-time link, without a relay it is left in a file.

        `sizes` are those of NAS and disks, where the caller has them; without them they are read here. `ordered` and
        `former` are those of EditSession.create.
        """
        if sizes is None and self._applies:
            self.check_new(name, email=email, ordered=ordered, former=former, **settings)
            sizes = self.sizes()
        with self.inventory.session(dry_run) as session:
            # Sizes were read without the lock; what is promised is added up again under it.
            given = {**settings, "email": email}
            edit = session.create(name, given, sizes or NOT_READ, ordered=ordered, former=former)
            change = self._make(session, edit, "created")
        if self._applies and not dry_run:
            message = f"{name} is in the inventory, but does not run yet"
            if self.outbox:
                self._apply([name], message)
            else:
                self._apply([name], message, (APPLY, LETTERS, ACCESS), variables=self._link_variables)
        return change

    def change(
        self,
        name: str,
        *,
        dry_run: bool = False,
        notify_customer: bool = False,
        occasion: str | None = None,
        **settings: str | None,
    ) -> Change:
        """Change settings of a tenant; `notify_customer` sends the letter on the plan.

        An address that changes is told so first. `occasion` identifies the cause, such as an event of Stripe, so that
        a retry sends no second letter.
        """
        sizes = NOT_READ
        if self._applies and settings.keys() & NEEDING_ROOM:
            with self.inventory.session(dry_run=True) as session:
                session.change(name, settings)
            sizes = self.sizes()
        if "email" in settings and not dry_run:
            with self.inventory.session(dry_run=True) as session:
                edit = session.change(name, settings, sizes)
                self._policy = session.policy()
            # Without the lock, as the relay may take its time.
            self._tell_former_address(edit, occasion or _now())
        with self.inventory.session(dry_run) as session:
            edit = session.change(name, settings, sizes)
            change = self._make(session, edit, "plan_changed" if notify_customer else "")
        if self._applies and not dry_run:
            self._apply([name], f"{name} has changed in the inventory, but not on its server yet")
        return change

    def extend(self, name: str, until: str | None, reason: str | None, *, dry_run: bool = False) -> Change:
        """Let the bill count again from the day `until`, None for now; that concerns no machine."""
        with self.inventory.session(dry_run) as session:
            edit = session.change(name, {"extended_until": until, "extension_reason": reason})
            return self._make(session, edit)

    def set_state(
        self,
        name: str,
        state: str,
        *,
        dry_run: bool = False,
        link: str = "",
        reason: str = "",
        since: datetime.date | None = None,
    ) -> Change:
        """Bring a tenant to `running`, `stopped` or `suspended`; its customer gets a letter where it is about the bill.

        `link` is where this customer can pay, empty for the platform's page. `reason` is one of validation.REASONS,
        by default `unpaid` for a suspension and `operator` for a stop; `since` is the day, by default today.
        """
        change = self._edit_state(name, state, dry_run, link, reason=reason, since=since)
        if self._applies and not dry_run:
            tags = () if state == "running" else WITHOUT_STORAGE
            self._apply(
                [name], f"the desired state of {name} is {state}, but its server has not reached it yet", tags=tags
            )
        return change

    def apply(self, names: Sequence[str] = (), *, anew: bool = False) -> Results:
        """Bring the tenants of these names, or all, to their desired state; complete interrupted deletions as well.

        Billing alone completes a deletion that it began, because somebody may have paid meanwhile. With `anew`, each
        named tenant whose database is lost starts with an empty one, although it has uploads.
        """
        self._check_known(names)
        for deletion in self.unfinished():
            if deletion.reason in ("", "operator"):
                self._put_aside(deletion)
        return self._apply(names, "Some machines have not reached their desired state", variables=_anew(names, anew))

    def maintain(self, scopes: Sequence[str], notice: Notice | None, *, dry_run: bool = False) -> Change:
        """Show a page in place of the photo clouds of `all`, of servers or of tenants; with None, end that."""
        with self.inventory.session(dry_run) as session:
            change = session.make(session.maintain(scopes, notice))
        if self._applies and not dry_run:
            try:
                self._playbooks.run([MAINTENANCE])
            except RunError as error:
                text = f"The inventory says it, but not each server shows it yet: {error}"
                raise ApplyIncomplete(f"{text}\nThe same command completes it.") from error
        return change

    # A one-time link for a customer

    def reset_access(self, name: str) -> Path | None:
        """Send a tenant's customer a new one-time link; without a relay, leave it in a file, and return its path."""
        if self.outbox is None:
            return self.leave_link(name)
        if (state := self.tenant(name).state) != "running":
            raise InventoryError(
                f"tenant {name!r}: it is {state}, and only a running tenant can get a link; start it first"
            )
        self.outbox.queue_notification(name, "access")
        self._apply([name], f"{name}: the letter with a new link is not written yet", [LETTERS])
        return None

    def leave_link(self, name: str) -> Path:
        """Leave a one-time link in a file that only its owner reads; return its path."""
        self._check_known([name])
        self._playbooks.run([ACCESS], tenants=[name], variables=self._link_variables)
        return self.link(name)

    def link(self, name: str) -> Path:
        """Return the file in which the last one-time link of a tenant was left."""
        return self._links / name

    # Deletion, and the trash

    def delete(self, name: str, *, by: str | None = None, reason: str = "operator") -> DeletionRecord:
        """Take a tenant down, put its data into the trash, and return its deletion record, with the reason for it."""
        if name not in self.files.all():
            # A deletion that was cut off goes on where it was.
            for deletion in self.unfinished():
                if deletion.name == name:
                    return self._put_aside(deletion)
        self.remove(name, dry_run=True)
        self._edit_state(name, "absent", reason=reason)
        self._apply([name], f"{name} is being deleted, but its containers still exist", [APPLY])
        self.remove(name, by=by)
        return self._put_aside(self.files.last_deleted(name))

    def remove(self, name: str, *, by: str | None = None, dry_run: bool = False) -> Change:
        """Take a tenant out of the inventory alone; its data on the machines must then be put into the trash."""
        with self.inventory.session(dry_run) as session:
            return session.make(session.remove(name, by=by))

    def reserved(self) -> Mapping[str, DeletionRecord]:
        """Return the names of deleted tenants that nobody else may have, with the last record of each."""
        return self.files.reserved(self.policy.name_years)

    def free(self, name: str, *, dry_run: bool = False) -> Change:
        """Let others have the reserved name of a deleted tenant."""
        with self.inventory.session(dry_run) as session:
            return session.make(session.free(name))

    def undelete(self, word: str, *, dry_run: bool = False) -> Change:
        """Bring the deleted tenant of this id, or name, back with its data, secrets and index, and start it."""
        deletion = self.files.find_deleted(word)
        name = deletion.name
        with self.inventory.session(dry_run=True) as session:
            change = session.restore(deletion.id, state="running").change
        if not dry_run:
            self._trash("restored", [deletion])
            with self.inventory.session() as session:
                change = self._make(session, session.restore(deletion.id, state="running"), "restored")
            self._apply([name], f"{name} is back in the inventory, but does not run yet")
        return change

    def record_trashed(self, deletion: DeletionRecord, *, files: int, used: int) -> DeletionRecord:
        """Record what a deleted tenant left, files and bytes, now that it is in the trash, and write its customer."""
        after = deletion.put_aside(files=files, used=used)
        event, recipient = f"deleted/{deletion.name}/{deletion.when}", self.files.former(deletion).get("tenant_email")
        # An earlier run, which was cut off, may have kept it already.
        if self.outbox and recipient and event not in self.outbox.states():
            language = t.cast("notifications.Language", deletion.language)
            self.outbox.enqueue(event, str(recipient), self.deleted_letter(after), language)
        with self.inventory.session() as session:
            session.make(session.record(after, before=deletion))
        return after

    def deleted_letter(self, deletion: DeletionRecord) -> notifications.Letter:
        """Return the letter on a tenant that was deleted; its days are the customer's, not those of UTC."""
        at = datetime.datetime.fromisoformat(deletion.when)
        until = (at + datetime.timedelta(days=self.policy.trash_days)).astimezone(notifications.ZONE).date()
        address = f"https://{deletion.name}.{self.policy.domain}"
        return notifications.Deleted(deletion.name, address, deletion.files, deletion.used, at, until, deletion.reason)

    def kept(self) -> tuple[DeletionRecord, ...]:
        """Return the deleted tenants whose data lies in the trash, the oldest first."""
        found = [one for one in self.files.deletion_records() if one.trashed and not one.purged]
        return tuple(sorted(found, key=lambda one: one.when))

    def due(self, now: datetime.datetime | None = None) -> tuple[DeletionRecord, ...]:
        """Return the deleted tenants whose time in the trash is over, the oldest first."""
        before = (now or datetime.datetime.now(datetime.UTC)) - datetime.timedelta(days=self.policy.trash_days)
        return tuple(one for one in self.kept() if datetime.datetime.fromisoformat(one.when) <= before)

    def purge(self, deletions: Sequence[DeletionRecord]) -> tuple[DeletionRecord, ...]:
        """Remove the data of deleted tenants for good, of as many as the policy allows at once; return whose.

        Each is recorded before the next one begins, and one that fails takes no place of the others. Raises
        RunError after all of them if one has failed; after MOST_FAILURES, as where a NAS is away, no other is tried.
        """
        done: list[DeletionRecord] = []
        problems: list[str] = []
        for deletion in deletions:
            if len(done) == self.policy.trash_purges or len(problems) == MOST_FAILURES:
                break
            try:
                self._trash("purged", [deletion])
            except RunError as error:
                problems.append(f"{deletion.id} is still in the trash: {error}")
                continue
            with self.inventory.session() as session:
                session.make(session.purge(deletion))
            done.append(deletion)
        if problems:
            gone = f"\nRemoved for good: {', '.join(one.id for one in done)}." if done else ""
            raise RunError("\n".join(problems) + gone)
        return tuple(done)

    def _put_aside(self, deletion: DeletionRecord) -> DeletionRecord:
        """Move what a deleted tenant left into the trash, and record how much it was."""
        try:
            results = self._trash("trashed", [deletion])
        except RunError as error:
            message = f"{deletion.name} is removed from the inventory, but its data are not in the trash yet"
            raise ApplyIncomplete(f"{message}: {error}\n'silo delete {deletion.name}' completes it.") from error
        (stored,) = results[TaskId.TRASH_UPLOADS][deletion.nas]["tenants"]
        after = self.record_trashed(deletion, files=stored["files"] or 0, used=stored["bytes"] or 0)
        if self.outbox:
            self.outbox.deliver()
        return after

    def _trash(self, state: str, deletions: Sequence[DeletionRecord]) -> Results:
        where = {f"trash_{kind}": hosts for kind, hosts in in_the_trash(deletions).items()}
        return self._playbooks.run([TRASH], variables={"trash_state": state, **where}).results

    # The parts of a change

    def _check_known(self, names: Sequence[str]) -> None:
        for name in names:
            self.tenant(name)

    @property
    def _links(self) -> Path:
        return self.state.folder / LINKS

    @property
    def _link_variables(self) -> Mapping[str, str]:
        return {"access_links_directory": str(self._links)}

    def _edit_state(
        self,
        name: str,
        state: str,
        dry_run: bool = False,
        link: str = "",
        *,
        reason: str = "",
        since: datetime.date | None = None,
    ) -> Change:
        why: str | None = None if state == "running" else reason or BY_DEFAULT.get(state, "operator")
        day = (since or datetime.datetime.now(notifications.ZONE).date()).isoformat()
        with self.inventory.session(dry_run) as session:
            written = self.files.existing(name).settings
            settings: dict[str, str | None] = {"state": state, "state_reason": why}
            if why is None:
                settings["state_since"] = None
            elif (written.get("tenant_state"), written.get("tenant_state_reason")) != (state, why):
                settings["state_since"] = day
            edit = session.change(name, settings)
            return self._make(session, edit, _about_the_bill(edit.was, state, why), link)

    def _make(self, session: EditSession, edit: PreparedEdit, letter: str = "", link: str = "") -> Change:
        """Make an edit; its letter is queued before it, so that a customer gets it also where the edit is cut off."""
        self._policy = session.policy()
        name = edit.change.name
        outbox = self.outbox if letter and edit.edit and not session.dry_run else None
        is_new = outbox is not None and outbox.queue_notification(name, letter, link)
        try:
            return session.make(edit)
        except Exception:
            if outbox is not None and is_new:
                outbox.forget(name, letter)
            raise

    def _tell_former_address(self, edit: PreparedEdit, occasion: str) -> None:
        """Write to the address that a tenant is about to leave: who did not ask for it can still say so.

        What the relay does with the letter does not stop the change, as an address often changes because it is broken.
        """
        name = edit.change.name
        before, after = ((said or {}).get("tenant_email", "") for said in (edit.change.before, edit.change.after))
        if email_address.same(str(before), str(after)) or email_address.problem(before):
            return
        if self.outbox is None:
            self.inventory.notify(f"There is no relay, so nobody tells the former address of {name} that it changes.")
            return
        event = f"address_changed/{name}/{occasion}"
        if event not in self.outbox.states():
            known = edit.was.settings if edit.was else defaults()
            letter = notifications.AddressChanged(name, f"https://{name}.{self.policy.domain}")
            self.outbox.enqueue(event, str(before), letter, known["tenant_language"])
        with contextlib.suppress(notifications.LetterError):
            self.outbox.deliver()
        self.inventory.notify(notifications.delivery_status(self.outbox, event))

    def _apply(
        self,
        names: Sequence[str],
        otherwise: str,
        playbooks: Sequence[str] = (APPLY, LETTERS),
        tags: Sequence[str] = (),
        variables: Mapping[str, t.Any] = MappingProxyType({}),
    ) -> Results:
        """Run what brings the machines to the inventory; `otherwise` is what the operator reads where it fails."""
        wanted = [one for one in playbooks if one != LETTERS or self._has_pending_notifications(names)]
        if self._verify and APPLY in wanted:
            wanted.append(VERIFY)
        try:
            ended = self._playbooks.run(wanted, tenants=names, tags=tags, variables=variables)
        except RunError as error:
            again = f"'silo apply {' '.join(names)}'" if names else "'silo apply'"
            raise ApplyIncomplete(f"{otherwise}: {error}\n{again} completes it.") from error
        self.left_alone += [line for told in ended.results.get(TaskId.LEFT_ALONE, {}).values() for line in told["msg"]]
        if VERIFY in wanted:
            self.broken += changed.broken(ended.book)
        return ended.results

    def _has_pending_notifications(self, names: Sequence[str]) -> bool:
        """Whether a notification is queued for one of these tenants, without names for any."""
        pending = self.outbox.pending_notifications() if self.outbox else ()
        return any(not names or one.tenant in names for one in pending)


def _about_the_bill(was: Tenant | None, state: str, reason: str | None) -> str:
    """Return the letter that a customer gets on a new state, or for another reason for it; empty for none."""
    before, why = (was.state, was.settings.get("tenant_state_reason")) if was else ("", None)
    if state == "suspended" and (before != state or (why and why != reason)):
        return "suspended"
    return "restored" if state == "running" and before == "suspended" else ""


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


def _anew(names: Sequence[str], anew: bool) -> Mapping[str, Sequence[str]]:
    """Return the variable of one run that lets tenants start with an empty database."""
    return {"silo_start_anew": list(names)} if anew else {}


def in_the_trash(deletions: Sequence[DeletionRecord]) -> dict[str, dict[str, list[dict[str, t.Any]]]]:
    """Return `databases` and `disks` by server, `uploads` by NAS, each a list as the modules of the trash take it."""
    databases: dict[str, list[dict[str, t.Any]]] = {}
    disks: dict[str, list[dict[str, t.Any]]] = {}
    uploads: dict[str, list[dict[str, t.Any]]] = {}
    for deletion in deletions:
        entry = {"name": deletion.name, "id": deletion.index, "when": deletion.when}
        databases.setdefault(deletion.server, []).append({**entry, "uid": deletion.uid})
        disks.setdefault(deletion.server, []).append(entry)
        uploads.setdefault(deletion.nas, []).append(entry)
    return {"databases": databases, "disks": disks, "uploads": uploads}

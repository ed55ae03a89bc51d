"""The service that makes all changes of tenants.

A change is validated, its letter queued, the inventory edited and applied, the letter sent, and the tenant verified. If
it is interrupted anywhere, the same change, or `apply`, completes it.
"""

from __future__ import annotations

import dataclasses
import datetime
import functools
import typing as t
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from silo import notifications
from silo.ansible.contract import READ, ReadTag, TaskId
from silo.ansible.playbooks import ACCESS, APPLY, LETTERS, MAINTENANCE, PLAN, VERIFY, IncompleteRun, Playbooks
from silo.ansible.results import Answers, answers, ask
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
from silo.owed_links import OwedLinks
from silo.state import State
from silo.tenants import letters
from silo.tenants.desired_state import DesiredState
from silo.tenants.errors import MENDED, ApplyIncomplete
from silo.tenants.trash import Trash

LINKS = "links"
# A stop needs no storage: the NAS may be away, and may be the reason for the stop.
WITHOUT_STORAGE = ("stacks", "letters")
# The settings of a tenant of which a NAS, or a server's disk, has a say.
NEEDING_ROOM = frozenset({"quota", "disk", "plan", "nas"})


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
        self.owed_links = OwedLinks(self.state.folder)
        self.broken: list[Finding] = []
        self.left_alone: list[str] = []
        self._playbooks = Playbooks(self.path, self.state, _commits(author, commit))
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
            raise InventoryError(fleet.problems_of(name) or fleet.problems)
        return fleet.tenants[name]

    def problems(self) -> tuple[str, ...]:
        """Return what is wrong with the settings of tenants, which are in no other answer."""
        return self._look().problems

    def owed(self) -> Mapping[str, Mapping[str, str]]:
        """Return what customers have yet to get from a run, by tenant: kind of letter, or `link`, to since when."""
        found: dict[str, dict[str, str]] = {name: {"link": since} for name, since in self.owed_links.all().items()}
        for pending in self.outbox.pending_notifications() if self.outbox else ():
            found.setdefault(pending.tenant, {})[pending.kind] = pending.since
        return found

    def is_begun(self, name: str, *, email: str, **settings: str | None) -> bool:
        """Return whether a creation with these settings was cut off, so that the same call completes it."""
        if name not in self.files.all() or not {"created", "link"} & self.owed().get(name, {}).keys():
            return False
        given = {key: value for key, value in settings.items() if value is not None}
        with self.inventory.session(dry_run=True) as session:
            return session.change(name, {**given, "email": email}).edit is None

    def unfinished(self) -> tuple[DeletionRecord, ...]:
        """Return the deleted tenants whose data is not in the trash yet."""
        return tuple(one for one in self.files.readable_deletions() if not one.trashed and not one.purged)

    def completed_by_apply(self) -> tuple[DeletionRecord, ...]:
        """Return those of the unfinished that an apply completes: billing alone completes a deletion that it began."""
        return tuple(one for one in self.unfinished() if one.reason in ("", "operator"))

    def _look(self) -> Fleet:
        fleet, self._policy = self.inventory.look()
        return fleet

    # What the machines say

    def sizes(self) -> Sizes:
        """Return the size of each NAS, and of each server's disk that can be read; raises RunError."""
        said = self._storage()
        return Sizes.of(said.results.get(TaskId.QUOTAS, {}), said.results.get(TaskId.DISKS, {}), said.missing)

    def used(self, name: str) -> int:
        """Return how many bytes of its quota a tenant uses; raises RunError."""
        nas, said = self.tenant(name).nas, self._storage()
        if nas in said.missing:
            raise RunError(said.missing[nas])
        directories = said.results.get(TaskId.QUOTAS, {}).get(nas, {}).get("tenants", {})
        return int(directories.get(name, {}).get("used") or 0)

    def stats(self) -> Answers:
        """Return what silo.reports.usage reads; raises RunError."""
        return answers(self._playbooks.run([READ], tags=[ReadTag.STATS]).book)

    def plan(self, names: Sequence[str] = (), *, anew: bool = False) -> Results:
        """Return what apply would do; changes nothing. Raises RunError."""
        self._check_known(names)
        return self._playbooks.run([PLAN], tenants=names, variables=_anew(names, anew)).results

    def _storage(self) -> Answers:
        # It only reads, and waits for nobody's turn.
        return ask(self.path, ReadTag.STORAGE)

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

        The same call again completes a creation that was cut off. `sizes` are those of NAS and disks, where the caller
        has them; without them they are read here. `ordered` and `former` are those of EditSession.create.
        """
        begun = self.is_begun(name, email=email, **settings)
        if sizes is None and self._applies and not begun:
            self.check_new(name, email=email, ordered=ordered, former=former, **settings)
            sizes = self.sizes()
        with self.inventory.session(dry_run) as session:
            # Sizes were read without the lock; what is promised is added up again under it.
            given = {**settings, "email": email}
            if begun:
                change = session.change(name, {}).change
            else:
                edit = session.create(name, given, sizes or NOT_READ, ordered=ordered, former=former)
                change = self._make(session, edit, "created")
        if self._applies and not dry_run:
            self._apply([name], f"{name} is in the inventory, but does not run yet")
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
            if letters.left_address(edit):
                cause, domain = occasion or _now(), self.policy.domain
                letters.tell_former_address(edit, cause, self.outbox, domain, self.inventory.notify)
        with self.inventory.session(dry_run) as session:
            edit = session.change(name, settings, sizes)
            change = self._make(session, edit, "plan_changed" if notify_customer else "")
        if self._applies and not dry_run:
            self._apply([name], f"{name} has changed in the inventory, but not on its server yet")
        return change

    def places(self, *, dry_run: bool = False) -> tuple[Change, tuple[str, ...]]:
        """Write the server and the NAS of each tenant whose files name none, as the machines have its directories.

        Returns the edit, and a sentence for each tenant of which that is not clear. Raises RunError.
        """
        said = self._storage()
        if said.missing:
            # Who has a directory on one that answers may live on one that does not.
            raise RunError(" ".join(said.missing.values()))
        read = said.results
        found, unclear = self.files.places(
            {
                "tenant_server": {host: one["tenants"] for host, one in read.get(TaskId.DISKS, {}).items()},
                "tenant_nas": {host: one["tenants"] for host, one in read.get(TaskId.QUOTAS, {}).items()},
            }
        )
        with self.inventory.session(dry_run) as session:
            return session.make(session.settle(found)), unclear

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

        `link`, `reason` and `since` are those of DesiredState.
        """
        change = self._edit_state(name, DesiredState(state, reason, since, link), dry_run)
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
        left: list[str] = []
        for deletion in self.completed_by_apply():
            try:
                self.trash.put_aside(deletion, self.outbox)
            except ApplyIncomplete as error:
                # A machine that is away keeps nobody from the others.
                left.append(str(error))
        try:
            otherwise = "Some machines have not reached their desired state"
            results = self._apply(names, otherwise, variables=_anew(names, anew))
        except ApplyIncomplete as error:
            raise ApplyIncomplete("\n".join([*left, str(error)])) from error.__cause__
        if left:
            # Its cause has what was done for the others.
            raise ApplyIncomplete("\n".join(left)) from IncompleteRun(left[0], results)
        return results

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

    @property
    def _links(self) -> Path:
        return self.state.folder / LINKS

    @property
    def _link_variables(self) -> Mapping[str, str]:
        return {"access_links_directory": str(self._links)}

    # Deletion

    @property
    def trash(self) -> Trash:
        """The trash, by the policy as it was read last."""
        return Trash(self.inventory, self._playbooks, self.policy)

    def delete(self, name: str, *, by: str | None = None, reason: str = "operator") -> DeletionRecord:
        """Take a tenant down, put its data into the trash, and return its deletion record, with the reason for it."""
        if name not in self.files.names():
            # A deletion that was cut off goes on where it was.
            for deletion in self.unfinished():
                if deletion.name == name:
                    return self.trash.put_aside(deletion, self.outbox)
        self.remove(name, dry_run=True)
        self._edit_state(name, DesiredState("absent", reason))
        again = f"'silo delete {name}' completes it"
        self._apply([name], f"{name} is being deleted, but its containers still exist", [APPLY], again=again)
        self.remove(name, by=by)
        return self.trash.put_aside(self.files.last_deleted(name), self.outbox)

    def remove(self, name: str, *, by: str | None = None, dry_run: bool = False) -> Change:
        """Take a tenant out of the inventory alone; its data on the machines must then be put into the trash."""
        with self.inventory.session(dry_run) as session:
            change = session.make(session.remove(name, by=by))
        if not dry_run:
            self.owed_links.forget(name)
        return change

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
            self.trash.take_out(deletion)
            with self.inventory.session() as session:
                change = self._make(session, session.restore(deletion.id, state="running"), "undeleted")
            self._apply([name], f"{name} is back in the inventory, but does not run yet")
        return change

    def move_former(self, deletion: DeletionRecord, email: str, occasion: str) -> Change:
        """Change the address of a tenant in the trash, which counts once it is restored; tell the former one.

        `occasion` is that of `change`.
        """
        with self.inventory.session() as session:
            edit = session.move_former(deletion, email)
            self._policy = session.policy()
        if edit.edit and letters.left_address(edit):
            domain, notify = self.policy.domain, self.inventory.notify
            letters.tell_former_address(edit, occasion, self.outbox, domain, notify, deletion.language)
        with self.inventory.session() as session:
            return session.make(session.move_former(deletion, email))

    # The parts of a change

    def _check_known(self, names: Sequence[str]) -> None:
        for name in names:
            self.tenant(name)

    def _edit_state(self, name: str, wanted: DesiredState, dry_run: bool = False) -> Change:
        with self.inventory.session(dry_run) as session:
            edit = session.change(name, wanted.settings(self.files.existing(name).settings))
            return self._make(session, edit, wanted.letter(edit.was), wanted.link)

    def _make(self, session: EditSession, edit: PreparedEdit, letter: str = "", link: str = "") -> Change:
        """Make an edit with the letter that it owes, empty for none."""
        self._policy = session.policy()
        if not letter or edit.edit is None or session.dry_run:
            return session.make(edit)
        if self.outbox:
            return letters.make(session, edit, self.outbox, letter, link)
        # Without a relay, a run leaves the first link in a file.
        return letters.make_with_link(session, edit, self.owed_links) if letter == "created" else session.make(edit)

    def _apply(
        self,
        names: Sequence[str],
        otherwise: str,
        playbooks: Sequence[str] = (APPLY, LETTERS),
        tags: Sequence[str] = (),
        variables: Mapping[str, t.Any] = MappingProxyType({}),
        again: str = "",
    ) -> Results:
        """Run what brings the machines to the inventory.

        `otherwise` is what the operator reads where it fails, and `again` what completes it then.
        """
        wanted = [one for one in playbooks if one != LETTERS or self._owes(names)]
        if self._verify and APPLY in wanted:
            wanted.append(VERIFY)
        try:
            ended = self._playbooks.run(wanted, tenants=names, tags=tags, variables=variables)
        except RunError as error:
            again = again or f"'silo apply{''.join(f' {name}' for name in names)}' completes it"
            raise ApplyIncomplete(f"{otherwise}: {error}\n{MENDED}, {again}.") from error
        self.left_alone += [line for told in ended.results.get(TaskId.LEFT_ALONE, {}).values() for line in told["msg"]]
        if VERIFY in wanted:
            self.broken += changed.broken(ended.book)
        return ended.results

    def _owes(self, names: Sequence[str]) -> bool:
        """Whether a letter or a link is owed to one of these tenants, without names to any."""
        owed = self.owed()
        return any(name in owed for name in names) if names else bool(owed)


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


def _anew(names: Sequence[str], anew: bool) -> Mapping[str, Sequence[str]]:
    """Return the variable of one run that lets tenants start with an empty database."""
    return {"silo_start_anew": list(names)} if anew else {}


def _commits(author: str | None, commit: bool) -> Mapping[str, t.Any]:
    """Return the variables by which a run commits the vaults that it creates as edits are committed."""
    given = {"silo_commit_author": author} if author else {}
    return given if commit else {**given, "silo_commits": False}

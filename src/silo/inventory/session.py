"""One edit of an inventory under its lock: first prepared (validated, and checked for room), then made (committed).

A tenant.yml with an edit that nobody has committed is left alone, so that no commit of silo holds another person's
work; one that git does not know yet is committed whole by its first edit.
"""

from __future__ import annotations

import dataclasses
import functools
import getpass
import os
from collections.abc import Callable, Mapping, Sequence

from silo import maintenance
from silo.admission import roomiest
from silo.inventory import deleted, document, fleet_builder, plans, validation
from silo.inventory.commit_messages import diff, said
from silo.inventory.deleted import DeletionRecord
from silo.inventory.document import Document, Scalar
from silo.inventory.errors import InventoryError, NameRefusedError, shown
from silo.inventory.history import Author, History
from silo.inventory.model import NOT_READ, Change, Fleet, Sizes
from silo.inventory.reader import Merged, PlatformPolicy, Reader
from silo.inventory.tenant_files import TenantFiles, tenant_file
from silo.inventory.transaction import DESK, Edit, Folder, Move, Step, Write
from silo.inventory.validation import SETTINGS, Tenant
from silo.maintenance import Notice
from silo.tenant.names import lookalike

HEAD = "---\n# Written by silo. What is this tenant's alone stands in overrides.yml beside it.\n"
# Settings by their names without the prefix, as texts.
Settings = Mapping[str, str | None]


@dataclasses.dataclass(frozen=True)
class PreparedEdit:
    """An edit that is valid, has room, and is not made yet. `was` is the tenant before it, None for a new one.

    `edit` is None where nothing changes.
    """

    change: Change
    edit: Edit | None
    was: Tenant | None = None


@dataclasses.dataclass(frozen=True)
class EditSession:
    """An inventory whose lock is held. Each method but `make` prepares an edit, and writes nothing.

    All raise InventoryError where something is not right, and silo.admission.AdmissionError where there is no room.
    """

    files: TenantFiles
    history: History | None
    author: Author | None
    reader: Reader
    dry_run: bool
    notify: Callable[[str], None]

    @property
    def folder(self) -> Folder:
        """The inventory's folder."""
        return self.files.folder

    def policy(self) -> PlatformPolicy:
        """Return what holds for the whole platform."""
        return self._merged.policy()

    def create(
        self,
        name: str,
        settings: Settings,
        sizes: Sizes = NOT_READ,
        *,
        ordered: bool = False,
        former: str = "",
    ) -> PreparedEdit:
        """Add a tenant, with an index that nobody had before, on `server` or on the one with the most memory left.

        The latter must be there, if any is, and disk and NAS must have room, if those of any have.
        `settings` are those of `change`; `email`, and `plan` or `quota`, must be among them. None is as if not given.
        `ordered` says that a stranger wished the name: it must look like no other. `former` is the subscription of the
        same customer's earlier tenant, whose reserved name they get back.
        """
        validation.check_new_name(name)
        given = {key: value for key, value in settings.items() if value is not None}
        values = validation.new_values(name, given, plans.names(self.folder.root))
        self._check_new(name)
        self._check_nobodys(name, ordered, former)
        deletions = self.files.deletion_records()
        fleet = fleet_builder.fleet(self._merged, deletions)
        if fleet.problems:
            raise InventoryError(fleet.problems)
        # Ansible follows a link out of the inventory, and nobody shall be made beside one.
        self.files.all()
        fleet_builder.check_unknown_to_machines(name, sizes)
        placed, nas = "tenant_server" not in values, str(values.get("tenant_nas") or "")
        if placed and (server := roomiest(fleet_builder.servers_for(fleet, nas, sizes))):
            values["tenant_server"] = server
        if stored := nas or fleet_builder.emptiest(fleet, str(values.get("tenant_server") or ""), sizes):
            values["tenant_nas"] = stored
        sold = self._as_sold(values)
        lines = {key: values[key] for key in SETTINGS if key in values and key not in sold}
        lines["tenant_index"] = fleet_builder.free_index(fleet.tenants.values(), deletions, sizes.indexes)
        after = document.edit(document.read(tenant_file(name), HEAD), lines)
        tenant = self._check(name, [after.text], lines, fleet)
        if lost := {key: sold[key] for key in sold if not plans.same(key, tenant.settings.get(key), sold[key])}:
            # Another file of group_vars counts above the plan.
            lines |= lost
            after = document.edit(document.read(tenant_file(name), HEAD), lines)
            tenant = self._check(name, [after.text], lines, fleet)
        if placed and (other := fleet_builder.with_room(fleet, tenant, nas, sizes)) != tenant.server:
            lines["tenant_server"], placed = other, False
            lines["tenant_nas"] = nas or fleet_builder.emptiest(fleet, other, sizes) or tenant.nas
            after = document.edit(document.read(tenant_file(name), HEAD), lines)
            tenant = self._check(name, [after.text], lines, fleet)
        fleet_builder.admit(fleet, None, tenant, placed, sizes)
        bought = ", ".join(filter(None, (str(tenant.settings["tenant_quota"]), tenant.settings.get("tenant_plan"))))
        edit = Edit(f"Create tenant {name} ({bought})", (Write(tenant_file(name), None, after.text),))
        return _prepared(name, None, after.settings, edit)

    def change(self, name: str, settings: Settings, sizes: Sizes = NOT_READ) -> PreparedEdit:
        """Change settings of a tenant; None takes one away, so that the plan or the policy counts again.

        They are those of validation.SETTINGS without their prefix: what the schema has in one value, as a text. With
        `plan`, all that the plan says counts: what the tenant's own file says otherwise goes, unless it is given too.
        """
        validation.check_name(name)
        values = validation.new_values(name, settings, plans.names(self.folder.root))
        before = self.files.existing(name)
        values = self._with_plan(name, before, values)
        self._check_overrides(name, values)
        values = {key: value for key, value in values.items() if not _is_said(before, self._merged, name, key, value)}
        if not values:
            return PreparedEdit(Change(name, before.settings, before.settings, ""), None)
        self._check_committed(before.where)
        fleet = fleet_builder.fleet(self._merged, self.files.readable_deletions())
        self._tell_unread()
        after = document.edit(before, values)
        others = fleet.without(name)
        tenant = self._check(name, [after.text], values, others)
        was = fleet.tenants.get(name)
        if was and was.nas != tenant.nas and name in sizes.used.get(was.nas, {}):
            raise InventoryError(
                f"{name}: tenant_nas would be {tenant.nas}, and its files are on {was.nas}; silo does not move them. "
                "docs/operate/runbooks/replace-the-nas.md shows how they are copied; tenant_nas is edited after that"
            )
        fleet_builder.admit(others, was, tenant, False, sizes)
        edit = Edit(said(name, before, values), (Write(before.where, before.text, after.text),))
        return _prepared(name, before.settings, after.settings, edit, was)

    def settle(self, places: Mapping[str, Mapping[str, str]]) -> PreparedEdit:
        """Write `tenant_server` and `tenant_nas` of tenants whose own files name none; the values are by tenant."""
        steps, texts = [], {}
        for name, values in places.items():
            before = self.files.existing(name)
            self._check_committed(before.where)
            after = document.edit(before, values)
            steps.append(Write(before.where, before.text, after.text))
            texts[name] = [after.text]
        merged = self.reader.merge(texts)
        problems = [text for name in places for text in merged.problems.get(name, ())]
        if problems:
            raise InventoryError(problems)
        names = ", ".join(places)
        if not steps:
            return PreparedEdit(Change(names, None, None, ""), None)
        return _prepared(names, None, None, Edit(f"Write where tenants are ({names})", tuple(steps)))

    def remove(self, name: str, *, by: str | None = None) -> PreparedEdit:
        """Take a tenant out of the inventory: a deletion record keeps its index, and its files until `purge`.

        `by` is who did it; without it the author, or the user who runs this.
        """
        validation.check_name(name)
        before = self.files.existing(name)
        self._check_committed(f"host_vars/{name}")
        tenant = fleet_builder.tenant(self._merged, name)
        deletion = DeletionRecord(
            tenant.index,
            name,
            deleted.now(),
            by or self._who(),
            tenant.nas,
            tenant.quota,
            tenant.server,
            tenant.uid,
            str(tenant.settings["tenant_language"]),
            subscription=str(tenant.settings.get("tenant_subscription", "")),
            disk=tenant.disk_quota,
            reason=str(tenant.settings.get("tenant_state_reason") or ""),
        )
        if self.folder.path(deletion.folder).exists():
            raise InventoryError(f"{deletion.folder}: it exists already; move it away, as the files of {name} go there")
        record = Write(deletion.path, self.folder.read(deletion.path), deletion.text)
        edit = Edit(
            f"Delete tenant {name} (index {deletion.index})", (record, Move(f"host_vars/{name}", deletion.folder))
        )
        return _prepared(name, before.settings, None, edit, tenant)

    def record(self, after: DeletionRecord, *, before: DeletionRecord) -> PreparedEdit:
        """Replace the record of a deleted tenant, whose data was put aside."""
        if before not in self.files.readable_deletions():
            raise _changed_meanwhile(before)
        steps = self._as_written(Write(before.path, before.text, after.text))
        edit = Edit(f"Record what deleted tenant {before.name} left ({after.files} files)", steps)
        return _prepared(before.name, None, None, edit)

    def move_former(self, deletion: DeletionRecord, email: str) -> PreparedEdit:
        """Change the address of a deleted tenant, which counts once it is restored."""
        self._check_committed(deletion.folder)
        where = f"{deletion.folder}/tenant.yml"
        text = self.folder.read(where)
        if text is None:
            raise _changed_meanwhile(deletion)
        before = document.read(where, text)
        after = document.edit(before, validation.new_values(deletion.name, {"email": email}, ()))
        edit = Edit(f"Change the address of deleted tenant {deletion.name}", (Write(where, text, after.text),))
        return _prepared(deletion.name, before.settings, after.settings, edit if after.text != text else None)

    def restore(self, word: str, *, state: str | None = None) -> PreparedEdit:
        """Bring back the deleted tenant of this id, or name, with its index, its files and its secrets.

        It should then be as `state` says; without it, as it was.
        """
        deletion = self.files.find_deleted(word)
        name = deletion.name
        given = {"state": state, "state_reason": None, "state_since": None}
        values = {} if state is None else validation.new_values(name, given, ())
        self._check_committed(deletion.folder)
        self._check_new(name)
        where = f"{deletion.folder}/tenant.yml"
        former = document.read(where, self.folder.read(where) or "")
        file = document.edit(former, values)
        others = [other for other in self.files.deletion_records() if other != deletion]
        fleet = fleet_builder.fleet(self._merged, others)
        overrides = self.folder.read(f"{deletion.folder}/overrides.yml")
        tenant = self._check(name, [text for text in (overrides, file.text) if text is not None], {}, fleet)
        fleet_builder.admit(fleet, None, tenant, False, NOT_READ)
        record = Write(deletion.path, self.folder.read(deletion.path), None)
        steps: list[Step] = [Move(deletion.folder, f"host_vars/{name}"), record]
        if file.text != former.text:
            steps.append(Write(tenant_file(name), former.text, file.text))
        edit = Edit(f"Restore tenant {name} (index {deletion.index})", tuple(steps))
        return _prepared(name, None, file.settings, edit)

    def purge(self, deletion: DeletionRecord, left: str = "") -> PreparedEdit:
        """Remove the files of a deleted tenant; its deletion record stays for ever, with what is `left` of the data."""
        known = deletion in self.files.readable_deletions() and not deletion.purged
        if not known or not self.folder.path(deletion.folder).is_dir():
            raise _changed_meanwhile(deletion)
        self._check_committed(deletion.folder)
        after = dataclasses.replace(deletion, purged=deleted.now(), left=left)
        steps = self._as_written(Write(deletion.path, deletion.text, after.text), Move(deletion.folder, f"{DESK}/gone"))
        return _prepared(
            deletion.name, None, None, Edit(f"Purge tenant {deletion.name} (index {deletion.index})", steps)
        )

    def free(self, name: str) -> PreparedEdit:
        """Let others have the reserved name of deleted tenants."""
        records = [one for one in self.files.deletion_records() if one.name == name and not one.freed]
        if not records or name not in self.files.reserved(self.policy().name_years):
            raise InventoryError(f"name {shown(name)}: it is not reserved; 'silo names' lists those that are")
        now = deleted.now()
        steps = self._as_written(
            *(Write(one.path, one.text, dataclasses.replace(one, freed=now).text) for one in records)
        )
        return _prepared(name, None, None, Edit(f"Free the name {name}", steps))

    def maintain(self, scopes: Sequence[str], notice: Notice | None) -> PreparedEdit:
        """Switch maintenance on for `all`, servers and tenants, or with None off; all must be there to switch it on."""
        before = self.files.maintenance()
        servers = self._merged.groups.get("servers", ())
        for scope in scopes:
            known = scope == maintenance.ALL or scope in servers or scope in self._merged.tenants
            if not known and (notice or scope not in before):
                text = f"{shown(scope)}: maintenance is for all, a server or a tenant; there are the servers"
                raise InventoryError(f"{text} {', '.join(sorted(servers)) or 'of nobody'}")
        after = {scope: one for scope, one in before.items() if scope not in scopes}
        after |= dict.fromkeys(scopes, notice) if notice else {}
        name = ", ".join(scopes)
        if after == before:
            return PreparedEdit(Change(name, None, None, ""), None)
        self._check_committed(maintenance.FILE)
        step = Write(maintenance.FILE, self.folder.read(maintenance.FILE), maintenance.written(after))
        return _prepared(name, None, None, Edit(f"Maintenance {'on' if notice else 'off'}: {name}", (step,)))

    def _tell_unread(self) -> None:
        """Tell the operator of deletion records that cannot be read, so that what is promised to them is in no sum."""
        for problem in self.files.unreadable_deletions():
            self.notify(f"{problem}. Until then, nobody can be created or restored.")

    def make(self, prepared: PreparedEdit) -> Change:
        """Make an edit whole, as one commit; nothing in a dry run, and where nothing changes."""
        if self.dry_run or prepared.edit is None:
            return prepared.change
        self.folder.make(prepared.edit)
        commit = self._commit(prepared.edit)
        self.folder.finish()
        if self.history and self.history.is_product:
            self.notify(
                f"{self.folder.root} is in a clone of SwissPhoto Silo, where edits are not committed; "
                "for a history, make it a git repository of its own."
            )
        return dataclasses.replace(prepared.change, commit=commit)

    def complete_cut_off(self) -> None:
        """Commit an edit that was cut off before its commit."""
        edit = None if self.dry_run else self.folder.cut_off()
        if edit is None:
            return
        try:
            self._commit(edit)
        except InventoryError as error:
            taken_back = "this earlier edit was interrupted before its commit, and is now rolled back; repeat it"
            raise InventoryError([f"{edit.message}: {taken_back}", *error.problems]) from error
        self.folder.finish()

    @functools.cached_property
    def _merged(self) -> Merged:
        return self.reader.merge()

    def _commit(self, edit: Edit) -> str | None:
        try:
            return self.history.commit(edit) if self.history else None
        except InventoryError:
            self.folder.take_back(edit)
            raise

    def _check_new(self, name: str) -> None:
        """Refuse a name that something of the inventory has."""
        if name in self._merged.tenants:
            raise NameRefusedError(f"tenant {name!r}: it exists already; choose another name, or change that one")
        groups = self._merged.groups
        if name in groups or any(name in hosts for hosts in groups.values()):
            raise NameRefusedError(
                f"tenant {name!r}: a machine or a group of the inventory has this name; choose another"
            )
        self.files.check_free(name)

    def _check_nobodys(self, name: str, ordered: bool, former: str) -> None:
        """Refuse a name that somebody had, and for an order one that people may take for another."""
        years = self.policy().name_years
        reserved = self.files.reserved(years)
        if record := reserved.get(name):
            if former and record.subscription == former:
                return
            raise NameRefusedError(
                f"tenant {name!r}: a deleted tenant had this name, and phones of its users may still upload there; it "
                f"is reserved until {record.reserved_until(years)}. Choose another, or free it: 'silo names --free "
                f"{name}'"
            )
        other = lookalike(name, {*self._merged.tenants, *reserved})
        if other and ordered:
            raise NameRefusedError(f"tenant {name!r}: in many fonts it looks like {other!r}; choose another name")
        if other:
            self.notify(f"In many fonts {name} looks like {other}, for which people may take it.")

    def _check_overrides(self, name: str, values: Mapping[str, Scalar | None]) -> None:
        """Refuse to write what overrides.yml says otherwise."""
        written = self.files.overrides(name)
        path = f"host_vars/{name}/overrides.yml"
        if problems := [
            f"{name}: {key} is {shown(written[key])} in {path}, which people write; change it there"
            for key, value in values.items()
            if key in written and value not in (None, written[key])
        ]:
            raise InventoryError(problems)

    def _as_sold(self, values: Mapping[str, Scalar | None]) -> dict[str, Scalar]:
        """Return the values that the plan among them says as well, so that nobody need write them."""
        plan = values.get(plans.PLAN)
        said = plans.said(self.folder.root, str(plan)) if plan else {}
        return {
            key: value
            for key, value in values.items()
            if value is not None and key in said and plans.same(key, value, said[key])
        }

    def _with_plan(self, name: str, before: Document, values: Mapping[str, Scalar | None]) -> dict[str, Scalar | None]:
        """Return the values of an edit with what a plan among them ends; tells which exceptions that are."""
        plan = values.get(plans.PLAN)
        if not plan:
            return dict(values)
        root, old = self.folder.root, before.settings.get(plans.PLAN)
        former, said = plans.said(root, str(old)) if old else {}, plans.said(root, str(plan))
        ended = [key for key in dict.fromkeys([*former, *said]) if key in before.settings and key not in values]
        overrides = self.files.overrides(name)
        for key in ended:
            if key not in former or not plans.same(key, before.settings[key], former[key]):
                self.notify(f"{name}: {key} was {shown(before.settings[key])}, and is now what plan {plan} says.")
        for key in sorted(said.keys() & overrides.keys() - values.keys()):
            if not plans.same(key, overrides[key], said[key]):
                where = f"host_vars/{name}/overrides.yml"
                self.notify(f"{name}: {key} stays {shown(overrides[key])}, an exception of {where}.")
        sold = self._as_sold(values)
        kept = {key: None if key in sold else value for key, value in values.items()}
        return {**kept, **dict.fromkeys(ended)}

    def _check_committed(self, path: str) -> None:
        if self.history and (files := self.history.edited([path])):
            raise InventoryError(f"{', '.join(files)}: there are uncommitted changes; commit them first")

    def _check(self, name: str, texts: list[str], values: Mapping[str, Scalar | None], others: Fleet) -> Tenant:
        """Return the tenant that the edit makes; raises InventoryError where the whole inventory would not be right."""
        merged = self.reader.merge({name: texts})
        tenant = fleet_builder.tenant(merged, name)
        problems = [
            f"{name}: {key} stays {shown(merged.tenants[name].get(key))} and does not become {shown(value)}, "
            f"as another file of host_vars/{name} says so; change it there"
            for key, value in values.items()
            if value is not None and merged.tenants[name].get(key) != value
        ]
        known = fleet_builder.clashes(others.tenants.values())
        problems += [
            problem for problem in fleet_builder.clashes([*others.tenants.values(), tenant]) if problem not in known
        ]
        if problems:
            raise InventoryError(problems)
        return tenant

    def _as_written(self, *steps: Step) -> tuple[Step, ...]:
        """Return the steps with records as they are on disk, where people may have added a comment."""
        return tuple(
            dataclasses.replace(step, before=self.folder.read(step.path)) if isinstance(step, Write) else step
            for step in steps
        )

    def _who(self) -> str:
        if self.author:
            return self.author.name
        try:
            return getpass.getuser()
        except (KeyError, OSError):
            return f"user {os.getuid()}"


def _prepared(
    name: str,
    before: Mapping[str, object] | None,
    after: Mapping[str, object] | None,
    edit: Edit | None,
    was: Tenant | None = None,
) -> PreparedEdit:
    steps = edit.steps if edit else ()
    return PreparedEdit(Change(name, before, after, "".join(diff(step) for step in steps)), edit, was)


def _changed_meanwhile(deletion: DeletionRecord) -> InventoryError:
    return InventoryError(f"{deletion.path}: it has just been changed by another program; find out which")


def _is_said(before: Document, merged: Merged, name: str, key: str, value: Scalar | None) -> bool:
    """Tell whether a tenant.yml says this already; a state counts also where the policy says it."""
    if key in before.settings or value is None:
        return bool(before.settings.get(key) == value)
    state = merged.tenants.get(name, {}).get("tenant_state", "running")
    return key == "tenant_state" and bool(state == value)

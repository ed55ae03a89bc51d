"""Edits of an inventory, each whole, admitted, and one commit.

What the tool writes is `tenant.yml` alone. A tenant.yml with an edit that nobody has committed is left alone, so that
no commit of the tool holds another's work; one that git does not know yet is committed whole by the first edit of it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import functools
import getpass
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import MappingProxyType

from silo.admission import roomiest
from silo.inventory import deleted, document, fleet_builder, validation
from silo.inventory.commit_messages import diff, said
from silo.inventory.deleted import DeletionRecord
from silo.inventory.document import Document, Scalar
from silo.inventory.errors import InventoryError, shown
from silo.inventory.history import Author, History
from silo.inventory.model import Change, Fleet, Offer, TenantFile, memory
from silo.inventory.reader import Merged, PlatformPolicy, Reader
from silo.inventory.transaction import DESK, Edit, Folder, Move, Step, Write
from silo.inventory.validation import SETTINGS, Tenant

Pools = Mapping[str, int] | Callable[[PlatformPolicy], Mapping[str, int]]
Around = Callable[[Tenant | None, Callable[[], PlatformPolicy]], AbstractContextManager[None]]

WAIT_SECONDS = 60
HEAD = "---\n# Written by silo. What is this tenant's alone stands in overrides.yml beside it.\n"


@dataclasses.dataclass(frozen=True)
class InventoryEditor:
    """An inventory's folder, open for edits. Every edit holds its one lock from the first look to the commit.

    All edits raise InventoryError where something is not right, and silo.admission.AdmissionError where there is no
    room; nothing is changed then. With `dry_run` they return the same change, and write nothing.

    `pools` is NAS to the size of its file system in bytes, or tells it once all else is admitted; quotas are weighed on
    those alone. `around` is opened around the writing of a tenant, with the tenant as it was and the policy. `notify`
    gets a sentence, once, where edits are made and not committed.
    """

    folder: Folder
    history: History | None
    author: Author | None
    pools: Pools
    wait_seconds: float
    around: Around = lambda _before, _policy: contextlib.nullcontext()
    notify: Callable[[str], None] = lambda _text: None

    @classmethod
    def open(
        cls,
        path: Path | str,
        *,
        author: str | None = None,
        pools: Pools = MappingProxyType({}),
        commit: bool = True,
        wait_seconds: float = WAIT_SECONDS,
        notify: Callable[[str], None] = lambda _text: None,
    ) -> InventoryEditor:
        """Open the inventory at `path`; raises InventoryError where it is none.

        `author` ("Maria <maria@example.ch>") signs the commits in place of git's own identity. Without `commit`, git is
        left out.
        """
        root = Path(path).resolve()
        if not (root / "hosts.yml").is_file() or not (root / "tenants.yml").is_file():
            raise InventoryError(f"{root}: it is no inventory; a folder with hosts.yml and tenants.yml is right")
        signer = Author.parse(author) if author else None
        history = History.of(root, signer) if commit else None
        return cls(Folder(root), history, signer, pools, wait_seconds, notify=functools.cache(notify))

    def tenants(self) -> Mapping[str, TenantFile]:
        """Return every tenant's file by name; each is whole, also while an edit is under way."""
        found = {}
        for name in self.folder.names("host_vars"):
            if (document_ := self._document(name)) is not None:
                path = self.folder.root / document_.where
                found[name] = TenantFile(name, path, MappingProxyType(dict(document_.settings)))
        return found

    def deletion_records(self) -> tuple[DeletionRecord, ...]:
        """Return what is left of every deleted tenant, by index."""
        return deleted.read(self.folder)

    def fleet(self) -> Fleet:
        """Return all tenants as they should be and what is promised to them; takes about a second."""
        with Reader(self.folder.root) as reader:
            return fleet_builder.fleet(reader.merge(), self.deletion_records())

    def look(self) -> tuple[Fleet, PlatformPolicy]:
        """Return all tenants as they should be, and what holds for the whole platform; takes about a second."""
        with Reader(self.folder.root) as reader:
            merged = reader.merge()
            return fleet_builder.fleet(merged, self.deletion_records()), merged.policy()

    def offers(self) -> Mapping[str, Offer]:
        """Return what a tenant of each plan takes; takes about a second."""
        return self.outlook()[1]

    def outlook(self) -> tuple[Fleet, Mapping[str, Offer]]:
        """Return all tenants as they should be, and what one more of each plan takes; takes about a second."""
        names = fleet_builder.plans(self.folder.root)
        with Reader(self.folder.root) as reader:
            merged = reader.merge()
            known = fleet_builder.fleet(merged, self.deletion_records())
            files = fleet_builder.imagined(
                merged, names, fleet_builder.free_index(known.tenants.values(), self.deletion_records())
            )
            after = reader.merge(files)
            tenants = [fleet_builder.tenant(after, name) for name in files]
        return known, {plan: Offer(memory(one), one.quota) for plan, one in zip(names, tenants, strict=True)}

    def check_exists(self, name: str) -> None:
        """Raise InventoryError with the name that may be meant, where there is no tenant of this one."""
        validation.check_name(name)
        self._existing(name)

    def buried(self, name: str) -> DeletionRecord:
        """Return the deletion record of the tenant of this name that was deleted last and can be restored."""
        return self._buried(name)

    def former(self, deletion: DeletionRecord) -> Mapping[str, Scalar]:
        """Return the settings of a deleted tenant's own tenant.yml; none where it is purged."""
        where = f"{deletion.folder}/tenant.yml"
        text = self.folder.read(where)
        return {} if text is None else document.read(where, text).settings

    def create(self, name: str, *, email: str, dry_run: bool = False, **settings: str | None) -> Change:
        """Add a tenant, with an index that nobody had before, on `server` or on the one with the most memory left.

        `settings` are those of `change`; `plan` or `quota` must be among them, and None is as if not given.
        """
        validation.check_name(name)
        given = {key: value for key, value in settings.items() if value is not None}
        values = validation.new_values(name, {"email": email, **given}, fleet_builder.plans(self.folder.root))
        with self._session(dry_run) as reader:
            merged = reader.merge()
            self._check_new(name, merged)
            fleet = fleet_builder.fleet(merged, self.deletion_records())
            if fleet.problems:
                raise InventoryError(fleet.problems)
            placed = "tenant_server" not in values
            if placed and (server := roomiest(fleet.ledgers)):
                values["tenant_server"] = server
            lines = {key: values[key] for key in SETTINGS if key in values}
            lines["tenant_index"] = fleet_builder.free_index(fleet.tenants.values(), self.deletion_records())
            after = document.edit(document.read(_file(name), HEAD), lines)
            tenant = self._check(reader, name, [after.text], lines, fleet)
            self._admit(merged, fleet, None, tenant, placed)
            sold = ", ".join(filter(None, (str(tenant.settings["tenant_quota"]), tenant.settings.get("tenant_plan"))))
            edit = Edit(f"Create tenant {name} ({sold})", (Write(_file(name), None, after.text),))
            return self._make(name, None, after.settings, edit, dry_run, self.around(None, merged.policy))

    def set_state(self, name: str, state: str, *, dry_run: bool = False) -> Change:
        """Say how a tenant should be: running, stopped, suspended or absent; none of them touches its data."""
        return self.change(name, state=state, dry_run=dry_run)

    def change(self, name: str, *, dry_run: bool = False, **settings: str | None) -> Change:
        """Change settings of a tenant; None takes one away, so that the plan or the policy counts again.

        They are those of validation.SETTINGS without their prefix: what the schema has in one value, as a text.
        """
        validation.check_name(name)
        values = validation.new_values(name, settings, fleet_builder.plans(self.folder.root))
        with self._session(dry_run) as reader:
            before = self._existing(name)
            self._check_overrides(name, values)
            merged = reader.merge()
            values = {key: value for key, value in values.items() if not _issaid(before, merged, name, key, value)}
            if not values:
                return Change(name, before.settings, before.settings, "")
            self._check_committed(before.where)
            fleet = fleet_builder.fleet(merged, self.deletion_records())
            after = document.edit(before, values)
            others = _without(fleet, name)
            tenant = self._check(reader, name, [after.text], values, others)
            was = fleet.tenants.get(name)
            self._admit(merged, others, was, tenant, False)
            edit = Edit(said(name, before, values), (Write(before.where, before.text, after.text),))
            around = self.around(was, merged.policy)
            return self._make(name, before.settings, after.settings, edit, dry_run, around)

    def remove(self, name: str, *, by: str | None = None, dry_run: bool = False) -> Change:
        """Take a tenant out of the inventory: a deletion record keeps its index, and its files until `purge`.

        `by` is who did it; without it the author, or the user who runs this.
        """
        validation.check_name(name)
        with self._session(dry_run) as reader:
            before = self._existing(name)
            self._check_committed(f"host_vars/{name}")
            tenant = fleet_builder.tenant(reader.merge(), name)
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
            )
            if self.folder.path(deletion.folder).exists():
                raise InventoryError(
                    f"{deletion.folder}: it exists already; move it away, as the files of {name} go there"
                )
            record = Write(deletion.path, self.folder.read(deletion.path), deletion.text)
            edit = Edit(
                f"Delete tenant {name} (index {deletion.index})", (record, Move(f"host_vars/{name}", deletion.folder))
            )
            return self._make(name, before.settings, None, edit, dry_run)

    def record(self, deletion: DeletionRecord, *, files: int, used: int) -> DeletionRecord:
        """Write into a deletion record that the tenant's data, so many files and bytes, was put aside just now."""
        with self._session(False):
            if deletion not in self.deletion_records():
                raise InventoryError(f"{deletion.path}: it is not what it was a moment ago; look who else edits it")
            after = dataclasses.replace(deletion, trashed=deleted.now(), files=files, used=used)
            steps = _as_written(self.folder, (Write(deletion.path, deletion.text, after.text),))
            edit = Edit(f"Record what deleted tenant {deletion.name} left ({files} files)", steps)
            self._make(deletion.name, None, None, edit, False)
            return after

    def restore(self, name: str, *, state: str | None = None, dry_run: bool = False) -> Change:
        """Bring back the tenant of this name that was deleted last, with its index, its files and its secrets.

        It should then be as `state` says; without it, as it was.
        """
        values = {} if state is None else validation.new_values(name, {"state": state}, ())
        with self._session(dry_run) as reader:
            deletion = self._buried(name)
            self._check_committed(deletion.folder)
            merged = reader.merge()
            self._check_new(name, merged)
            former = document.read(
                f"{deletion.folder}/tenant.yml", self.folder.read(f"{deletion.folder}/tenant.yml") or ""
            )
            file = document.edit(former, values)
            fleet = fleet_builder.fleet(merged, [other for other in self.deletion_records() if other != deletion])
            overrides = self.folder.read(f"{deletion.folder}/overrides.yml")
            tenant = self._check(reader, name, [text for text in (overrides, file.text) if text is not None], {}, fleet)
            self._admit(merged, fleet, None, tenant, False)
            record = Write(deletion.path, self.folder.read(deletion.path), None)
            steps: list[Step] = [Move(deletion.folder, f"host_vars/{name}"), record]
            if file.text != former.text:
                steps.append(Write(_file(name), former.text, file.text))
            edit = Edit(f"Restore tenant {name} (index {deletion.index})", tuple(steps))
            return self._make(name, None, file.settings, edit, dry_run, self.around(None, merged.policy))

    def purge(self, deletion: DeletionRecord) -> Change:
        """Remove the files of a deleted tenant; its deletion record stays for ever."""
        with self._session(False):
            if (
                deletion not in self.deletion_records()
                or deletion.purged
                or not self.folder.path(deletion.folder).is_dir()
            ):
                raise InventoryError(f"{deletion.path}: it is not what it was a moment ago; look who else edits it")
            self._check_committed(deletion.folder)
            after = dataclasses.replace(deletion, purged=deleted.now())
            steps = (Write(deletion.path, deletion.text, after.text), Move(deletion.folder, f"{DESK}/gone"))
            edit = Edit(f"Purge tenant {deletion.name} (index {deletion.index})", _as_written(self.folder, steps))
            return self._make(deletion.name, None, None, edit, False)

    @contextlib.contextmanager
    def _session(self, dry_run: bool) -> Iterator[Reader]:
        with self.folder.locked(self.wait_seconds):
            if not dry_run and (edit := self.folder.cut_off()):
                self._complete(edit)
            self.tenants()
            with Reader(self.folder.root) as reader:
                yield reader

    def _admit(self, merged: Merged, before: Fleet, old: Tenant | None, new: Tenant, placed: bool) -> None:
        # A machine is asked for its size last: that takes seconds, and most that is wrong is known without.
        fleet_builder.admit(before, old, new, placed, {})
        sizes = self.pools(merged.policy()) if callable(self.pools) else self.pools
        fleet_builder.admit(before, old, new, placed, sizes)

    def _make(
        self,
        name: str,
        before: Mapping[str, object] | None,
        after: Mapping[str, object] | None,
        edit: Edit,
        dry_run: bool,
        around: AbstractContextManager[None] | None = None,
    ) -> Change:
        change = Change(name, before, after, "".join(diff(step) for step in edit.steps))
        if dry_run:
            return change
        with around or contextlib.nullcontext():
            self.folder.make(edit)
            commit = self._commit(edit)
            self.folder.finish()
        if self.history and self.history.is_product:
            self.notify(
                f"{self.folder.root} lies in a clone of SwissPhoto Silo, where edits are not committed; "
                "for a history, make it a git repository of its own."
            )
        return dataclasses.replace(change, commit=commit)

    def _commit(self, edit: Edit) -> str | None:
        try:
            return self.history.commit(edit) if self.history else None
        except InventoryError:
            self.folder.take_back(edit)
            raise

    def _complete(self, edit: Edit) -> None:
        """Commit an edit that was cut off before its commit."""
        try:
            self._commit(edit)
        except InventoryError as error:
            told = (
                f"{edit.message}: this earlier edit was cut off before its commit, and is now taken back; do it again"
            )
            raise InventoryError([told, *error.problems]) from error
        self.folder.finish()

    def _document(self, name: str) -> Document | None:
        path = _file(name)
        try:
            if not (self.folder.root / path).exists():
                return None
        except OSError as error:
            raise InventoryError(f"{path}: it cannot be read, {str(error.strerror).lower()}") from error
        text = self.folder.read(path)
        return None if text is None else document.read(path, text)

    def _existing(self, name: str) -> Document:
        found = self._document(name)
        if found is None:
            names = sorted(self.tenants())
            near = difflib.get_close_matches(name, names, n=1)
            meant = f"{near[0]} is meant?" if near else f"there are {', '.join(names) or 'none yet'}"
            raise InventoryError(f"tenant {shown(name)}: there is none of this name; {meant}")
        return found

    def _buried(self, name: str) -> DeletionRecord:
        validation.check_name(name)
        deletions = [deletion for deletion in self.deletion_records() if deletion.name == name and not deletion.purged]
        deletions = [deletion for deletion in deletions if self.folder.path(deletion.folder).is_dir()]
        if not deletions:
            raise InventoryError(f"tenant {shown(name)}: none of this name was deleted and not purged yet")
        return max(deletions, key=lambda deletion: deletion.when)

    def _check_new(self, name: str, merged: Merged) -> None:
        """Refuse a name that something of the inventory has."""
        if name in merged.tenants:
            raise InventoryError(f"tenant {name!r}: it exists already; choose another name, or change that one")
        if name in merged.groups or any(name in hosts for hosts in merged.groups.values()):
            raise InventoryError(
                f"tenant {name!r}: a machine or a group of the inventory has this name; choose another"
            )
        for found in self.folder.names("host_vars"):
            if found.split(".")[0] != name:
                continue
            path = f"host_vars/{found}"
            if not self.folder.path(path).is_dir():
                raise InventoryError(f"{path}: this file would count for tenant {name}; move it away")
            holds = ", ".join(self.folder.names(path)) or "nothing"
            raise InventoryError(f"{path}: it exists without a tenant.yml and holds {holds}; move it away")

    def _check_overrides(self, name: str, values: Mapping[str, Scalar | None]) -> None:
        """Refuse to write what people have said otherwise in the file that is theirs."""
        path = f"host_vars/{name}/overrides.yml"
        text = self.folder.read(path)
        if text is None or text.startswith(document.VAULT):
            return
        said = document.read(path, text).settings
        if problems := [
            f"{name}: {key} is {shown(said[key])} in {path}, which people write; change it there"
            for key, value in values.items()
            if key in said and value not in (None, said[key])
        ]:
            raise InventoryError(problems)

    def _check_committed(self, path: str) -> None:
        if self.history and (files := self.history.edited([path])):
            raise InventoryError(f"{', '.join(files)}: there is an edit that nobody has committed; commit it first")

    def _check(
        self, reader: Reader, name: str, texts: list[str], values: Mapping[str, Scalar | None], others: Fleet
    ) -> Tenant:
        """Return the tenant that the edit makes; raises InventoryError where the whole inventory would not be right."""
        merged = reader.merge({name: texts})
        tenant = fleet_builder.tenant(merged, name)
        validation.check_sizes(tenant, values)
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

    def _who(self) -> str:
        if self.author:
            return self.author.name
        try:
            return getpass.getuser()
        except (KeyError, OSError):
            return f"user {os.getuid()}"


def _file(name: str) -> str:
    return f"host_vars/{name}/tenant.yml"


def _without(fleet: Fleet, name: str) -> Fleet:
    """Return the fleet without one tenant."""
    gone = fleet.tenants.get(name)
    if gone is None:
        return fleet
    ledger = fleet.ledgers[gone.server]
    limits = list(ledger.tenants)
    if (limit := memory(gone)) in limits:
        limits.remove(limit)
    ledgers = {**fleet.ledgers, gone.server: dataclasses.replace(ledger, tenants=tuple(limits))}
    promised = {
        nas: {key: quota for key, quota in quotas.items() if key != name} for nas, quotas in fleet.promised.items()
    }
    tenants = {key: tenant for key, tenant in fleet.tenants.items() if key != name}
    return dataclasses.replace(fleet, tenants=tenants, ledgers=ledgers, promised=promised)


def _issaid(before: Document, merged: Merged, name: str, key: str, value: Scalar | None) -> bool:
    """Tell whether a tenant.yml says this already; a state counts also where the policy says it."""
    if key in before.settings or value is None:
        return bool(before.settings.get(key) == value)
    state = merged.tenants.get(name, {}).get("tenant_state", "running")
    return key == "tenant_state" and bool(state == value)


def _as_written(folder: Folder, steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """Return the steps with records as they are on disk, where people may have added a comment."""
    return tuple(
        dataclasses.replace(step, before=folder.read(step.path)) if isinstance(step, Write) else step for step in steps
    )

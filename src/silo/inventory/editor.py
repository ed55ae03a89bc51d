"""An inventory, open for edits. Silo writes `tenant.yml` alone; overrides.yml beside it belongs to people."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from silo.inventory import deleted, examination, fleet_builder, plans
from silo.inventory.errors import InventoryError
from silo.inventory.history import Author, History
from silo.inventory.model import Fleet, Offer, memory
from silo.inventory.reader import Merged, PlatformPolicy, Reader
from silo.inventory.session import EditSession
from silo.inventory.tenant_files import TenantFiles
from silo.inventory.transaction import Folder

WAIT_SECONDS = 60


@dataclasses.dataclass(frozen=True)
class InventoryEditor:
    """An inventory's folder: what it says of all tenants, and the sessions in which it is edited.

    `notify` gets a sentence, once, where edits are made and not committed.
    """

    files: TenantFiles
    history: History | None
    author: Author | None
    wait_seconds: float
    notify: Callable[[str], None] = lambda _text: None
    _ready: list[Reader] = dataclasses.field(default_factory=list, repr=False, compare=False)

    @classmethod
    def open(
        cls,
        path: Path | str,
        *,
        author: str | None = None,
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
            raise InventoryError(f"{root}: it is no inventory; it must be a folder with hosts.yml and tenants.yml")
        signer = Author.parse(author) if author else None
        history = History.of(root, signer) if commit else None
        return cls(TenantFiles(Folder(root)), history, signer, wait_seconds, functools.cache(notify))

    @property
    def folder(self) -> Folder:
        """The inventory's folder."""
        return self.files.folder

    @contextlib.contextmanager
    def ahead(self) -> Iterator[None]:
        """Let Ansible load its modules for the next session in the meantime; it reads the inventory only there."""
        reader = Reader(self.folder.root)
        reader.start()
        self._ready.append(reader)
        try:
            yield
        finally:
            if reader in self._ready:  # else a session took it, and ended it
                self._ready.remove(reader)
                reader.end()

    @contextlib.contextmanager
    def session(self, dry_run: bool = False) -> Iterator[EditSession]:
        """Hold the inventory's one lock for an edit; with `dry_run` no edit is made, and none that was cut off."""
        with self.folder.locked(self.wait_seconds), self._reader() as reader:
            session = EditSession(self.files, self.history, self.author, reader, dry_run, self.notify)
            session.complete_cut_off()
            found = self._examined()
            if found.mistakes:
                raise InventoryError(found.mistakes)
            yield session

    def _reader(self) -> Reader:
        return self._ready.pop() if self._ready else Reader(self.folder.root)

    def _examined(self) -> examination.Examination:
        """Return what is wrong in the files; raises InventoryError where Ansible could read nothing."""
        found = examination.examine(self.folder.root)
        if found.unreadable:
            raise InventoryError(found.unreadable)
        return found

    def fleet(self) -> Fleet:
        """Return all tenants as they should be and what is promised to them; takes about a second."""
        self._examined()
        with Reader(self.folder.root) as reader:
            return self._fleet(reader.merge())

    def _fleet(self, merged: Merged) -> Fleet:
        found = deleted.read(self.folder)
        return fleet_builder.fleet(merged, found.readable, found.problems)

    def look(self) -> tuple[Fleet, PlatformPolicy]:
        """Return all tenants as they should be, and what holds for the whole platform; takes about a second."""
        self._examined()
        with Reader(self.folder.root) as reader:
            merged = reader.merge()
            return self._fleet(merged), merged.policy()

    def taken_names(self) -> frozenset[str]:
        """Return the names that somebody or something has, so that no new tenant can; takes about a second."""
        self._examined()
        with Reader(self.folder.root) as reader:
            merged = reader.merge()
        machines = {host for hosts in merged.groups.values() for host in hosts}
        reserved = self.files.reserved(merged.policy().name_years)
        return frozenset({*merged.groups, *machines, *merged.tenants, *self.files.names(), *reserved})

    def offers(self) -> Mapping[str, Offer]:
        """Return what a tenant of each plan takes; takes about a second."""
        return self.outlook()[1]

    def outlook(self) -> tuple[Fleet, Mapping[str, Offer]]:
        """Return all tenants as they should be, and what one more of each plan takes; takes about a second."""
        self._examined()
        names = plans.names(self.folder.root)
        with Reader(self.folder.root) as reader:
            merged = reader.merge()
            known = self._fleet(merged)
            # Nobody gets it; it only may be nobody's.
            index = fleet_builder.free_index(known.tenants.values(), self.files.readable_deletions())
            files = fleet_builder.imagined(merged, names, index)
            after = reader.merge(files)
            tenants = [fleet_builder.tenant(after, name) for name in files]
        return known, {
            plan: Offer(memory(one), one.quota, one.disk_quota) for plan, one in zip(names, tenants, strict=True)
        }

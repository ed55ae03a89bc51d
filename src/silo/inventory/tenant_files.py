"""What the files of an inventory say of its tenants, without Ansible: each file as it is written."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Collection, Mapping
from types import MappingProxyType

from silo import maintenance
from silo.inventory import deleted, document, validation
from silo.inventory.deleted import DeletionRecord
from silo.inventory.document import Document, Scalar
from silo.inventory.errors import InventoryError, shown, unknown_tenant
from silo.inventory.model import TenantFile
from silo.inventory.transaction import Folder
from silo.maintenance import Notice


def tenant_file(name: str) -> str:
    """Return the path of a tenant's file that the tool writes, relative to the inventory."""
    return f"host_vars/{name}/tenant.yml"


@dataclasses.dataclass(frozen=True)
class TenantFiles:
    """The files of living and deleted tenants in `folder`; all methods raise InventoryError."""

    folder: Folder

    def names(self) -> frozenset[str]:
        """Return the names of all tenants, also of those whose files cannot be read."""
        return frozenset(
            name for name in self.folder.names("host_vars") if (self.folder.root / tenant_file(name)).exists()
        )

    def all(self) -> Mapping[str, TenantFile]:
        """Return every tenant's file by name; each is whole, also while an edit is under way."""
        found = {}
        for name in self.folder.names("host_vars"):
            if (one := self.document(name)) is not None:
                found[name] = TenantFile(name, self.folder.root / one.where, MappingProxyType(dict(one.settings)))
        return found

    def document(self, name: str) -> Document | None:
        """Return the file of a tenant, None where there is none."""
        path = tenant_file(name)
        try:
            if not (self.folder.root / path).exists():
                return None
        except OSError as error:
            raise InventoryError(f"{path}: it cannot be read, {str(error.strerror).lower()}") from error
        text = self.folder.read(path)
        return None if text is None else document.read(path, text)

    def existing(self, name: str) -> Document:
        """Return the file of a tenant; where there is none, the error names the tenant that may be meant."""
        validation.check_name(name)
        found = self.document(name)
        if found is None:
            raise unknown_tenant(name, self.names())
        return found

    def deletion_records(self) -> tuple[DeletionRecord, ...]:
        """Return the record of every deleted tenant, by index, for what must know each index and name.

        Raises InventoryError where one cannot be read.
        """
        found = deleted.read(self.folder)
        if found.problems:
            raise InventoryError(found.problems)
        return found.readable

    def readable_deletions(self) -> tuple[DeletionRecord, ...]:
        """Return the records that can be read, for what one that cannot be read must not keep from the others."""
        return deleted.read(self.folder).readable

    def unreadable_deletions(self) -> tuple[str, ...]:
        """Return a sentence on each record that cannot be read."""
        return deleted.read(self.folder).problems

    def in_the_trash(self) -> tuple[DeletionRecord, ...]:
        """Return the records of those that can be restored, the oldest first."""
        found = (one for one in self.readable_deletions() if not one.purged and self.folder.path(one.folder).is_dir())
        return tuple(sorted(found, key=lambda one: one.when))

    def find_deleted(self, word: str) -> DeletionRecord:
        """Return the record of this id, or the only one of this name, of a tenant that can be restored."""
        if not deleted.ID.fullmatch(word):
            validation.check_name(word)
        return deleted.pick(word, self.in_the_trash())

    def last_deleted(self, name: str) -> DeletionRecord:
        """Return the record of the tenant of this name that was deleted last and can be restored."""
        validation.check_name(name)
        found = [one for one in self.in_the_trash() if one.name == name]
        if not found:
            raise InventoryError(f"unknown tenant {shown(name)}: the trash has none of this name")
        return found[-1]

    def reserved(self, years: int, today: datetime.date | None = None) -> Mapping[str, DeletionRecord]:
        """Return the names that nobody else may have, as phones of former users may upload there; with the last record.

        `years` is how long a name is reserved after a deletion.
        """
        day = today or datetime.datetime.now(datetime.UTC).date()
        alive = self.names()
        records = sorted(self.deletion_records(), key=lambda one: one.when)
        return {
            one.name: one
            for one in records
            if one.name not in alive and (until := one.reserved_until(years)) and day < until
        }

    def former(self, deletion: DeletionRecord) -> Mapping[str, Scalar]:
        """Return the settings of a deleted tenant's own tenant.yml; none where it is purged."""
        where = f"{deletion.folder}/tenant.yml"
        text = self.folder.read(where)
        return {} if text is None else document.read(where, text).settings

    def maintenance(self) -> Mapping[str, Notice]:
        """Return for what maintenance is switched on: all, a server or a tenant, to what customers read."""
        try:
            return maintenance.read(self.folder.read(maintenance.FILE))
        except maintenance.MaintenanceError as error:
            raise InventoryError(str(error)) from error

    def overrides(self, name: str) -> Mapping[str, Scalar]:
        """Return the settings that people wrote into the file that is theirs; none where it is encrypted."""
        path = f"host_vars/{name}/overrides.yml"
        text = self.folder.read(path)
        return {} if text is None or text.startswith(document.VAULT) else document.read(path, text).settings

    def places(
        self, there: Mapping[str, Mapping[str, Collection[str]]]
    ) -> tuple[dict[str, dict[str, str]], tuple[str, ...]]:
        """Return tenant to the settings that its files lack of `tenant_server` and `tenant_nas`, and what is not clear.

        `there` is setting to machine to the tenants of which it has a directory.
        """
        found: dict[str, dict[str, str]] = {}
        unclear: list[str] = []
        for name in sorted(self.names()):
            try:
                written = {**self.overrides(name), **self.existing(name).settings}
            except InventoryError as error:
                unclear += error.problems
                continue
            for key, machines in there.items():
                if key in written:
                    continue
                hosts = sorted(host for host, names in machines.items() if name in names)
                if len(hosts) == 1:
                    found.setdefault(name, {})[key] = hosts[0]
                else:
                    where = f"{' and '.join(hosts)} have" if hosts else "no machine that was read has"
                    unclear.append(f"{name}: {key} is missing, and {where} a directory of it; write it by hand")
        return found, tuple(unclear)

    def check_free(self, name: str) -> None:
        """Refuse the name of a new tenant for which a file lies in host_vars already."""
        for found in self.folder.names("host_vars"):
            if found.split(".")[0] != name:
                continue
            path = f"host_vars/{found}"
            if not self.folder.path(path).is_dir():
                raise InventoryError(f"{path}: this file would count for tenant {name}; move it away")
            holds = ", ".join(self.folder.names(path)) or "nothing"
            raise InventoryError(f"{path}: it exists without a tenant.yml and contains {holds}; move it away")

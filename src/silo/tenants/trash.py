"""The trash: the data of deleted tenants, and the records of it, from the deletion to the purge."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t
from collections.abc import Sequence

from silo import notifications
from silo.ansible.contract import TaskId
from silo.ansible.playbooks import TRASH, Playbooks
from silo.ansible.runner import Results, RunError
from silo.inventory import DeletionRecord, InventoryEditor, PlatformPolicy
from silo.inventory.errors import shown
from silo.notifications import Outbox
from silo.tenants.errors import MENDED, ApplyIncomplete

# How many purges may fail before no other is tried.
MOST_FAILURES = 10
# By variable of the playbook: the task that says what it did on the machines in it.
TASKS = {
    "trash_databases": TaskId.TRASH_FILES,
    "trash_disks": TaskId.TRASH_DATABASES,
    "trash_uploads": TaskId.TRASH_UPLOADS,
}


@dataclasses.dataclass(frozen=True)
class Trash:
    """The deleted tenants of one inventory; each method that edits it raises InventoryError."""

    inventory: InventoryEditor
    playbooks: Playbooks
    policy: PlatformPolicy

    def kept(self) -> tuple[DeletionRecord, ...]:
        """Return the deleted tenants whose data lies in the trash, the oldest first."""
        found = [one for one in self.inventory.files.readable_deletions() if one.trashed and not one.purged]
        return tuple(sorted(found, key=lambda one: one.when))

    def due(self, now: datetime.datetime | None = None) -> tuple[DeletionRecord, ...]:
        """Return the deleted tenants whose time in the trash is over, the oldest first."""
        at = now or datetime.datetime.now(datetime.UTC)
        return tuple(one for one in self.kept() if one.kept_until(self.policy.trash_days) <= at)

    def put_aside(self, deletion: DeletionRecord, outbox: Outbox | None) -> DeletionRecord:
        """Move what a deleted tenant left into the trash, and record how much it was; raises ApplyIncomplete.

        Its customer gets a letter, if there is an `outbox`.
        """
        try:
            results = self._run("trashed", deletion)
        except RunError as error:
            message = f"{deletion.name} is removed from the inventory, but its data are not in the trash yet"
            again = f"'silo delete {deletion.name}' completes it"
            raise ApplyIncomplete(f"{message}: {error}\n{MENDED}, {again}.") from error
        (stored,) = results[TaskId.TRASH_UPLOADS][deletion.nas]["tenants"]
        after = self.record(deletion, outbox, files=stored["files"] or 0, used=stored["bytes"] or 0)
        if outbox:
            outbox.deliver()
        return after

    def record(self, deletion: DeletionRecord, outbox: Outbox | None, *, files: int, used: int) -> DeletionRecord:
        """Record what a deleted tenant left, files and bytes, now that it is in the trash, and write its customer."""
        after = deletion.put_aside(files=files, used=used)
        event = f"deleted/{deletion.name}/{deletion.when}"
        recipient = self.inventory.files.former(deletion).get("tenant_email")
        # An earlier run, which was cut off, may have kept it already.
        if outbox and recipient and event not in outbox.states():
            language = t.cast("notifications.Language", deletion.language)
            outbox.enqueue(event, str(recipient), self.letter(after), language)
        with self.inventory.session() as session:
            session.make(session.record(after, before=deletion))
        return after

    def letter(self, deletion: DeletionRecord) -> notifications.Letter:
        """Return the letter on a tenant that was deleted; its days are the customer's, not those of UTC."""
        at = datetime.datetime.fromisoformat(deletion.when)
        until = (at + datetime.timedelta(days=self.policy.trash_days)).astimezone(notifications.ZONE).date()
        address = f"https://{deletion.name}.{self.policy.domain}"
        return notifications.Deleted(deletion.name, address, deletion.files, deletion.used, at, until, deletion.reason)

    def take_out(self, deletion: DeletionRecord) -> None:
        """Move the data of a deleted tenant back to where it was; raises RunError."""
        self._run("restored", deletion)

    def lost(self, deletion: DeletionRecord) -> str:
        """Return what lies on machines that the inventory has no more, in words; empty where all of them are there."""
        kinds = (("its database", deletion.server, self.policy.servers), ("its files", deletion.nas, self.policy.nas))
        return " and ".join(f"{what} on {host or 'a machine'}" for what, host, known in kinds if host not in known)

    def purge(self, deletions: Sequence[DeletionRecord], *, without_lost: bool = False) -> tuple[DeletionRecord, ...]:
        """Remove the data of deleted tenants for good, of as many as the policy allows at once; return whose.

        Each is recorded before the next one begins, and one that fails takes no place of the others. Raises
        RunError after all of them if one has failed; after MOST_FAILURES, as where a NAS is away, no other is tried.
        With `without_lost`, the record says what lies on machines that are lost, and the rest is removed.
        """
        done: list[DeletionRecord] = []
        problems: list[str] = []
        for deletion in deletions:
            if len(done) == self.policy.trash_purges or len(problems) == MOST_FAILURES:
                break
            try:
                if without_lost and not deletion.trashed:
                    # Nothing is removed that is not in the trash.
                    self._run("trashed", deletion, without_lost=True)
                self._run("purged", deletion, without_lost=without_lost)
            except RunError as error:
                problems.append(f"{deletion.id} is still in the trash: {error}")
                continue
            with self.inventory.session() as session:
                session.make(session.purge(deletion, self.lost(deletion)))
            done.append(deletion)
        if problems:
            gone = f"\nRemoved for good: {', '.join(one.id for one in done)}." if done else ""
            raise RunError("\n".join(problems) + gone)
        return tuple(done)

    def _run(self, state: str, deletion: DeletionRecord, *, without_lost: bool = False) -> Results:
        if not without_lost:
            self._check_machines(deletion)
        known = self.policy.servers | self.policy.nas
        where = {
            f"trash_{kind}": {host: entries for host, entries in hosts.items() if host in known}
            for kind, hosts in in_the_trash(deletion).items()
        }
        results = self.playbooks.run([TRASH], variables={"trash_state": state, **where}).results
        # The playbook overlooks machines that are not there.
        silent = {host for kind, hosts in where.items() for host in hosts if host not in results.get(TASKS[kind], {})}
        if silent:
            text = f"{' and '.join(sorted(silent))} did not say that it is done"
            raise RunError(f"{deletion.path}: {text}; the same command tries again")
        return results

    def _check_machines(self, deletion: DeletionRecord) -> None:
        """Raise RunError where the data lies on a machine that the inventory does not have, before any is touched."""
        kinds = (
            ("server", deletion.server, self.policy.servers, "database was"),
            ("nas", deletion.nas, self.policy.nas, "files were"),
        )
        for key, host, known, what in kinds:
            if host not in known:
                raise RunError(
                    f"{deletion.path}: {key} is {shown(host)}, and the inventory has none of this name, so its {what} "
                    f"not touched; it must be the one that has them, of {', '.join(sorted(known))}. If that machine is "
                    f"lost for good, 'silo purge {deletion.id} --machine-is-lost' removes the rest"
                )


def in_the_trash(deletion: DeletionRecord) -> dict[str, dict[str, list[dict[str, t.Any]]]]:
    """Return `databases` and `disks` by server, `uploads` by NAS, each a list as the modules of the trash take it."""
    entry = {"name": deletion.name, "id": deletion.index, "when": deletion.when}
    return {
        "databases": {deletion.server: [{**entry, "uid": deletion.uid}]},
        "disks": {deletion.server: [entry]},
        "uploads": {deletion.nas: [entry]},
    }

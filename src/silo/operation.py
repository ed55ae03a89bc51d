"""What an operator, or a paid invoice, does to a tenant: an edit of the inventory, then the runs that make it true.

Every operation may be cut off anywhere; the same one, or `apply`, completes it.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import tempfile
import typing as t
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from silo.ansible import results, runner
from silo.ansible.contract import READ, ReadTag, TaskId
from silo.ansible.runner import Event, Results, RunError
from silo.diagnostics import Finding, changed
from silo.edits import Edits, in_the_trash
from silo.inventory import Change, DeletionRecord

LINKS = "links"
ACCESS = "tenant-access.yml"
LETTERS = "letters.yml"
APPLY = ("apply.yml", LETTERS)
VERIFY = "verify-changed.yml"
TRASH = "trash.yml"
WITHOUT_STORAGE = ("stacks", "letters")


class ApplyIncomplete(Exception):
    """The inventory is changed, but not yet applied to all machines; the text says why, and what completes it."""


def _silent(_message: object) -> None:
    return


class Operator:
    """Somebody who changes tenants of one inventory.

    `listen` gets Ansible's events, `on_wait` a sentence where a run has to wait. What changes raises InventoryError or
    AdmissionError where nothing was changed, and ApplyIncomplete where the edit is made and its run failed. With
    `verify`, each apply verifies the tenants that it changed, and `broken` has the findings that need something done.
    """

    def __init__(
        self,
        edits: Edits,
        *,
        listen: Callable[[Event], None] = _silent,
        on_wait: Callable[[str], None] = _silent,
        verify: bool = False,
    ) -> None:
        """Work on the inventory of `edits`."""
        self.edits = edits
        self.broken: list[Finding] = []
        self._listen, self._on_wait, self._verify = listen, on_wait, verify

    def create(
        self,
        name: str,
        *,
        email: str,
        pools: Callable[[], Mapping[str, int]] | None = None,
        dry_run: bool = False,
        **settings: str | None,
    ) -> Change:
        """Create a tenant and bring it up; its customer is sent a one-time link, without a relay it is left in a file.

        `pools` tells NAS to its size in bytes, once all else is admitted, and may refuse; without it the NAS is asked.
        """
        ask = pools or self.pools
        change = self.edits.create(name, email=email, pools=lambda _policy: ask(), dry_run=dry_run, **settings)
        if not dry_run:
            message = f"{name} is in the inventory, and does not run yet"
            if self.edits.outbox:
                self._apply([name], message)
            else:
                self._apply([name], message, (*APPLY, ACCESS), access_links_directory=str(self._links))
        return change

    def change(
        self, name: str, *, dry_run: bool = False, notify_customer: bool = False, **settings: str | None
    ) -> Change:
        """Change settings of a tenant and apply them; `notify_customer` sends the letter on the plan."""
        pools = (lambda _policy: self.pools()) if settings.keys() & {"quota", "plan"} else None
        change = self.edits.change(name, pools=pools, dry_run=dry_run, notify_customer=notify_customer, **settings)
        if not dry_run:
            self._apply([name], f"{name} is changed in the inventory, and not on its server yet")
        return change

    def set_state(self, name: str, state: str, *, dry_run: bool = False, link: str = "") -> Change:
        """Bring a tenant to `running`, `stopped` or `suspended`; `link` is where its customer can pay."""
        change = self.edits.set_state(name, state, dry_run=dry_run, link=link)
        if not dry_run:
            # Who is stopped needs no storage, which may be away, and be why.
            tags = () if state == "running" else WITHOUT_STORAGE
            self._apply([name], f"{name} should be {state}, and is not yet", tags=tags)
        return change

    def apply(self, names: Sequence[str] = (), *, anew: bool = False) -> Results:
        """Bring the tenants of these names, or all, to what the inventory says; deletions that were cut off too.

        With `anew`, those named whose database is lost begin with an empty one, though there are files of theirs.
        """
        self._check_known(names)
        for deletion in self.edits.unfinished():
            self._put_aside(deletion)
        return self._apply(names, "What the inventory says is not reached everywhere", **_anew(names, anew))

    def plan(self, names: Sequence[str] = (), *, anew: bool = False) -> Results:
        """Return what apply would do; changes nothing. Raises RunError."""
        self._check_known(names)
        return self._run("plan.yml", _limit(names), **_anew(names, anew))

    def pools(self) -> dict[str, int]:
        """Return each NAS with the size of its file system in bytes; raises RunError."""
        return {nas: int(result["pool"]["size"]) for nas, result in self._storage().items()}

    def used(self, name: str) -> int:
        """Return how many bytes of its quota a tenant uses; raises RunError."""
        nas = self.edits.tenant(name).nas
        directories = self._storage().get(nas, {}).get("tenants", {})
        return int(directories.get(name, {}).get("used") or 0)

    def stats(self) -> Results:
        """Return what silo.reports.usage reads; raises RunError."""
        return self._run(READ, ["--tags", ReadTag.STATS])

    def delete(self, name: str, *, by: str | None = None) -> DeletionRecord:
        """Take a tenant down, put its data into the trash, and return its deletion record."""
        if name not in self.edits.inventory.tenants():
            # A deletion that was cut off goes on where it was.
            for deletion in self.edits.unfinished():
                if deletion.name == name:
                    return self._put_aside(deletion)
        self.edits.inventory.remove(name, dry_run=True)
        self.edits.set_state(name, "absent")
        self._apply([name], f"{name} is to be deleted, and its containers are there still", APPLY[:1])
        return self._put_aside(self.edits.remove(name, by=by))

    def undelete(self, name: str, *, dry_run: bool = False) -> Change:
        """Bring a deleted tenant back with its data, its secrets and its index, and start it."""
        change = self.edits.restore(name, dry_run=True)
        if not dry_run:
            self._trash("restored", [self.edits.inventory.buried(name)])
            change = self.edits.restore(name)
            self._apply([name], f"{name} is back in the inventory, and does not run yet")
        return change

    def due(self, now: datetime.datetime | None = None) -> tuple[DeletionRecord, ...]:
        """Return the deleted tenants whose time in the trash is over, the oldest first."""
        before = (now or datetime.datetime.now(datetime.UTC)) - datetime.timedelta(days=self.edits.policy.trash_days)
        return tuple(deletion for deletion in self.kept() if datetime.datetime.fromisoformat(deletion.when) <= before)

    def kept(self) -> tuple[DeletionRecord, ...]:
        """Return the deleted tenants whose data lies in the trash, the oldest first."""
        deletions = [
            deletion for deletion in self.edits.inventory.deletion_records() if deletion.trashed and not deletion.purged
        ]
        return tuple(sorted(deletions, key=lambda deletion: deletion.when))

    def purge(self, deletions: Sequence[DeletionRecord]) -> tuple[DeletionRecord, ...]:
        """Remove the data of deleted tenants for good, of as many as the policy allows at once; return whose."""
        chosen = tuple(deletions[: self.edits.policy.trash_purges])
        if chosen:
            self._trash("purged", chosen)
        for deletion in chosen:
            self.edits.inventory.purge(deletion)
        return chosen

    def reset_access(self, name: str) -> Path | None:
        """Send a tenant's customer a new one-time link; without a relay, leave it in a file, and return its path."""
        if self.edits.outbox is None:
            return self.leave_link(name)
        self.edits.queue_access_notification(name)
        self._apply([name], f"{name}: the letter with a new link is not written yet", APPLY[1:])
        return None

    def leave_link(self, name: str) -> Path:
        """Leave a one-time link in a file that only its owner reads; return its path."""
        self._check_known([name])
        self._run(ACCESS, _limit([name]), access_links_directory=str(self._links))
        return self.link(name)

    def link(self, name: str) -> Path:
        """Return the file in which the last one-time link of a tenant was left."""
        return self._links / name

    @property
    def _links(self) -> Path:
        return self.edits.state.folder / LINKS

    def _check_known(self, names: Sequence[str]) -> None:
        for name in names:
            self.edits.desired(name)

    def _storage(self) -> Mapping[str, Mapping[str, t.Any]]:
        # It only reads, and waits for nobody's turn: an edit asks for it while it holds the inventory.
        return runner.read(self.edits.path, ReadTag.STORAGE).get(TaskId.QUOTAS, {})

    def _put_aside(self, deletion: DeletionRecord) -> DeletionRecord:
        """Move what a deleted tenant left into the trash, and record how much it was."""
        try:
            results = self._trash("trashed", [deletion])
        except RunError as error:
            message = f"{deletion.name} is out of the inventory, and its data is not in the trash yet"
            raise ApplyIncomplete(f"{message}: {error}\n'silo delete {deletion.name}' completes it.") from error
        (stored,) = results[TaskId.TRASH_UPLOADS][deletion.nas]["tenants"]
        after = self.edits.put_aside(deletion, files=stored["files"] or 0, used=stored["bytes"] or 0)
        if self.edits.outbox:
            self.edits.outbox.deliver()
        return after

    def _trash(self, state: str, deletions: Sequence[DeletionRecord]) -> Results:
        where = {f"trash_{kind}": hosts for kind, hosts in in_the_trash(deletions).items()}
        return self._run(TRASH, [], trash_state=state, **where)

    def _apply(
        self,
        names: Sequence[str],
        otherwise: str,
        playbooks: Sequence[str] = APPLY,
        tags: Sequence[str] = (),
        **facts: t.Any,
    ) -> Results:
        only = ["--tags", ",".join(tags)] if tags else []
        playbooks = [
            playbook for playbook in playbooks if playbook != LETTERS or self.edits.has_pending_notifications(names)
        ]
        if self._verify and APPLY[0] in playbooks:
            playbooks.append(VERIFY)
        try:
            return self._run(playbooks, [*_limit(names), *only], **facts)
        except RunError as error:
            again = f"'silo apply {' '.join(names)}'" if names else "'silo apply'"
            raise ApplyIncomplete(f"{otherwise}: {error}\n{again} completes it.") from error

    def _run(self, playbooks: str | Sequence[str], arguments: Sequence[str], **facts: t.Any) -> Results:
        with self.edits.state.turn(self._on_wait) as lock, _given(facts) as given:
            found: Results = {}
            book: results.Book = {}
            for event in runner.events(playbooks, self.edits.path, [*arguments, *given], lock):
                self._listen(event)
                runner.collect(event, found)
                if VERIFY in playbooks:
                    results.add(event, book)
            self.broken += changed.broken(book)
            return found


def _limit(names: Sequence[str]) -> list[str]:
    return ["--limit", ",".join(names)] if names else []


def _anew(names: Sequence[str], anew: bool) -> dict[str, t.Any]:
    """Return the variable of one run that lets tenants begin with an empty database."""
    return {"silo_start_anew": list(names)} if anew else {}


@contextlib.contextmanager
def _given(facts: Mapping[str, t.Any]) -> Iterator[list[str]]:
    """Give extra variables in a file, so that no process list shows them."""
    if not facts:
        yield []
        return
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(facts, file)
        file.flush()
        yield ["-e", f"@{file.name}"]

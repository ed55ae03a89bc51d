# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a tenant comes to have a database on its server: one way, wherever the database comes from.

A new tenant's comes from the template of its images. What is restored, moved or rescued takes the same way from
another source.

As long as `.birth` is there, nobody has ever reached the instance: what a run left which was cut off is thrown away,
and the next run begins anew. At the end `.birth` becomes the file that says that the instance is set up.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import json
import typing as t
from collections.abc import Callable
from pathlib import Path

from ..common import files, psql
from ..common.scram import verifier
from . import appquota, immich, packing, tree, uploads
from .birth import DATABASE
from .compose import Compose
from .files import write_file
from .stack import Admin, File, Stack, StackError
from .template import EMAIL, Kept

BACKUPS = "backups"
# The role of the photo server, as in the Compose file.
ROLE = "ALTER ROLE immich PASSWORD '{}';"
ADMINS = """
SELECT count(*) FROM "user" WHERE "isAdmin" AND "deletedAt" IS NULL AND "email" <> :'placeholder';
"""


class Source(t.Protocol):
    """Where a database comes from."""

    @property
    def origin(self) -> str:
        """What it is, for the record of a birth."""

    def fill(self, database: Path, owner: int) -> None:
        """Put the files of the database into an empty directory, which belongs to `owner`; raises StackError."""

    def hand_over(self, admin: Admin) -> None:
        """Make the instance, whose photo server has just started, that of `admin`; raises StackError."""


@dataclasses.dataclass(frozen=True)
class FromTemplate:
    """A new tenant's database."""

    kept: Kept

    @property
    def origin(self) -> str:
        """Return which template, and which file of it."""
        return f"template {self.kept.key}, SHA-256 {self.kept.digest}"

    def fill(self, database: Path, owner: int) -> None:
        """Unpack the template."""
        packing.unpack(self.kept.path, database, owner)

    def hand_over(self, admin: Admin) -> None:
        """Give the placeholder the address and the password of the tenant's vault."""
        immich.hand_over(Admin(admin.url, EMAIL, self.kept.password), admin)


@dataclasses.dataclass(frozen=True)
class Steps:
    """What the steps are done with; tests bring their own."""

    mark: Callable[[Path, Path, int], None] = uploads.mark
    flush: Callable[[Path], None] = packing.flush
    ask: Callable[[str, str, t.Mapping[str, object]], str] = psql.ask
    ask_when_ready: Callable[[str, str, t.Mapping[str, object]], str] = psql.ask_when_ready


def materialise(stack: Stack, source: Source, compose: Compose, steps: Steps) -> None:
    """Have a tenant run with the database of `source`, set up to the end, its photo server started once.

    The photo server's own quota of the customer is that of the stack then.
    No container of it may be there, and no database but one of a birth that was cut off. Raises StackError.
    """
    database = stack.disk / DATABASE
    record = {"from": source.origin}
    write_file(File(stack.birth, json.dumps(record) + "\n", 0o600))
    # Where a database was lost, it still says that there is one.
    stack.marker.path.unlink(missing_ok=True)
    _clear(database)
    others = [service for service in stack.digests if service != DATABASE]
    alone = [service for service in others if not stack.after.get(service)]
    with concurrent.futures.ThreadPoolExecutor(max_workers=3) as pool:
        # The engine makes the containers while the files are unpacked, and the disk catches up while they start.
        filled = pool.submit(source.fill, database, stack.owner)
        marked = pool.submit(steps.mark, stack.uploads, stack.disk / BACKUPS, stack.owner)
        compose.create()
        filled.result()
        on_disk = pool.submit(steps.flush, database)
        compose.start([DATABASE])
        beside = pool.submit(compose.start, alone)
        _set_up(stack, compose, steps)
        for work in (beside, marked):
            work.result()
        compose.start([service for service in others if service not in alone])
        compose.wait(list(stack.digests))
        source.hand_over(stack.admin)
        on_disk.result()
    files.move(stack.birth, stack.marker.path)


def adopt(stack: Stack, compose: Compose, steps: Steps) -> None:
    """Take a database that somebody put in place by hand, and that runs and has an admin, for the tenant's own.

    Raises StackError where nobody owns it: then it is what a creation left which was cut off.
    """
    try:
        admins = steps.ask(stack.name, ADMINS, {"placeholder": EMAIL})
    except psql.PsqlError as error:
        raise StackError(f"its database cannot be asked for its admin: {error}") from error
    if not admins.isdecimal() or int(admins) == 0:
        compose.stop()
        raise StackError(f"its database has no admin, so it is nobody's; remove {stack.disk / DATABASE}, and run again")
    write_file(stack.marker)


def _clear(directory: Path) -> None:
    for path in directory.iterdir():
        if path.is_dir() and not path.is_symlink():
            tree.remove(path)
        else:
            path.unlink()


def _set_up(stack: Stack, compose: Compose, steps: Steps) -> None:
    """Set the role's password and the app quota as soon as the database answers, not at the engine's next probe."""
    password = next(file.content for file in stack.files if file.path.name == "database_password")
    try:
        # No password is told: this is what Postgres keeps of one, of letters, digits and + / = $ : - alone.
        statement = ROLE.format(verifier(password)) + appquota.STATEMENT
        values = {"quota": stack.app_quota}
        try:
            changed = steps.ask_when_ready(stack.name, statement, values)
        except psql.PsqlError:
            # It may have ended; this says so, unless the engine started it again.
            compose.wait([DATABASE])
            changed = steps.ask_when_ready(stack.name, statement, values)
    except (psql.PsqlError, ValueError) as error:
        raise StackError(f"the password of its database cannot be set: {error}") from error
    appquota.check(changed)

# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""SQLite files that several processes create, write and read at the same time."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import stat
import time
import typing as t
from collections.abc import Callable, Iterator
from pathlib import Path

from . import files

BUSY_SECONDS = 30.0
POLL_SECONDS = 0.01
OWNER_ALONE = 0o600
SUFFIXES = ("", "-wal", "-shm", "-journal")
# Each means that another process is using the file; SQLite itself waits for some of them only.
_OTHERS_AT_WORK = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL)

Prepare = Callable[[sqlite3.Connection], None]


def connect(
    path: Path,
    prepare: Prepare | None = None,
    *,
    mode: int = OWNER_ALONE,
    synchronous: t.Literal["FULL", "NORMAL"] = "FULL",
    busy_seconds: float = BUSY_SECONDS,
) -> sqlite3.Connection:
    """Open a database; each statement is its own transaction, except inside `transaction`.

    With `prepare`, a missing file is made, with `mode` from its first moment, and `prepare` brings it to its schema in
    one transaction; of several processes one does it, and the others find it done. Without, a missing file is an error.
    What another process holds is waited for, `busy_seconds` at most. Raises sqlite3.Error and OSError,
    also for a file of it that is a link.
    """
    if prepare is not None:
        _make(path, mode)
    _check(path)
    # SQLite would create it with the mode of the umask.
    place = f"{path.absolute().as_uri()}?mode=rw"
    database = sqlite3.connect(place, timeout=busy_seconds, isolation_level=None, uri=True)
    try:
        # With a log that is written ahead, NORMAL says that something is on disk when it is not yet.
        database.execute(f"PRAGMA synchronous={synchronous}")
        if prepare is not None:
            _patiently(lambda: _prepare(database, prepare), busy_seconds)
    except BaseException:
        database.close()
        raise
    return database


@contextlib.contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """Run the block as one write transaction: all of it is written, or nothing. Raises sqlite3.Error."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        # Some errors have ended the transaction already.
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")


def run_script(database: sqlite3.Connection, script: str) -> None:
    """Run the statements of a script, each of which ends a line; unlike executescript, within a transaction."""
    statement = ""
    for line in script.splitlines():
        statement += f"{line}\n"
        if sqlite3.complete_statement(statement):
            database.execute(statement)
            statement = ""


def _make(path: Path, mode: int) -> None:
    """Make an empty file, which is a database. One that is there may be read by nobody whom `mode` leaves out.

    Neither is opened: closing it would end the locks that SQLite has on it in this process. The new one is not linked
    to its name either: it would have two names for a moment, which `_check` refuses.
    """
    try:
        os.mknod(path, stat.S_IFREG | mode)
    except FileExistsError:
        found = path.lstat()
    else:
        path.chmod(mode)  # whatever the umask is
        files.sync_directory(path.parent)
        return
    if stat.S_ISLNK(found.st_mode):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    if stat.S_IMODE(found.st_mode) & ~mode and os.geteuid() in (0, found.st_uid):
        path.chmod(stat.S_IMODE(found.st_mode) & mode)


def _check(path: Path) -> None:
    """Refuse files of a database that are something else: SQLite would write through a link to a file of root's."""
    for suffix in SUFFIXES:
        try:
            found = path.with_name(f"{path.name}{suffix}").lstat()
        except FileNotFoundError:
            continue
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
            reason = f"{path.name}{suffix} must be a regular file with one name"
            raise OSError(errno.ELOOP, reason, str(path))


def _prepare(database: sqlite3.Connection, prepare: Prepare) -> None:
    if database.execute("PRAGMA journal_mode").fetchone() != ("wal",):
        database.execute("PRAGMA journal_mode=WAL")
    with transaction(database):
        prepare(database)


def _patiently(act: Callable[[], None], seconds: float) -> None:
    """Repeat `act` until no other process is in the way: SQLite does not wait when two switch to WAL at once."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            act()
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in _OTHERS_AT_WORK or time.monotonic() >= deadline:
                raise
        time.sleep(POLL_SECONDS)

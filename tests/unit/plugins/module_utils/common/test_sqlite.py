"""SQLite files that several processes make at once: each finds a whole one, and none ends with "database is locked"."""

import contextlib
import multiprocessing
import os
import sqlite3
import stat
import threading
import zoneinfo
from pathlib import Path

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.common import sqlite
from ansible_collections.swissphoto.silo.plugins.module_utils.usage.ledger import Ledger, Rules

from silo.billing.inbox import Inbox
from silo.notifications.outbox import Outbox
from silo.notifications.settings import MailSettings
from tests.unit.patience import LONGER, PATIENCE

PROCESSES, ROUNDS = 6, 40
SCHEMA = """
CREATE TABLE IF NOT EXISTS one (id INTEGER PRIMARY KEY, text TEXT NOT NULL,
    number INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS two (id INTEGER PRIMARY KEY);
"""


def prepare(database):
    sqlite.run_script(database, SCHEMA)


def open_plain(path):
    with contextlib.closing(sqlite.connect(path, prepare)) as database:
        database.execute("INSERT INTO one (text, number) VALUES ('x', 1)")


def open_inbox(path):
    Inbox(path).probe()


def open_outbox(path):
    Outbox(MailSettings("127.0.0.1", 25, "silo@example.ch", path, security="none")).queue_notification(
        "hans", "created"
    )


def open_ledger(path):
    with contextlib.closing(Ledger(path, Rules(zoneinfo.ZoneInfo("Europe/Zurich"), 600, 30))) as ledger:
        ledger.totals()


def race(open_file, folder, barrier, troubles):
    for number in range(ROUNDS):
        barrier.wait(LONGER)
        try:
            open_file(folder / f"{number}.db")
        except Exception as error:
            troubles.put(f"{type(error).__name__}: {error}")


@pytest.mark.parametrize("open_file", [open_plain, open_inbox, open_outbox, open_ledger])
def test_processes_that_make_a_file_at_once_all_get_it(open_file, tmp_path):
    fork = multiprocessing.get_context("fork")
    barrier, troubles = fork.Barrier(PROCESSES), fork.SimpleQueue()
    processes = [fork.Process(target=race, args=(open_file, tmp_path, barrier, troubles)) for _ in range(PROCESSES)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(LONGER)
    found = []
    while not troubles.empty():
        found.append(troubles.get())
    assert found == []
    assert [process.exitcode for process in processes] == [0] * PROCESSES
    assert list(tmp_path.glob("*.tmp")) == list(tmp_path.glob(".*")) == []
    if open_file is open_plain:
        with contextlib.closing(sqlite3.connect(tmp_path / "0.db")) as database:
            assert database.execute("SELECT count(*) FROM one").fetchone() == (PROCESSES,)


@pytest.mark.parametrize("open_file", [open_plain, open_inbox, open_outbox, open_ledger])
def test_a_file_that_another_is_about_to_write_first_is_waited_for(open_file, tmp_path):
    path = tmp_path / "a.db"
    path.touch(0o600)
    # In this state of a file, SQLite refuses the other at once, whatever its time-out is.
    with contextlib.closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        end = threading.Timer(0.3, other.execute, ["COMMIT"])
        end.start()
        open_file(path)
        end.join()


def test_it_is_its_owners_alone_from_the_first_moment(tmp_path):
    before = os.umask(0)
    modes = []

    def look(database):
        modes.extend(stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir())
        prepare(database)

    try:
        with contextlib.closing(sqlite.connect(tmp_path / "a.db", look)):
            modes.extend(stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir())
    finally:
        os.umask(before)
    assert len(modes) >= 4
    assert set(modes) == {0o600}


def test_a_mode_is_exact_whatever_the_umask_is(tmp_path):
    before = os.umask(0o077)
    try:
        sqlite.connect(tmp_path / "a.db", prepare, mode=0o660).close()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.db").stat().st_mode) == 0o660


def test_a_file_that_others_could_read_is_closed_to_them_and_a_narrow_one_stays(tmp_path):
    path = tmp_path / "a.db"
    sqlite.connect(path, prepare).close()
    path.chmod(0o644)
    sqlite.connect(path, prepare).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    sqlite.connect(path, prepare, mode=0o660).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_is_away_is_an_error_and_not_an_empty_one(tmp_path):
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        sqlite.connect(tmp_path / "a.db")
    assert list(tmp_path.iterdir()) == []


def test_a_symbolic_link_is_refused(tmp_path):
    (tmp_path / "a.db").symlink_to(tmp_path / "elsewhere.db")
    with pytest.raises(OSError, match="symbolic links"):
        sqlite.connect(tmp_path / "a.db", prepare)
    assert not (tmp_path / "elsewhere.db").exists()


def test_a_second_opening_keeps_the_locks_of_the_first(tmp_path):
    path = tmp_path / "a.db"
    with contextlib.closing(sqlite.connect(path, prepare)) as first:
        first.execute("SELECT count(*) FROM one").fetchone()
        sqlite.connect(path, prepare).close()
        inode = path.stat().st_ino
        table = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
        locked = [line for line in table if line[1] == "POSIX" and line[5].endswith(f":{inode}")]
    assert locked


def test_a_schema_that_fails_leaves_nothing_of_it(tmp_path):
    def half(database):
        database.execute("CREATE TABLE one (id)")
        raise ValueError("the power went")

    with pytest.raises(ValueError, match="the power went"):
        sqlite.connect(tmp_path / "a.db", half)
    with contextlib.closing(sqlite.connect(tmp_path / "a.db", prepare)) as database:
        assert database.execute("SELECT count(*) FROM two").fetchone() == (0,)


def test_what_another_holds_is_waited_for_and_not_for_ever(tmp_path):
    path = tmp_path / "a.db"
    with contextlib.closing(sqlite.connect(path, prepare)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            sqlite.connect(path, prepare, busy_seconds=0.2)
        other.execute("COMMIT")
        sqlite.connect(path, prepare, busy_seconds=0.2).close()


def test_a_transaction_is_whole_or_not_there(tmp_path):
    with contextlib.closing(sqlite.connect(tmp_path / "a.db", prepare)) as database:
        with pytest.raises(KeyboardInterrupt), sqlite.transaction(database):
            database.execute("INSERT INTO two VALUES (1)")
            raise KeyboardInterrupt
        with sqlite.transaction(database):
            database.execute("INSERT INTO two VALUES (2)")
        assert database.execute("SELECT id FROM two").fetchall() == [(2,)]


def test_threads_of_one_process_share_a_file(tmp_path):
    troubles = []

    def work():
        try:
            open_plain(tmp_path / "a.db")
        except Exception as error:
            troubles.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert troubles == []

# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The usage of each tenant, summed by run of the collector and by day, in a file that only grows.

A run adds the usage since the previous run: the increase of each counter, and the previous gauge values times the time.
It is one transaction. If a power cut loses it, the next run counts again, because the stored counters are lost with it.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import datetime
import sqlite3
import zoneinfo
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ..common import sqlite
from . import history
from .amounts import COUNTERS, NAMED, NAMES, STATES, WHOLE, Amounts
from .snapshot import Containers, Counters, Look, Moment

NOTHING = Containers(False, 0, {})
VERSION = 1
COLUMNS = ", ".join(f"{name} INTEGER NOT NULL" for name in NAMES)
SCHEMA = f"""
CREATE TABLE look (wall INTEGER NOT NULL, running INTEGER NOT NULL, boot TEXT NOT NULL);
CREATE TABLE present (tenant TEXT PRIMARY KEY, state TEXT NOT NULL,
    healthy INTEGER, memory INTEGER, storage INTEGER, database INTEGER) WITHOUT ROWID;
CREATE TABLE counter (part TEXT, tenant TEXT, source TEXT, measure TEXT, value INTEGER NOT NULL,
    PRIMARY KEY (part, tenant, source, measure)) WITHOUT ROWID;
CREATE TABLE amount (id INTEGER PRIMARY KEY AUTOINCREMENT, until INTEGER NOT NULL,
    day TEXT NOT NULL, tenant TEXT NOT NULL, {COLUMNS});
CREATE TABLE day (id INTEGER PRIMARY KEY AUTOINCREMENT, day TEXT NOT NULL, tenant TEXT NOT NULL, {COLUMNS});
CREATE INDEX day_by_day ON day (day);
CREATE TABLE closed (amount INTEGER NOT NULL);
INSERT INTO closed VALUES (0);
CREATE TABLE total (tenant TEXT PRIMARY KEY, {", ".join(COUNTERS)}) WITHOUT ROWID;
CREATE TRIGGER amount_stays BEFORE UPDATE ON amount BEGIN SELECT RAISE(ABORT, 'the ledger is only added to'); END;
CREATE TRIGGER amount_is_kept BEFORE DELETE ON amount WHEN OLD.id > (SELECT amount FROM closed)
    BEGIN SELECT RAISE(ABORT, 'what is not added up yet is kept'); END;
CREATE TRIGGER day_stays BEFORE UPDATE ON day BEGIN SELECT RAISE(ABORT, 'the ledger is only added to'); END;
CREATE TRIGGER day_is_kept BEFORE DELETE ON day BEGIN SELECT RAISE(ABORT, 'the ledger is only added to'); END;
PRAGMA user_version = {VERSION};
"""
MARKS = ", ".join("?" * len(NAMES))
TOTAL_MARKS = ", ".join("?" * len(COUNTERS))
DAY_SECONDS = 86_400
# The longest duration of another run.
BUSY_SECONDS = 60
KIB = 1024


class LedgerError(Exception):
    """The ledger cannot be read or written; the text says why."""


@dataclasses.dataclass(frozen=True)
class Rules:
    """A day begins by `zone`. After `gap_seconds` without a run, memory and health of that time are unknown.

    The amounts of each run are kept for `detail_days`, the sums of days for ever.
    """

    zone: zoneinfo.ZoneInfo
    gap_seconds: int
    detail_days: int


@dataclasses.dataclass(frozen=True)
class _Present:
    """A tenant's state at the last run; None is unknown."""

    state: str = ""
    healthy: int | None = None
    memory: int | None = None
    storage: int | None = None
    database: int | None = None


@dataclasses.dataclass(frozen=True)
class _Piece:
    """The part of the time between two runs that is on one day."""

    day: datetime.date
    until: int
    seconds: int


class Ledger:
    """The ledger file of one host, created if it is missing. A run locks it for writing until it is stored."""

    def __init__(self, path: Path, rules: Rules) -> None:
        """Open the ledger; raises LedgerError."""
        self._path, self._rules = path, rules
        with _told(path):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # NORMAL is enough: the next run counts a lost run again.
            self._database = sqlite.connect(path, self._prepare, synchronous="NORMAL", busy_seconds=BUSY_SECONDS)

    def _prepare(self, database: sqlite3.Connection) -> None:
        version = database.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, VERSION):
            raise LedgerError(f"{self._path}: the ledger is of version {version}; this program knows {VERSION}")
        if version == 0:
            sqlite.run_script(database, SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Run the block as one write transaction: all of it is written, or nothing. Raises LedgerError."""
        with _told(self._path), sqlite.transaction(self._database):
            yield

    def add(self, look: Look) -> None:
        """Add the usage since the previous run; call it within `held`."""
        earlier = self._earlier()
        before = self._present()
        after = {name: _merged(look, name, before.get(name, _Present())) for name in _names(look, before)}
        *whole_days, last = _pieces(earlier, look.moment, self._rules.zone)
        seen = self._seen(earlier, look.moment)
        for piece in whole_days:
            taken = {name: _taken(found, piece.seconds, seen) + _peaks(found, seen) for name, found in before.items()}
            self._append(piece, taken)
        counted = self._count(look, earlier is not None)
        rows = {name: _taken(found, last.seconds, seen) for name, found in before.items()}
        for name in counted.keys() | after.keys():
            rows[name] = rows.get(name, Amounts()) + counted.get(name, Amounts()) + _peaks(after.get(name, _Present()))
        self._append(last, rows)
        self._remember(look.moment, after)
        self._close(last)

    def totals(self) -> dict[str, dict[str, int]]:
        """Return tenant to the totals of COUNTERS since the ledger began."""
        rows = self._database.execute("SELECT * FROM total")
        return {tenant: dict(zip(COUNTERS, counts, strict=True)) for tenant, *counts in rows}

    def _earlier(self) -> Moment | None:
        row = self._database.execute("SELECT wall, running, boot FROM look").fetchone()
        return Moment(*row) if row else None

    def _present(self) -> dict[str, _Present]:
        rows = self._database.execute("SELECT tenant, state, healthy, memory, storage, database FROM present")
        return {row[0]: _Present(*row[1:]) for row in rows}

    def _seen(self, earlier: Moment | None, moment: Moment) -> bool:
        """Return whether the values of the last run can be valid until now."""
        return earlier is not None and earlier.boot == moment.boot and moment.since(earlier) <= self._rules.gap_seconds

    def _count(self, look: Look, known: bool) -> dict[str, Amounts]:
        """Return the increase of each tenant's counters; the very first run counts nothing before it."""
        containers = None
        if look.containers is not None:
            containers = {name: found.counters for name, found in look.containers.items()}
        sums: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
        for part, found in (("containers", containers), ("served", look.served)):
            if found is None:
                continue
            rows = self._database.execute("SELECT tenant, source, measure, value FROM counter WHERE part = ?", (part,))
            last = {(tenant, source, measure): value for tenant, source, measure, value in rows}
            now = _flat(found)
            for key, value in now.items():
                before = last.get(key, 0)
                # A counter that decreased has restarted at zero.
                sums[key[0]][key[2]] += (value - before if value >= before else value) if known else 0
            gone = last.keys() - now.keys()
            self._database.executemany(
                "DELETE FROM counter WHERE part = ? AND tenant = ? AND source = ? AND measure = ?",
                ((part, *key) for key in gone),
            )
            self._database.executemany(
                "INSERT OR REPLACE INTO counter VALUES (?, ?, ?, ?, ?)",
                ((part, *key, value) for key, value in now.items() if last.get(key) != value),
            )
        return {tenant: Amounts(**count) for tenant, count in sums.items()}

    def _append(self, piece: _Piece, rows: Mapping[str, Amounts]) -> None:
        rows = {name: amounts for name, amounts in rows.items() if amounts != Amounts()}
        if not rows:
            return
        whole = _whole(rows.values())
        database = self._database
        for name, amounts in ((WHOLE, whole), *sorted(rows.items())):
            database.execute(
                f"INSERT INTO amount (until, day, tenant, {NAMED}) VALUES (?, ?, ?, {MARKS})",
                (piece.until, piece.day.isoformat(), name, *amounts.values()),
            )
            last = database.execute("SELECT * FROM total WHERE tenant = ?", (name,)).fetchone() or (
                name,
                *[0] * len(COUNTERS),
            )
            counts = (count + getattr(amounts, measure) for measure, count in zip(COUNTERS, last[1:], strict=True))
            database.execute(f"INSERT OR REPLACE INTO total VALUES (?, {TOTAL_MARKS})", (name, *counts))

    def _remember(self, moment: Moment, after: Mapping[str, _Present]) -> None:
        self._database.execute("DELETE FROM look")
        self._database.execute("INSERT INTO look VALUES (?, ?, ?)", dataclasses.astuple(moment))
        self._database.execute("DELETE FROM present")
        self._database.executemany(
            "INSERT INTO present VALUES (?, ?, ?, ?, ?, ?)",
            ((name, *dataclasses.astuple(found)) for name, found in after.items()),
        )

    def _close(self, last: _Piece) -> None:
        """Sum the days that are over, and delete the details of old ones."""
        database, today = self._database, last.day.isoformat()
        (closed,) = database.execute("SELECT amount FROM closed").fetchone()
        first = database.execute("SELECT day FROM amount WHERE id > ? ORDER BY id LIMIT 1", (closed,)).fetchone()
        if first is None or first[0] == today:
            return
        (end,) = database.execute("SELECT max(id) FROM amount WHERE day <> ?", (today,)).fetchone()
        sums = history.sums(
            database, f"SELECT day, tenant, {NAMED} FROM amount WHERE id > ? AND id <= ?", (closed, end)
        )
        database.executemany(
            f"INSERT INTO day (day, tenant, {NAMED}) VALUES (?, ?, {MARKS})",
            ((*key, *amounts.values()) for key, amounts in sorted(sums.items())),
        )
        database.execute("UPDATE closed SET amount = ?", (end,))
        old = last.until - self._rules.detail_days * DAY_SECONDS
        database.execute("DELETE FROM amount WHERE id <= ? AND until < ?", (end, old))


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise LedgerError(f"{path}: the ledger cannot be read or written: {error}") from error


def _names(look: Look, before: Iterable[str]) -> set[str]:
    """Return the existing tenants; a disk that did not answer removes none."""
    storage = before if look.storage is None else look.storage
    return {name for part in (look.states, look.containers or (), storage) for name in part}


def _merged(look: Look, name: str, before: _Present) -> _Present:
    """Return the tenant's state in `look`; keep the last sizes on disk if they could not be counted this time."""
    running = None if look.containers is None else look.containers.get(name, NOTHING)
    return _Present(
        look.states.get(name, ""),
        None if running is None else int(running.healthy),
        None if running is None else running.memory_bytes,
        before.storage if look.storage is None else look.storage.get(name),
        before.database if look.database is None else look.database.get(name),
    )


def _pieces(earlier: Moment | None, moment: Moment, zone: zoneinfo.ZoneInfo) -> list[_Piece]:
    """Split the time since `earlier` at each midnight; its length is from the monotonic clock."""
    start = moment.wall - (moment.since(earlier) if earlier else 0)
    day = datetime.datetime.fromtimestamp(start, zone).date()
    pieces = []
    while True:
        tomorrow = day + datetime.timedelta(days=1)
        end = min(moment.wall, int(datetime.datetime.combine(tomorrow, datetime.time(), zone).timestamp()))
        pieces.append(_Piece(day, end, end - start))
        if end == moment.wall:
            return pieces
        start, day = end, tomorrow


def _taken(found: _Present, seconds: int, seen: bool) -> Amounts:
    """Return the amounts of `found` over so many seconds; memory and health only if they are known for the time."""
    states = {f"{state}_seconds": seconds * (found.state == state) for state in STATES}
    known = seen and found.healthy is not None
    return Amounts(
        **states,
        healthy_seconds=seconds * (found.healthy or 0) if known else 0,
        unseen_seconds=seconds if found.state and not known else 0,
        memory_kib_seconds=seconds * ((found.memory or 0) // KIB) if known else 0,
        storage_kib_seconds=seconds * ((found.storage or 0) // KIB),
        database_kib_seconds=seconds * ((found.database or 0) // KIB),
    )


def _peaks(found: _Present, seen: bool = True) -> Amounts:
    return Amounts(memory_peak_bytes=(found.memory or 0) if seen else 0, storage_peak_bytes=found.storage or 0)


def _whole(rows: Iterable[Amounts]) -> Amounts:
    """Return the sums over all tenants; also of peaks, because these are of the same moment."""
    return Amounts(*map(sum, zip(*map(Amounts.values, rows), strict=True)))


def _flat(found: Mapping[str, Counters]) -> dict[tuple[str, str, str], int]:
    return {
        (tenant, source, measure): value
        for tenant, counters in found.items()
        for source, measures in counters.items()
        for measure, value in measures.items()
    }

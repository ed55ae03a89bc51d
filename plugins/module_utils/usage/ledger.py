# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What each tenant used, added up look by look and day by day in a file that is only ever added to.

A look counts what happened since the look before: how far each counter went, and how long what was seen then was taken.
It is one transaction. What a power cut takes from the file is counted by the next look, as its counters went with it.
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
# For as long as another look may take.
BUSY_SECONDS = 60
KIB = 1024


class LedgerError(Exception):
    """The ledger cannot be read or written; the text says why."""


@dataclasses.dataclass(frozen=True)
class Rules:
    """`zone` says when a day begins. After `gap_seconds` without a look, memory and health of the time are unknown.

    What each look found is kept for `detail_days`; the sums of days are kept for good.
    """

    zone: zoneinfo.ZoneInfo
    gap_seconds: int
    detail_days: int


@dataclasses.dataclass(frozen=True)
class _Present:
    """A tenant as the last look found it; None is unknown."""

    state: str = ""
    healthy: int | None = None
    memory: int | None = None
    storage: int | None = None
    database: int | None = None


@dataclasses.dataclass(frozen=True)
class _Piece:
    """The part of the time between two looks that lies in one day."""

    day: datetime.date
    until: int
    seconds: int


class Ledger:
    """A file of one host; it is made where it is missing. Whoever looks holds it for writing until the look is in."""

    def __init__(self, path: Path, rules: Rules) -> None:
        """Open the ledger; raises LedgerError."""
        self._path, self._rules = path, rules
        with _told(path):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # NORMAL is enough, since a look that is lost is counted again by the next.
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
        """Keep others from writing; what was written inside is there as a whole or not at all. Raises LedgerError."""
        with _told(self._path), sqlite.transaction(self._database):
            yield

    def add(self, look: Look) -> None:
        """Count what happened since the look before; within `held`."""
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
        """Return tenant to how far its counters, those of COUNTERS, went since the ledger began."""
        rows = self._database.execute("SELECT * FROM total")
        return {tenant: dict(zip(COUNTERS, counts, strict=True)) for tenant, *counts in rows}

    def _earlier(self) -> Moment | None:
        row = self._database.execute("SELECT wall, running, boot FROM look").fetchone()
        return Moment(*row) if row else None

    def _present(self) -> dict[str, _Present]:
        rows = self._database.execute("SELECT tenant, state, healthy, memory, storage, database FROM present")
        return {row[0]: _Present(*row[1:]) for row in rows}

    def _seen(self, earlier: Moment | None, moment: Moment) -> bool:
        """Whether what the last look found can have held until now."""
        return earlier is not None and earlier.boot == moment.boot and moment.since(earlier) <= self._rules.gap_seconds

    def _count(self, look: Look, known: bool) -> dict[str, Amounts]:
        """Return how far each tenant's counters went; the first look of all counts nothing of what was before it."""
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
                # A counter that went back has begun anew.
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
        """Add up the days that are over, and forget the details of those that are long over."""
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
    """Return who is there; nobody is gone for a disk that did not answer."""
    storage = before if look.storage is None else look.storage
    return {name for part in (look.states, look.containers or (), storage) for name in part}


def _merged(look: Look, name: str, before: _Present) -> _Present:
    """Return the tenant as `look` found it; what lies on a disk is still there where it was not counted this time."""
    running = None if look.containers is None else look.containers.get(name, NOTHING)
    return _Present(
        look.states.get(name, ""),
        None if running is None else int(running.healthy),
        None if running is None else running.memory_bytes,
        before.storage if look.storage is None else look.storage.get(name),
        before.database if look.database is None else look.database.get(name),
    )


def _pieces(earlier: Moment | None, moment: Moment, zone: zoneinfo.ZoneInfo) -> list[_Piece]:
    """Cut the time since `earlier` at each midnight; its length is the clock's that does not jump."""
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
    """Return what `found` makes in so many seconds; memory and health where they are known to have held."""
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
    """Return the sums over all tenants; the peaks too, since these are of one moment."""
    return Amounts(*map(sum, zip(*map(Amounts.values, rows), strict=True)))


def _flat(found: Mapping[str, Counters]) -> dict[tuple[str, str, str], int]:
    return {
        (tenant, source, measure): value
        for tenant, counters in found.items()
        for source, measures in counters.items()
        for measure, value in measures.items()
    }

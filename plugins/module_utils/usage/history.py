# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads past usage from a ledger. Sums are made in Python, because a few TB-years overflow SQLite's integers."""

from __future__ import annotations

import collections
import contextlib
import datetime
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from .amounts import NAMED, Amounts

Days = dict[tuple[str, str], Amounts]


def sums(database: sqlite3.Connection, query: str, values: Sequence[object]) -> Days:
    """Return (key, tenant) to the sum of the rows of `query`, whose first two columns these are."""
    found: Days = collections.defaultdict(Amounts)
    for key, tenant, *amounts in database.execute(query, values):
        found[key, tenant] += Amounts(*amounts)
    return dict(found)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a ledger to read one consistent state; raises OSError or sqlite3.Error."""
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist; the role accounting creates it")
    with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=60)) as database:
        database.isolation_level = None
        database.execute("BEGIN")
        yield database


def days(database: sqlite3.Connection, first: datetime.date, last: datetime.date) -> Days:
    """Return (day in ISO 8601, tenant) to the usage of that day, from `first` to `last`; WHOLE is all tenants."""
    between = (first.isoformat(), last.isoformat())
    closed = sums(database, f"SELECT day, tenant, {NAMED} FROM day WHERE day BETWEEN ? AND ?", between)
    open_days = sums(
        database,
        f"SELECT day, tenant, {NAMED} FROM amount WHERE id > (SELECT amount FROM closed) AND day BETWEEN ? AND ?",
        between,
    )
    return {key: closed.get(key, Amounts()) + open_days.get(key, Amounts()) for key in closed.keys() | open_days.keys()}


def course(database: sqlite3.Connection, when: int, step: int) -> dict[str, dict[int, Amounts]]:
    """Return tenant to step number to the usage in each `step` seconds after `when`; a missing step is unknown."""
    found: dict[str, dict[int, Amounts]] = collections.defaultdict(dict)
    query = f"SELECT (until - ?1 - 1) / ?2, tenant, {NAMED} FROM amount WHERE until > ?1"
    for (number, tenant), amounts in sums(database, query, (when, step)).items():
        found[tenant][int(number)] = amounts
    return dict(found)


def looked(database: sqlite3.Connection) -> int | None:
    """Return the time of the collector's last run, in seconds since 1970."""
    row = database.execute("SELECT wall FROM look").fetchone()
    return int(row[0]) if row else None

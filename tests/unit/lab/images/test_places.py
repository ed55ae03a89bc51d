"""The import of the places: as much as the real one has, the same at each start, and the state at its end."""

import asyncio
import contextlib
import itertools

import pytest
from photo_server import places
from photo_server.costs import NONE, REAL
from photo_server.errors import StartError
from photo_server.memory import Memory

DATE = "2026-07-13T20:58:11+00:00"


@pytest.mark.long("two times 200,000 places")
def test_there_are_as_many_as_in_the_image_and_they_are_always_the_same():
    rows = list(places.places(REAL.places))
    assert len({row[0] for row in rows}) == len(rows) == 196_578
    assert rows[:1000] == list(itertools.islice(places.places(REAL.places), 1000))
    letters = sum(len(name or "") for row in rows[:5000] for name in (row[1], row[2])) / 5000
    assert 90 < letters < 200
    assert all(len(row[5]) == 2 and len(row[1]) <= 200 for row in rows)


class Database:
    """Keeps what it is told, in order; `fail_at` names a statement at which it goes away."""

    def __init__(self, fail_at=""):
        self.metadata_rows = {}
        self.calls = []
        self.fail_at = fail_at
        self.pool = self

    @contextlib.asynccontextmanager
    async def acquire(self):
        yield self

    @contextlib.asynccontextmanager
    async def transaction(self):
        yield

    async def execute(self, statement, *_values, timeout=60):
        self.calls.append(" ".join(statement.split()))
        if self.fail_at and self.fail_at in statement:
            raise ConnectionResetError("the database went away")

    async def metadata(self, key):
        return self.metadata_rows.get(key, {})

    async def set_metadata(self, key, value):
        self.calls.append(f"state {value['lastUpdate']}")
        self.metadata_rows[key] = value

    async def pause(self, paused):
        self.calls.append(f"paused {paused}")


@pytest.fixture
def build(tmp_path):
    (tmp_path / "geodata").mkdir()
    (tmp_path / "geodata" / "geodata-date.txt").write_text(DATE)
    return tmp_path


def ensure(database, build):
    asyncio.run(places.ensure(database, database, build, NONE, Memory(None, True, True)))


def test_the_state_is_written_when_all_places_are_there(build):
    database = Database()
    ensure(database, build)
    assert database.metadata_rows == {
        "reverse-geocoding-state": {"lastUpdate": DATE, "lastImportFileName": "cities500.txt"}
    }
    kinds = [call.split(" ON ")[0].split(" (")[0][:40] for call in database.calls]
    assert kinds[0] == "paused True"
    assert kinds[2].startswith('DROP TABLE IF EXISTS "geodata_places"')
    assert kinds[3:5] == ['CREATE INDEX "IDX_geodata_gist_earthcoor', 'INSERT INTO "geodata_places"']
    assert database.calls[-3:] == [f"state {DATE}", "SELECT pg_advisory_unlock($1)", "paused False"]


def test_it_is_skipped_where_the_state_has_the_date_of_the_image(build):
    database = Database()
    database.metadata_rows[places.STATE] = {"lastUpdate": DATE}
    ensure(database, build)
    assert database.calls == [
        "paused True",
        "SELECT pg_advisory_lock($1)",
        "SELECT pg_advisory_unlock($1)",
        "paused False",
    ]


def test_places_of_another_date_are_imported_again(build):
    database = Database()
    database.metadata_rows[places.STATE] = {"lastUpdate": "2025-01-01T00:00:00+00:00"}
    ensure(database, build)
    assert database.metadata_rows[places.STATE]["lastUpdate"] == DATE


@pytest.mark.parametrize("statement", ["INSERT INTO", "gin_trgm_ops"])
def test_an_import_that_is_cut_off_leaves_no_state_and_begins_anew(build, statement):
    database = Database(fail_at=statement)
    with pytest.raises(StartError, match="Unable to initialize reverse geocoding: the database went away"):
        ensure(database, build)
    assert database.metadata_rows == {}
    database.fail_at, database.calls = "", []
    ensure(database, build)
    assert sum(call.startswith('INSERT INTO "geodata_places"') for call in database.calls) == 1
    assert places.STATE in database.metadata_rows


def test_an_image_without_places_does_not_start(tmp_path):
    with pytest.raises(StartError, match="geodata-date.txt"):
        ensure(Database(), tmp_path)

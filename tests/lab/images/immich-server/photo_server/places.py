"""The places of the world, which the first start on a database imports.

The state is written when all is there, so an import that was cut off begins anew. Another date of the image's places
begins one too.
"""

import asyncio
import logging
import random
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import asyncpg

from photo_server import database
from photo_server.costs import Costs, burn
from photo_server.errors import StartError
from photo_server.memory import Memory
from photo_server.migrations import PLACES_INDEXES, PLACES_TABLE
from photo_server.queues import Queue
from photo_server.store import Store

_log = logging.getLogger(__name__)

STATE = "reverse-geocoding-state"
_BATCH = 5000
_AT_ONCE = 6
_INSERT = """
INSERT INTO "geodata_places" ("id", "name", "alternateNames", "latitude", "longitude", "countryCode", "admin1Code",
  "admin2Code", "modificationDate", "admin1Name", "admin2Name")
SELECT * FROM unnest($1::int[], $2::text[], $3::text[], $4::float8[], $5::float8[], $6::text[], $7::text[], $8::text[],
  $9::date[], $10::text[], $11::text[])
"""
_SYLLABLES = (
    "an ba ben bo da dor el en fa ford gen ham in ka kirch la lin ma mar mon na ou port ra san stein to ur wil".split()
)


async def ensure(store: Store, queue: Queue, build: Path, costs: Costs, memory: Memory) -> None:
    """Imports the places where they are not those of the image; the queue of metadata is paused meanwhile.

    `build` is the folder of the image's data. Raises StartError where they cannot be imported.
    """
    try:
        await queue.pause(True)
        async with database.lock(store.pool, database.PLACES_LOCK):
            stamp = await asyncio.to_thread((build / "geodata" / "geodata-date.txt").read_text)
            if (await store.metadata(STATE)).get("lastUpdate") != stamp:
                with memory.importing():
                    await _import(store.pool, costs)
                await store.set_metadata(STATE, {"lastUpdate": stamp, "lastImportFileName": "cities500.txt"})
                _log.info("Geodata import completed")
        await queue.pause(False)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise StartError(f"Unable to initialize reverse geocoding: {error or type(error).__name__}") from error


async def _import(pool: "asyncpg.Pool[asyncpg.Record]", costs: Costs) -> None:
    _log.info("Starting geodata import")
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(f'DROP TABLE IF EXISTS "geodata_places"; {PLACES_TABLE}')
    by_place, *by_name = PLACES_INDEXES
    await pool.execute(by_place)
    rest = places(costs.places)
    running: set[asyncio.Task[None]] = set()
    while rows := list(islice(rest, _BATCH)):
        await asyncio.to_thread(burn, costs.importing * len(rows) / costs.places)
        running.add(asyncio.create_task(_insert(pool, list(zip(*rows, strict=True)))))
        if len(running) == _AT_ONCE:
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.gather(*done)
    await asyncio.gather(*running)
    await asyncio.gather(*(pool.execute(statement, timeout=600) for statement in by_name))
    _log.info("Successfully imported %d geodata records", costs.places)


async def _insert(pool: "asyncpg.Pool[asyncpg.Record]", columns: list[Any]) -> None:
    await pool.execute(_INSERT, *columns, timeout=600)


def places(count: int) -> Iterator[tuple[Any, ...]]:
    """Rows of invented places, always the same: as many letters as the real ones have, all over the world."""
    source = random.Random(count)  # noqa: S311 - towns, not keys
    for number in range(1, count + 1):
        others = ",".join(_name(source) for _ in range(source.choice((0, 2, 6, 16, 28))))
        first, second = source.randrange(1, 40), source.randrange(1, 900)
        yield (
            number,
            _name(source),
            others or None,
            source.uniform(-60, 75),
            source.uniform(-180, 180),
            source.choice(("AT", "BR", "CH", "CN", "DE", "FR", "IN", "IT", "JP", "US")),
            f"{first:02}",
            f"{second:03}",
            date(2008, 1, 1) + timedelta(days=source.randrange(6500)),
            _SYLLABLES[first % len(_SYLLABLES)].title() + "land",
            f"{_SYLLABLES[second % len(_SYLLABLES)].title()}tal {second}",
        )


def _name(source: random.Random) -> str:
    return "".join(source.choices(_SYLLABLES, k=source.choice((2, 3, 3, 4)))).title()

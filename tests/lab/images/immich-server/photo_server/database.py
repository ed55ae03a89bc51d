"""The connection to PostgreSQL, and the locks of servers that share one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from photo_server import environment
from photo_server.errors import StartError

START_LOCK = 200
PLACES_LOCK = 100


async def connect(database: environment.Database) -> "asyncpg.Pool[asyncpg.Record]":
    """A pool of connections. Raises StartError where the database does not answer: the restart policy tries again."""
    options: dict[str, Any] = {"min_size": 1, "max_size": 8, "timeout": 3, "command_timeout": 60}
    if database.url:
        options["dsn"] = database.url
    else:
        options |= {
            "host": database.host,
            "port": database.port,
            "user": database.user,
            "password": database.password,
            "database": database.name,
            "ssl": database.ssl,
        }
    try:
        pool = await asyncpg.create_pool(**options)
    except (OSError, TimeoutError) as error:
        raise StartError(f"The database does not answer: {error or type(error).__name__}") from error
    except (asyncpg.PostgresError, ValueError) as error:
        raise StartError(f"The database refuses: {error}") from error
    assert pool is not None  # noqa: S101 - None only inside of a running pool's own constructor
    return pool


@asynccontextmanager
async def lock(pool: "asyncpg.Pool[asyncpg.Record]", number: int) -> AsyncIterator[Any]:
    """A connection that holds a lock: servers on one database go through it one after the other."""
    async with pool.acquire() as connection:
        await connection.execute("SELECT pg_advisory_lock($1)", number, timeout=None)
        try:
            yield connection
        finally:
            await connection.execute("SELECT pg_advisory_unlock($1)", number)

"""The connection to PostgreSQL, and the lock under which a server starts."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from photo_server import environment
from photo_server.errors import StartError

_log = logging.getLogger(__name__)

_START_LOCK = 200
_PATIENCE = 20
"""Seconds for the database to answer before the server gives up; its restart policy tries again."""

_TEMPORARY = (OSError, asyncpg.CannotConnectNowError, asyncpg.TooManyConnectionsError, TimeoutError)


async def connect(database: environment.Database) -> "asyncpg.Pool[asyncpg.Record]":
    """A pool of connections. Says each second why it waits. Raises StartError."""
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
    deadline = asyncio.get_running_loop().time() + _PATIENCE
    while True:
        try:
            pool = await asyncpg.create_pool(**options)
            assert pool is not None  # noqa: S101 - None only inside of a running pool's own constructor
            return pool
        except _TEMPORARY as error:
            reason = str(error) or type(error).__name__
            if asyncio.get_running_loop().time() > deadline:
                raise StartError(f"The database did not answer for {_PATIENCE} s: {reason}") from error
            _log.warning("Waiting for the database: %s", reason)
            await asyncio.sleep(0.5)
        except (asyncpg.PostgresError, ValueError) as error:
            raise StartError(f"The database refuses: {error}") from error


@asynccontextmanager
async def start_lock(pool: "asyncpg.Pool[asyncpg.Record]") -> AsyncIterator[Any]:
    """A connection that holds the lock: servers on one database start one after the other."""
    async with pool.acquire() as connection:
        await connection.execute("SELECT pg_advisory_lock($1)", _START_LOCK, timeout=None)
        try:
            yield connection
        finally:
            await connection.execute("SELECT pg_advisory_unlock($1)", _START_LOCK)

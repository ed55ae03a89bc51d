"""The connection to Valkey."""

import asyncio
import logging

from redis import exceptions
from redis.asyncio import Redis

from photo_server import environment
from photo_server.errors import StartError

_log = logging.getLogger(__name__)

_PATIENCE = 20
"""Seconds for the cache to answer before the server gives up; its restart policy tries again."""


async def connect(cache: environment.Cache) -> Redis:
    """A client whose connection was tried. Says each half second why it waits. Raises StartError."""
    client: Redis = Redis(
        host=cache.host,
        port=cache.port,
        username=cache.user,
        password=cache.password,
        db=cache.index,
        unix_socket_path=cache.socket,
        decode_responses=True,
        socket_connect_timeout=5,
    )
    deadline = asyncio.get_running_loop().time() + _PATIENCE
    while True:
        try:
            await client.ping()
            return client
        except exceptions.AuthenticationError as error:
            raise StartError(f"The cache refuses: {error}") from error
        except (exceptions.ConnectionError, exceptions.BusyLoadingError, exceptions.TimeoutError) as error:
            if asyncio.get_running_loop().time() > deadline:
                raise StartError(f"The cache did not answer for {_PATIENCE} s: {error}") from error
            _log.warning("Waiting for the cache: %s", error)
            await asyncio.sleep(0.5)
        except exceptions.ResponseError as error:
            raise StartError(f"The cache refuses: {error}") from error

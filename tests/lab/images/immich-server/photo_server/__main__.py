"""Starts the server: configuration, database, marker files, cache, then the API and the worker."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable

from aiohttp import web

from photo_server import VERSION, cache, database, markers
from photo_server.api import create_app
from photo_server.config import SystemConfig, load_config
from photo_server.environment import Environment, read_environment
from photo_server.errors import StartError
from photo_server.learning import LearningClient
from photo_server.migrations import migrate
from photo_server.queues import NAMES, Queue
from photo_server.server import Server
from photo_server.store import Store
from photo_server.worker import Worker

_log = logging.getLogger("photo_server")


async def prepare_store(environment: Environment) -> Store:
    """The database, migrated, and the marker files checked against what it remembers. Raises StartError."""
    pool = await database.connect(environment.database)
    store = Store(pool)
    async with database.start_lock(pool) as connection:
        if not environment.database.skip_migrations:
            await migrate(connection, environment.database.vector_extension)
        await _check_markers(environment, store)
    return store


async def _check_markers(environment: Environment, store: Store) -> None:
    flags = await store.metadata("system-flags")
    known = frozenset(name for name, checked in flags.get("mountChecks", {}).items() if checked)
    try:
        markers.check_folders(environment.media_location, known)
    except StartError as error:
        if not environment.ignore_mount_check_errors:
            raise
        _log.error("%s", error)
        _log.warning("Ignoring mount folder errors")
    else:
        if known != frozenset(markers.FOLDERS):
            await store.set_metadata("system-flags", {"mountChecks": dict.fromkeys(markers.FOLDERS, True)})
        _log.info("Successfully verified system mount folder checks")


async def _load_config(environment: Environment, store: Store) -> SystemConfig:
    config, unknown = load_config(environment, await store.metadata("system-config"))
    for name in unknown:
        _log.warning("Unknown keys found: %s", name)
    return config


@contextlib.asynccontextmanager
async def _parts(environment: Environment) -> AsyncIterator[Server]:
    load_config(environment, {})  # a bad file stops the start before anything is touched
    async with contextlib.AsyncExitStack() as stack:
        store = await prepare_store(environment)
        stack.push_async_callback(store.close)
        config = await _load_config(environment, store)
        client = await cache.connect(environment.cache)
        stack.push_async_callback(client.aclose)
        learning = LearningClient(config.machine_learning())
        stack.push_async_callback(learning.close)
        queues = {name: Queue(client, name) for name in NAMES}
        yield Server(environment, config, store, queues, learning)


def _on_signal(reaction: Callable[..., object], *arguments: object) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, reaction, *arguments)


async def run(environment: Environment) -> None:
    """Serves until SIGTERM or SIGINT. Raises StartError."""
    # While it starts there is nothing to put in order, and the look-up of a name would hold up an orderly end.
    _on_signal(os._exit, 0)
    with contextlib.suppress(asyncio.CancelledError):
        async with _parts(environment) as server:
            service = asyncio.ensure_future(_work_and_serve(server))
            _on_signal(service.cancel)
            await service


async def _work_and_serve(server: Server) -> None:
    environment = server.environment
    async with asyncio.TaskGroup() as group:
        if "microservices" in environment.workers:
            location = environment.media_location
            worker = Worker(server.config, server.store, server.queues, server.learning, location)
            group.create_task(worker.run())
        if "api" in environment.workers:
            group.create_task(_serve(server))


async def _serve(server: Server) -> None:
    runner = web.AppRunner(create_app(server), access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        host, port = server.environment.host, server.environment.port
        await web.TCPSite(runner, host, port).start()
        _log.info("Lab stand-in for Immich %s is listening on port %d", ".".join(map(str, VERSION)), port)
        await asyncio.Event().wait()  # for ever
    finally:
        await runner.cleanup()


def main() -> int:
    """The exit code: 0 after a signal, 1 where the server cannot start."""
    logging.basicConfig(level=logging.INFO, format="[%(asctime)s] %(levelname)s [%(name)s] %(message)s")
    try:
        asyncio.run(run(read_environment(os.environ)))
    except StartError as error:
        _log.error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

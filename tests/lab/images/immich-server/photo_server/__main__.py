"""Starts the server: configuration, database, marker files, cache, then the API and, behind the places, the worker."""

import asyncio
import logging
import os
import signal
import sys

from aiohttp import web

from photo_server import VERSION, cache, database, markers, places
from photo_server.api import create_app
from photo_server.config import SystemConfig, load_config
from photo_server.costs import burn, is_tight
from photo_server.environment import Environment, read_environment
from photo_server.errors import StartError
from photo_server.learning import LearningClient
from photo_server.memory import Memory
from photo_server.migrations import migrate
from photo_server.queues import NAMES, Queue
from photo_server.server import Server
from photo_server.store import Store
from photo_server.worker import Worker

_log = logging.getLogger("photo_server")
_RELEASE = ".".join(map(str, VERSION))


async def prepare_store(environment: Environment) -> Store:
    """The database, migrated, and the marker files checked against what it remembers. Raises StartError."""
    pool = await database.connect(environment.database)
    store = Store(pool)
    async with database.lock(pool, database.START_LOCK) as connection:
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


async def _start(environment: Environment) -> Server:
    load_config(environment, {})  # a bad file stops the start before anything is touched
    store = await prepare_store(environment)
    await asyncio.sleep(environment.costs.pause)
    await asyncio.to_thread(burn, environment.costs.after_database)
    config = await _load_config(environment, store)
    client = await cache.connect(environment.cache)
    queues = {name: Queue(client, name) for name in NAMES}
    memory = Memory(environment.costs.memory, environment.memory_purged, is_tight())
    memory.settle()
    return Server(environment, config, store, queues, LearningClient(config.machine_learning()), memory)


async def run(environment: Environment) -> None:
    """Serves until a signal ends the process, or a part of it fails. Raises StartError, alone or in a group."""
    server = await _start(environment)
    async with asyncio.TaskGroup() as group:
        if "microservices" in environment.workers:
            group.create_task(_work(server))
        if "api" in environment.workers:
            group.create_task(_serve(server))


async def _work(server: Server) -> None:
    """The places first: until they are there, an upload gets no pictures."""
    environment = server.environment
    queue = server.queues["metadataExtraction"]
    await places.ensure(server.store, queue, environment.build_data, environment.costs, server.memory)
    await Worker(server).run()


async def _serve(server: Server) -> None:
    runner = web.AppRunner(create_app(server), access_log=None)
    await runner.setup()
    host, port = server.environment.host, server.environment.port
    await web.TCPSite(runner, host, port).start()
    _log.info("Lab stand-in for Immich %s is listening on port %d", _RELEASE, port)
    await asyncio.Event().wait()  # for ever


def main() -> int:
    """The exit code: 1 where the server cannot start, or cannot go on."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # as SIGTERM does: it ends at once, and nothing is put in order
    logging.basicConfig(level=logging.INFO, format="[%(asctime)s] %(levelname)s [%(name)s] %(message)s")
    try:
        environment = read_environment(os.environ)
        _log.info("Initializing Immich %s, a stand-in for labs", _RELEASE)
        burn(environment.costs.before_database)
        asyncio.run(run(environment))
    except* StartError as group:
        for error in group.exceptions:
            _log.error("%s", error)
    return 1


if __name__ == "__main__":
    sys.exit(main())

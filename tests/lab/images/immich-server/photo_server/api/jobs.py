"""/api/jobs and /api/queues: what the worker has to do."""

from typing import Any

from aiohttp import web

from photo_server.api.access import Call, Route
from photo_server.api.bodies import Body, reply
from photo_server.errors import ApiError, invalid
from photo_server.queues import Counts, Queue

_BY_HAND = ("person-cleanup", "tag-cleanup", "user-cleanup", "memory-cleanup", "memory-create", "backup-database")
_NOT_STARTED = ("backgroundTask", "search", "notifications", "workflow", "integrityCheck", "editor")
"""Queues that are filled by what happens, and by no command."""


def _statistics(counts: Counts) -> dict[str, int]:
    waiting, paused = (0, counts.waiting) if counts.paused else (counts.waiting, 0)
    return {
        "active": counts.active,
        "completed": 0,
        "failed": counts.failed,
        "delayed": 0,
        "waiting": waiting,
        "paused": paused,
    }


async def _legacy(queue: Queue) -> dict[str, Any]:
    counts = await queue.counts()
    status = {"isActive": counts.active > 0, "isPaused": counts.paused}
    return {"jobCounts": _statistics(counts), "queueStatus": status}


async def _view(queue: Queue) -> dict[str, Any]:
    counts = await queue.counts()
    return {"name": queue.name, "isPaused": counts.paused, "statistics": _statistics(counts)}


async def legacy_list(call: Call) -> web.Response:
    """All queues by name."""
    return reply({name: await _legacy(queue) for name, queue in call.server.queues.items()})


async def legacy_command(call: Call) -> web.Response:
    """start (what is missing, or all with `force`), pause, resume, empty, clear-failed."""
    queue, body = _named(call), await Body.of(call.request)
    command = body.text("command")
    if command == "start":
        await _start(call, queue, body.flag("force"))
    elif command in ("pause", "resume"):
        await queue.pause(command == "pause")
    elif command == "empty":
        await queue.empty()
    elif command == "clear-failed":
        await queue.clear_failed()
    else:
        raise invalid("command", "Invalid option: expected one of start, pause, resume, empty, clear-failed")
    return reply(await _legacy(queue))


async def create(call: Call) -> web.Response:
    """204 for a job that is not about an asset; the dump of the database is the one that does something here."""
    name = (await Body.of(call.request)).text("name")
    if name not in _BY_HAND:
        raise invalid("name", f"Invalid option: expected one of {', '.join(_BY_HAND)}")
    if name == "backup-database":
        await call.server.queues["backupDatabase"].add([name])
    return web.Response(status=204)


async def _start(call: Call, queue: Queue, force: bool) -> None:
    """Jobs that wait are no reason to refuse; they are then there twice."""
    if queue.name in _NOT_STARTED:
        raise ApiError(400, f"Invalid job name: {queue.name}")
    if (await queue.counts()).active:
        raise ApiError(400, "Job is already running")
    if queue.name == "smartSearch":
        ids = await call.store.assets_without_embedding(force)
    elif queue.name == "thumbnailGeneration":
        ids = await call.store.assets_without_thumbnail(force)
    else:
        ids = []  # the stand-in makes nothing of these, so that nothing is missing
    await queue.add([str(asset_id) for asset_id in ids])


async def list_all(call: Call) -> web.Response:
    """All queues."""
    return reply([await _view(queue) for queue in call.server.queues.values()])


async def get(call: Call) -> web.Response:
    """One queue."""
    return reply(await _view(_named(call)))


async def update(call: Call) -> web.Response:
    """Pauses a queue or lets it go on."""
    queue, body = _named(call), await Body.of(call.request)
    paused = body.flag("isPaused", default=(await queue.counts()).paused)
    if paused and queue.name == "backgroundTask":
        raise ApiError(400, "The BackgroundTask queue cannot be paused")
    await queue.pause(paused)
    return reply(await _view(queue))


async def failures(call: Call) -> web.Response:
    """The failed jobs of a queue; other states are not listed."""
    jobs = await _named(call).failures()
    return reply(jobs)


def _named(call: Call) -> Queue:
    queue = call.server.queues.get(call.request.match_info["name"])
    if queue is None:
        raise invalid("name", f"Invalid option: expected one of {', '.join(call.server.queues)}")
    return queue


ROUTES = (
    Route("GET", "/api/jobs", legacy_list, "job.read", admin=True),
    Route("POST", "/api/jobs", create, "job.create", admin=True),
    Route("PUT", "/api/jobs/{name}", legacy_command, "job.create", admin=True),
    Route("GET", "/api/queues", list_all, "queue.read", admin=True),
    Route("GET", "/api/queues/{name}", get, "queue.read", admin=True),
    Route("PUT", "/api/queues/{name}", update, "queue.update", admin=True),
    Route("GET", "/api/queues/{name}/jobs", failures, "queueJob.read", admin=True),
)

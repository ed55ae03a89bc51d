"""/api/jobs and /api/queues: what the worker has to do."""

from typing import Any

from aiohttp import web

from photo_server.api.access import Call, Route
from photo_server.api.bodies import Body, reply
from photo_server.errors import ApiError
from photo_server.queues import WORKED, Counts, Queue


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
        raise ApiError(400, "command must be one of start, pause, resume, empty, clear-failed")
    return reply(await _legacy(queue))


async def _start(call: Call, queue: Queue, force: bool) -> None:
    counts = await queue.counts()
    if counts.active or counts.waiting:
        raise ApiError(400, "Job is already running")
    if queue.name == "smartSearch":
        ids = await call.store.assets_without_embedding(force)
    elif queue.name == "thumbnailGeneration":
        ids = await call.store.assets_without_thumbnail(force)
    elif queue.name in ("faceDetection", "ocr"):
        ids = []  # the stand-in's machine learning finds no faces and no text, so that none are missing
    else:
        raise ApiError(400, f"The stand-in works on {' and '.join(WORKED)} only")
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
    await queue.pause(body.flag("isPaused"))
    return reply(await _view(queue))


async def failures(call: Call) -> web.Response:
    """The failed jobs of a queue; other states are not listed."""
    jobs = await _named(call).failures()
    return reply(jobs)


def _named(call: Call) -> Queue:
    queue = call.server.queues.get(call.request.match_info["name"])
    if queue is None:
        raise ApiError(400, "name must be the name of a queue")
    return queue


ROUTES = (
    Route("GET", "/api/jobs", legacy_list, "job.read", admin=True),
    Route("PUT", "/api/jobs/{name}", legacy_command, "job.create", admin=True),
    Route("GET", "/api/queues", list_all, "queue.read", admin=True),
    Route("GET", "/api/queues/{name}", get, "queue.read", admin=True),
    Route("PUT", "/api/queues/{name}", update, "queue.update", admin=True),
    Route("GET", "/api/queues/{name}/jobs", failures, "queueJob.read", admin=True),
)

"""The HTTP service. One log line for each prediction says what was asked, and nothing of the content."""

import asyncio
import json
import logging
import os
import tempfile
import time
from collections.abc import Callable
from typing import Any

from aiohttp import web
from PIL import UnidentifiedImageError

from immich_ml import embedding
from immich_ml.models import Models
from immich_ml.request import BadEntries, Task, parse_entries

_log = logging.getLogger("machine_learning")
_MAX_BODY = 64 * 1024 * 1024
_WORKER = asyncio.Lock()
"""One prediction at a time, as one worker of the real service has the processors to itself."""
_MODELS = Models()
_SECONDS = float(os.environ.get("STAND_IN_SECONDS", "0"))
"""How long a prediction takes at least, as a model would."""
_IDLE = {"none": 0, "real": 220}[os.environ.get("STAND_IN_COSTS") or "none"]
_BALLAST = bytearray(b"\1") * (_IDLE * 1024**2)
"""With what this process has itself, the 240 MiB of the real one before its first model."""


async def root(_request: web.Request) -> web.Response:
    """GET /."""
    return web.json_response({"message": "Immich ML"})


async def ping(_request: web.Request) -> web.Response:
    """GET /ping, the sign of life that Immich asks for every 30 seconds."""
    return web.Response(text="pong")


async def predict(request: web.Request) -> web.Response:
    """POST /predict: multipart with `entries` and either `image` or `text`."""
    began = time.monotonic()
    try:
        form = await request.post()
    except ValueError:
        return web.json_response({"detail": "There was an error parsing the body"}, status=400)
    entries, image, text = form.get("entries"), form.get("image"), form.get("text")
    if not isinstance(entries, str):
        return web.json_response({"detail": "Field required: entries"}, status=422)
    try:
        tasks = parse_entries(entries)
    except BadEntries as error:
        return web.json_response({"detail": str(error)}, status=422)
    if isinstance(image, web.FileField):
        data = image.file.read()
        answer = await _worked(_picture_answers, tasks, data)
    elif isinstance(text, str):
        data = text.encode()
        answer = await _worked(_text_answers, tasks, text)
    else:
        return web.json_response({"detail": "Either image or text must be provided"}, status=400)
    _log.info(
        "predict tasks=%s peer=%s bytes=%d milliseconds=%d",
        ",".join(f"{task.name}.{kind}" for task in tasks for kind in task.models),
        request.remote,
        len(data),
        (time.monotonic() - began) * 1000,
    )
    return web.json_response(answer)


async def _worked(answers: Callable[[list[Task], Any], dict[str, Any]], tasks: list[Task], of: Any) -> dict[str, Any]:
    """The answers, when the worker is free, in the order in which they are asked for."""
    async with _WORKER:
        await asyncio.sleep(_SECONDS)
        return await asyncio.to_thread(_answer, answers, tasks, of)


def _answer(answers: Callable[[list[Task], Any], dict[str, Any]], tasks: list[Task], of: Any) -> dict[str, Any]:
    for task in tasks:
        for kind, name in task.models.items():
            _MODELS.predict(task.name, kind, name, task.options[kind])
    return answers(tasks, of)


def _picture_answers(tasks: list[Task], data: bytes) -> dict[str, Any]:
    vector, height, width = embedding.picture(data)
    answer: dict[str, Any] = {"imageHeight": height, "imageWidth": width}
    for task in tasks:
        if task.name == "clip":
            answer["clip"] = json.dumps(vector)
        elif task.name == "facial-recognition":
            answer["facial-recognition"] = []
        else:
            answer["ocr"] = {"text": [], "box": [], "boxScore": [], "textScore": []}
    return answer


def _text_answers(tasks: list[Task], text: str) -> dict[str, Any]:
    return {task.name: json.dumps(embedding.words(text)) for task in tasks}


async def _errors(request: web.Request, handler: Any) -> web.StreamResponse:
    """Turns what nobody expected into a 500 with a reason in the log: a broken picture, or a model that is none."""
    try:
        response: web.StreamResponse = await handler(request)
    except (AttributeError, OSError, RuntimeError, TypeError, UnidentifiedImageError, ValueError) as error:
        _log.error("%s %s: %s: %s", request.method, request.path, type(error).__name__, error)
        return web.Response(status=500, text="Internal Server Error")
    return response


def application() -> web.Application:
    """The service with its routes."""
    app = web.Application(client_max_size=_MAX_BODY, middlewares=[web.middleware(_errors)])
    app.router.add_get("/", root)
    app.router.add_get("/ping", ping)
    app.router.add_post("/predict", predict)
    return app


def main() -> None:
    """Serves until SIGTERM. Raises OSError without a folder for temporary files or a model that it should load first.

    The real one ends in both cases as well.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    _MODELS.preload(dict(os.environ))
    host = os.environ.get("IMMICH_HOST", "[::]").strip("[]")
    port = int(os.environ.get("IMMICH_PORT", "3003"))
    _log.info("listening on port %d", port)
    with tempfile.TemporaryFile():
        web.run_app(
            application(),
            host=None if host == "::" else host,
            port=port,
            access_log=None,
            print=None,
            shutdown_timeout=2,
        )


if __name__ == "__main__":
    main()

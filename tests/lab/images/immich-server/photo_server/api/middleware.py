"""Around each request: a correlation id, errors as JSON, and a line in the log."""

import logging
import time
from collections.abc import Awaitable, Callable
from uuid import uuid4

from aiohttp import web

from photo_server.api.bodies import reply
from photo_server.errors import ApiError
from photo_server.proxies import client_address
from photo_server.server import SERVER

_log = logging.getLogger("photo_server.http")
_Next = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def handle(request: web.Request, handler: _Next) -> web.StreamResponse:
    """The one middleware."""
    began = time.monotonic()
    request["correlation"] = uuid4().hex[:8]
    response = await _answer(request, handler)
    response.headers["X-Correlation-ID"] = request["correlation"]  # a file's first byte leaves after this
    if request.path != "/api/server/ping":  # a probe each minute would bury the rest
        _log.info(
            "%s %s %d %d ms from %s (%s)",
            request.method,
            request.path,
            response.status,
            (time.monotonic() - began) * 1000,
            client_address(
                request.remote or "",
                request.headers.get("X-Forwarded-For", ""),
                request.app[SERVER].environment.trusted_proxies,
            ),
            request["correlation"],
        )
    return response


async def _answer(request: web.Request, handler: _Next) -> web.StreamResponse:
    try:
        return await handler(request)
    except ApiError as error:
        return reply(error.body, status=error.status)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        message = f"Cannot {request.method} {request.path}" if error.status in (404, 405) else error.reason
        return reply({"message": message}, status=404 if error.status == 405 else error.status)
    except ConnectionResetError:
        raise
    except Exception:  # a full disk, a database that went away: the log has the reason, the caller has not
        _log.exception("%s %s failed (%s)", request.method, request.path, request["correlation"])
        return reply({"message": "Internal server error"}, status=500)

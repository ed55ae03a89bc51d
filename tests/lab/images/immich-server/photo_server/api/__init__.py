"""The HTTP API of Immich, as far as the lab needs it."""

from aiohttp import web

from photo_server.api import albums, assets, auth, info, jobs, middleware, upload, users
from photo_server.server import SERVER, Server

_MOST_JSON = 10 * 1024 * 1024
"""Bytes of a JSON body; uploads have no limit."""


def create_app(server: Server) -> web.Application:
    """The application with all routes."""
    app = web.Application(client_max_size=_MOST_JSON, middlewares=[web.middleware(middleware.handle)])
    app[SERVER] = server
    for routes in (info, auth, users, upload, assets, albums, jobs):
        for route in routes.ROUTES:
            app.router.add_route(route.method, route.path, route.answer)
    return app

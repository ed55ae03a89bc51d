"""The website: one page with a form, for customers with a link.

Traefik adds the tenant and its language to the path, so a client cannot choose them.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import http
import logging
import time
import typing as t
import urllib.parse
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
from aiohttp import web
from ansible_collections.swissphoto.silo.plugins.module_utils.common.source_limits import Limiter, source_of

from .pages import Pages, PageSettings, mistakes_in
from .photo_server import PhotoServer, Unavailable
from .tickets import Ticket, Tickets

_log = logging.getLogger(__name__)

PATH = "/{tenant}/{language}/silo/welcome/{token:.*}"
MOST_FORM_BYTES = 4096
SWEEP_SECONDS = 600


class Website:
    """The handlers. `clock` gives seconds since 1970."""

    def __init__(self, settings: PageSettings, clock: Callable[[], float] = time.time) -> None:
        """Keep the settings and the clock."""
        self._pages = Pages(settings)
        self._languages = list(settings.texts)
        self._tickets = Tickets(Path(settings.tickets_directory))
        self._limiter = Limiter(settings.requests_per_minute)
        self._busy: collections.defaultdict[str, asyncio.Lock] = collections.defaultdict(asyncio.Lock)
        self._clock = clock

    def application(self) -> web.Application:
        """Return the application with its routes, its HTTP client and its cleanup task."""
        app = web.Application(client_max_size=MOST_FORM_BYTES, middlewares=[self._guard])
        app.router.add_get(PATH, self._show)
        app.router.add_post(PATH, self._set)
        app.cleanup_ctx.append(self._client)
        app.cleanup_ctx.append(self._sweeper)
        return app

    async def _client(self, _app: web.Application) -> AsyncIterator[None]:
        # A small body may become a large one, so none is unpacked.
        # No cookies, because sessions belong to one tenant; no proxy, because the photo servers are on local bridges.
        async with aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(), trust_env=False, auto_decompress=False
        ) as self._session:
            yield

    async def _sweeper(self, _app: web.Application) -> AsyncIterator[None]:
        async def sweep() -> None:
            while True:
                try:
                    self._tickets.remove_expired(self._clock())
                except OSError as error:
                    _log.error("expired tickets cannot be removed: %s", error.strerror)
                await asyncio.sleep(SWEEP_SECONDS)

        task = asyncio.create_task(sweep())
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: t.Callable[[web.Request], t.Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Limit and handle a request, and add the headers; the log never has the path, which contains the token."""
        source = source_of(request.headers.get("X-Forwarded-For", ""))
        try:
            if self._limiter.allows(source, request.path.split("/")[1]):
                response = await handler(request)
            else:
                response = self._answer(request, http.HTTPStatus.TOO_MANY_REQUESTS, "limited")
                response.headers["Retry-After"] = "60"
        except web.HTTPException as error:
            response = self._answer(request, http.HTTPStatus(error.status), "ended")
        except Exception as error:
            line = error.__traceback__.tb_lineno if error.__traceback__ else 0
            _log.error("a request failed with %s (line %d)", type(error).__name__, line)
            response = self._answer(request, http.HTTPStatus.INTERNAL_SERVER_ERROR, "failed")
        response.headers.update(self._pages.headers)
        return response

    def _language(self, request: web.Request) -> str:
        for language in (request.query.get("language"), request.match_info.get("language")):
            if language in self._languages:
                return language
        return self._languages[0]

    def _answer(self, request: web.Request, status: http.HTTPStatus, name: str, **shown: t.Any) -> web.Response:
        language = self._language(request)
        page = self._pages.render(language, name, **shown)
        headers = {"Content-Language": language}
        return web.Response(text=page, status=status, content_type="text/html", headers=headers)

    def _ended(self, request: web.Request) -> web.Response:
        """Answer for a link that is unknown, used or expired, without saying which."""
        return self._answer(request, http.HTTPStatus.NOT_FOUND, "ended")

    def _ticket(self, request: web.Request) -> Ticket | None:
        tenant, token = request.match_info["tenant"], request.match_info["token"]
        ticket = self._tickets.find(tenant, token, self._clock())
        host_name = (request.host or "").rsplit(":", 1)[0].lower()
        return ticket if ticket and ticket.host_name == host_name else None

    async def _show(self, request: web.Request) -> web.Response:
        """Show the form any number of times, because mail filters open links."""
        ticket = self._ticket(request)
        if ticket is None:
            return self._ended(request)
        return self._answer(request, http.HTTPStatus.OK, "form", email=ticket.email)

    async def _set(self, request: web.Request) -> web.Response:
        """Set the password. Of several simultaneous requests, one succeeds, and the others find a used link."""
        ticket = self._ticket(request)
        if ticket is None:
            return self._ended(request)
        try:
            password, repeated = await _form(request)
        except (ValueError, web.HTTPRequestEntityTooLarge):
            return self._refused(request, ticket, "unreadable")
        if mistakes := mistakes_in(password, repeated):
            return self._refused(request, ticket, *mistakes)
        async with self._busy[ticket.tenant]:
            # Meanwhile, another request may have used the link, or the operator may have issued a new one.
            ticket = self._ticket(request)
            return await self._use(request, ticket, password) if ticket else self._ended(request)

    def _refused(self, request: web.Request, ticket: Ticket, *mistakes: str) -> web.Response:
        status = http.HTTPStatus.UNPROCESSABLE_ENTITY
        return self._answer(request, status, "form", email=ticket.email, mistakes=mistakes)

    async def _use(self, request: web.Request, ticket: Ticket, password: str) -> web.Response:
        # After an interruption between the two steps, the ticket has an old password. If the customer sends the form
        # again, `replace` finds that the new one is set.
        server = PhotoServer(self._session, ticket.photo_server)
        try:
            done = await server.set_password(ticket.email, ticket.password(request.match_info["token"]), password)
        except Unavailable as error:
            _log.warning("%s: the password cannot be set now: %s", ticket.tenant, error)
            status = http.HTTPStatus.SERVICE_UNAVAILABLE
            return self._answer(request, status, "form", email=ticket.email, mistakes=["unavailable"])
        self._tickets.remove(ticket)
        if not done:
            _log.warning("%s: a link was used whose password is not valid any more", ticket.tenant)
            return self._ended(request)
        _log.info("%s: the customer has set a password", ticket.tenant)
        return self._answer(request, http.HTTPStatus.OK, "done", email=ticket.email, host_name=ticket.host_name)


async def _form(request: web.Request) -> tuple[str, str]:
    """Return the two fields; raises ValueError or HTTPRequestEntityTooLarge for another form."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise ValueError("another type")
    body = (await request.read()).decode("ascii")
    fields = urllib.parse.parse_qs(body, keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=2)
    (password,), (repeated,) = fields.get("password", []), fields.get("repeated", [])
    return password, repeated

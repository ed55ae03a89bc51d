"""The server: reads a request of a tenant, lets the machine learning answer what may pass, and counts all of it."""

from __future__ import annotations

import asyncio
import contextlib
import http
import re
from collections.abc import Awaitable, Callable

from ansible_collections.swissphoto.silo.plugins.module_utils.common import names

from . import form, http1, pictures, prediction
from .answers import Answer, Refusal, unprocessable
from .counts import Counts
from .http1 import Head
from .room import Room
from .service import Service
from .settings import GateSettings

MOST_CONNECTIONS = 512
PATH = re.compile(rf"/({names.TENANT})(/.*)")
PONG = Answer(http.HTTPStatus.OK, b"pong", "text/plain; charset=utf-8")
AWAY = Refusal(http.HTTPStatus.SERVICE_UNAVAILABLE, "the machine learning does not answer", "failed")
METRICS_KIND = "text/plain; version=0.0.4; charset=utf-8"

Connected = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
# What the stack holds is given back when the answer is sent.
Handler = Callable[[Head, asyncio.StreamReader, asyncio.StreamWriter, contextlib.ExitStack], Awaitable[Answer]]


class Gate:
    """The gate for all tenants of a server."""

    def __init__(
        self, settings: GateSettings, counts: Counts | None = None, idle_seconds: float = http1.IDLE_SECONDS
    ) -> None:
        """Begin without requests."""
        self._settings, self._bounds = settings, settings.bounds
        self._counts, self._idle = counts or Counts(), idle_seconds
        self._service = Service(settings.url, settings.bounds)
        self._room = Room(settings.bounds)
        self._connections = 0
        self._servers: list[asyncio.Server] = []

    async def start(self) -> list[int]:
        """Listen, for Traefik and for this server alone; return the ports."""
        for port, handler in ((self._settings.port, self._of_tenant), (self._settings.local_port, self._of_server)):
            serve = self._serving(handler)
            self._servers.append(
                await asyncio.start_server(serve, self._settings.address, port, limit=http1.LARGEST_HEAD, backlog=256)
            )
        return [server.sockets[0].getsockname()[1] for server in self._servers]

    async def stop(self, seconds: float) -> None:
        """Take no more connections, and give what is under way some time."""
        for server in self._servers:
            server.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._room.requests:
                    await asyncio.sleep(0.1)
        self._service.close()

    def _serving(self, handler: Handler) -> Connected:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._connections += 1
            # An answer is sent when the client has all of it; what is left at a close would wait for ever.
            writer.transport.set_write_buffer_limits(high=0)
            try:
                if self._connections <= MOST_CONNECTIONS:
                    await self._converse(handler, reader, writer)
            except (OSError, TimeoutError):
                # The client is gone, or takes nothing; its request was counted.
                writer.transport.abort()
            finally:
                self._connections -= 1
                writer.close()

        return serve

    async def _converse(self, handler: Handler, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            with contextlib.ExitStack() as stack:
                try:
                    head = await http1.read_head(reader, self._bounds.head_seconds, self._idle)
                    if head is None:
                        return
                    answer = await handler(head, reader, writer, stack)
                except Refusal as error:
                    answer, head = error.answer(whole_request=False), None
                keeps_alive = head is not None and head.keeps_alive and answer.whole_request
                await http1.send(answer, writer, keeps_alive=keeps_alive)
            if not answer.whole_request:
                await http1.linger(reader, writer)
            if not keeps_alive:
                return

    async def _of_tenant(
        self, head: Head, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, stack: contextlib.ExitStack
    ) -> Answer:
        found = PATH.fullmatch(head.target)
        if found is None:
            raise Refusal(http.HTTPStatus.NOT_FOUND, "there is no such path")
        tenant, path = found.groups()
        body: bytearray | None = None
        try:
            if path == "/ping" and head.method == "GET" and head.size == 0:
                return PONG if await self._service.works() else AWAY.answer(whole_request=True)
            self._check_path(head, path)
            mark = form.boundary(head.headers.get("content-type", ""))
            size = self._bounds.body if head.size is None else head.size
            if size > self._bounds.body:
                raise http1.too_large(self._bounds)
            stack.enter_context(self._room.taken(tenant, size))
            body = await http1.read_body(head, reader, writer, self._bounds)
            kind, content = self._checked(body, mark)
            body = bytearray()  # the copy in the new form is the only one from here on
            answer = await self._service.predict(kind, content)
        except Refusal as error:
            self._counts.add(tenant, error.outcome, str(error))
            return error.answer(whole_request=body is not None)
        except Exception as error:
            # Nothing of the request is in the line.
            line = error.__traceback__.tb_lineno if error.__traceback__ else 0
            self._counts.add(tenant, "failed", f"{type(error).__name__} in line {line} of the gate")
            why = Refusal(http.HTTPStatus.INTERNAL_SERVER_ERROR, "the gate failed", "failed")
            return why.answer(whole_request=False)
        self._counts.add(tenant, "answered")
        return answer

    def _check_path(self, head: Head, path: str) -> None:
        if path != "/predict":
            raise Refusal(http.HTTPStatus.NOT_FOUND, "there is no such path; known are /ping and /predict")
        if head.method != "POST":
            raise Refusal(http.HTTPStatus.METHOD_NOT_ALLOWED, "a prediction is asked for by POST")

    def _checked(self, body: bytearray, mark: bytes) -> tuple[str, bytes]:
        """Return the form that may pass, with its Content-Type; raises Refusal."""
        fields = form.parse(body, mark)
        if "entries" not in fields or len(fields) != 2:
            raise unprocessable("the form must have entries, and either image or text")
        asked = prediction.parse(bytes(fields["entries"]), self._settings.models)
        if asked.content not in fields:
            raise unprocessable(f"the form must have {asked.content} for what entries asks")
        content = fields[asked.content]
        if asked.content == "image":
            pictures.check(content, self._bounds.pixels)
        else:
            _check_text(content, self._bounds.text)
        return form.write(asked.entries, asked.content, content)

    async def _of_server(
        self, head: Head, _reader: asyncio.StreamReader, _writer: asyncio.StreamWriter, _stack: contextlib.ExitStack
    ) -> Answer:
        if head.method == "GET" and head.size == 0:
            if head.target == "/ping":
                return PONG if await self._service.works() else AWAY.answer(whole_request=True)
            if head.target == "/metrics":
                lines = self._counts.lines(self._room.requests, self._room.held)
                return Answer(http.HTTPStatus.OK, "".join(f"{line}\n" for line in lines).encode(), METRICS_KIND)
        raise Refusal(http.HTTPStatus.NOT_FOUND, "there is no such path; known are /ping and /metrics")


def _check_text(content: memoryview, most: int) -> None:
    if len(content) > most:
        raise unprocessable(f"text: it has {len(content)} bytes; it must have at most {most}")
    try:
        str(content, "utf-8")
    except UnicodeDecodeError:
        raise unprocessable("text: it is not UTF-8") from None

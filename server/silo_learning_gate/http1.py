"""HTTP/1.1 of a client that may be hostile: strict, and bounded in size and time."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import http
import re
from collections.abc import AsyncIterator, Mapping

from .answers import Answer, Refusal
from .settings import Bounds

# Traefik takes 16 KiB, and adds a few lines.
LARGEST_HEAD = 32 * 1024
MOST_HEADERS = 100
BLOCK = 64 * 1024
# Longer than Traefik keeps a connection that nobody uses, so that it never sends into one that ends.
IDLE_SECONDS = 120.0
# For a client that still sends when it is refused: its answer would be lost with the connection.
LINGER_SECONDS = 2.0
WRITE_SECONDS = 30.0
END = b"\r\n\r\n"
_LINE = re.compile(r"([A-Z]{1,16}) (/[!-~]{0,8000}) HTTP/1\.([01])")
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00\r\n]*?)[ \t]*")
_SIZE = re.compile(r"[0-9]{1,12}")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,7})\r\n")
# Sent twice, they may mean one thing to one program and another to the next.
SINGLE = frozenset({"content-length", "content-type", "transfer-encoding", "host"})


@dataclasses.dataclass(frozen=True)
class Head:
    """The head of a request; `headers` have small letters."""

    method: str
    target: str
    headers: Mapping[str, str]
    keeps_alive: bool

    @property
    def size(self) -> int | None:
        """The length of the body; None if it comes in chunks."""
        return None if "transfer-encoding" in self.headers else int(self.headers.get("content-length", "0"))


def _bad(why: str, status: http.HTTPStatus = http.HTTPStatus.BAD_REQUEST) -> Refusal:
    return Refusal(status, why)


async def read_head(reader: asyncio.StreamReader, seconds: float, idle_seconds: float = IDLE_SECONDS) -> Head | None:
    """Return the next request's head; None if none comes any more. Raises Refusal."""
    try:
        async with asyncio.timeout(idle_seconds):
            begin = await reader.read(1)
    except TimeoutError:
        return None
    if not begin:
        return None
    try:
        async with asyncio.timeout(seconds):
            text = begin + await reader.readuntil(END)
    except TimeoutError:
        raise Refusal(http.HTTPStatus.REQUEST_TIMEOUT, f"the head did not come within {seconds:g} s", "slow") from None
    except asyncio.LimitOverrunError:
        status = http.HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        raise _bad(f"the head has more than {LARGEST_HEAD} bytes", status) from None
    except asyncio.IncompleteReadError:
        return None
    return parse_head(text)


def parse_head(text: bytes) -> Head:
    """Return the head of a request; raises Refusal."""
    first, *lines = text.removesuffix(END).decode("latin-1").split("\r\n")
    request = _LINE.fullmatch(first)
    if request is None:
        raise _bad("the first line is not that of a request of HTTP/1.1")
    if len(lines) > MOST_HEADERS:
        raise _bad(f"there are more than {MOST_HEADERS} headers", http.HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
    headers: dict[str, str] = {}
    for line in lines:
        found = _HEADER.fullmatch(line)
        if found is None:
            raise _bad("a header is not one of HTTP/1.1")
        name = found[1].lower()
        if name in SINGLE and name in headers:
            raise _bad(f"the header {name} comes twice")
        headers[name] = found[2]
    coding, size = headers.get("transfer-encoding"), headers.get("content-length")
    if coding is not None and (size is not None or coding.lower() != "chunked" or request[3] == "0"):
        raise _bad("the length of the body is not clear: it must be Content-Length or chunks")
    if size is not None and not _SIZE.fullmatch(size):
        raise _bad("Content-Length is not a number")
    keeps_alive = request[3] == "1" and "close" not in headers.get("connection", "").lower()
    return Head(request[1], request[2], headers, keeps_alive)


async def read_body(
    head: Head, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, bounds: Bounds
) -> bytearray:
    """Return the body of a request; raises Refusal for one that is too large or too slow or has no end."""
    if head.headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = bytearray()
    try:
        async with asyncio.timeout(bounds.body_seconds):
            async for part in _parts(head.size, reader):
                if len(body) + len(part) > bounds.body:
                    raise too_large(bounds)
                body += part
    except TimeoutError:
        why = f"the body did not come within {bounds.body_seconds:g} s"
        raise Refusal(http.HTTPStatus.REQUEST_TIMEOUT, why, "slow") from None
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
        raise _bad("the body has no right end") from None
    return body


def too_large(bounds: Bounds) -> Refusal:
    """Return the refusal of a body that is too large."""
    why = f"the body has more than {bounds.body} bytes"
    return _bad(why, http.HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


async def _parts(size: int | None, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    if size is not None:
        async for part in _exactly(size, reader):
            yield part
        return
    while True:
        line = _CHUNK.fullmatch(await reader.readuntil(b"\r\n"))
        if line is None:
            raise ValueError("no size of a chunk")
        size = int(line[1], 16)
        async for part in _exactly(size, reader):
            yield part
        if await reader.readexactly(2) != b"\r\n":
            raise ValueError("no end of a chunk, or headers after the last")
        if not size:
            return


async def _exactly(size: int, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while size:
        part = await reader.read(min(BLOCK, size))
        if not part:
            raise asyncio.IncompleteReadError(b"", size)
        size -= len(part)
        yield part


async def send(answer: Answer, writer: asyncio.StreamWriter, *, keeps_alive: bool) -> None:
    """Send an answer; raises OSError, and TimeoutError for a client that does not take it."""
    headers = [
        f"HTTP/1.1 {answer.status} {answer.status.phrase}",
        f"Content-Type: {answer.kind}",
        f"Content-Length: {len(answer.body)}",
        f"Connection: {'keep-alive' if keeps_alive else 'close'}",
    ]
    if answer.status in (http.HTTPStatus.TOO_MANY_REQUESTS, http.HTTPStatus.SERVICE_UNAVAILABLE):
        headers.append("Retry-After: 5")
    async with asyncio.timeout(WRITE_SECONDS):
        writer.write("\r\n".join([*headers, "", ""]).encode())
        writer.write(answer.body)
        await writer.drain()


async def linger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """End a connection whose client may still be sending, without keeping what it sends."""
    with contextlib.suppress(OSError, TimeoutError):
        writer.write_eof()
        async with asyncio.timeout(LINGER_SECONDS):
            while await reader.read(BLOCK):
                pass

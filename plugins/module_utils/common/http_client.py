# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one way to send an HTTP request to somebody who may be hostile: it ends in time, and reads no more than allowed.

The time is that of the whole exchange, from the connection to the last byte, however slowly these come. Bodies that are
compressed are refused, redirects are followed only where the caller allows it, and every connection is closed.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import functools
import http.client
import io
import socket
import ssl
import time
import typing as t
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from . import bounded_json
from .text import printable

SECONDS = 30.0
LARGEST = 64 * 1024
HEAD_BYTES = 64 * 1024
"""The limit of the lines before a body, of all of them together."""
REDIRECTS = (301, 302, 303, 307, 308)
BLOCK = 64 * 1024
PORTS = {"http": 80, "https": 443}


class HttpError(Exception):
    """There is no whole answer; the text says why, in one printable line. Its cause is the error below."""


@dataclasses.dataclass(frozen=True)
class Route:
    """How a server is reached.

    That is the host of the URL, or `address`, or the socket at the path `unix`. `tls` is the context for https; the
    default trusts the system's authorities. `proxies`: whether the environment's variables may name a proxy.
    """

    address: tuple[str, int] | None = None
    unix: str = ""
    tls: ssl.SSLContext | None = None
    proxies: bool = False


DIRECT = Route()


@dataclasses.dataclass(frozen=True)
class Answer:
    """An answer. `headers` have small letters; `whole` tells whether `body` is all of it, or its beginning.

    `certificate` is the server's, in DER; empty without TLS.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    whole: bool = True
    certificate: bytes = b""

    @property
    def text(self) -> str:
        """The body as text; what is no UTF-8 is replaced."""
        return self.body.decode(errors="replace")

    def json(self) -> t.Any:
        """Return the value of the body; raises JsonError."""
        if not self.whole:
            raise bounded_json.JsonError(f"it has more than {len(self.body)} bytes")
        return bounded_json.parse(self.body)


class Stream:
    """An answer whose body is read in parts; all methods raise HttpError."""

    def __init__(self, response: http.client.HTTPResponse, certificate: bytes, seconds: float) -> None:
        """Take an answer whose head is read."""
        self._response, self._seconds = response, seconds
        self.status, self.certificate = response.status, certificate
        self.headers = {name.lower(): value for name, value in response.getheaders()}

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes of the body; fewer at its end."""
        with _told(self._seconds):
            body = self._response.read(size)
            if len(body) < size and self._response.length:
                raise http.client.IncompleteRead(body, self._response.length)
            return body

    def lines(self, longest: int) -> Iterator[bytes]:
        """Yield the lines of the body with their ends; one that is longer comes in parts."""
        while True:
            with _told(self._seconds):
                line = self._response.readline(longest)
            if not line:
                return
            yield line


def ask(
    url: str,
    *,
    method: str = "GET",
    body: bytes | None = None,
    headers: Mapping[str, str] = MappingProxyType({}),
    seconds: float = SECONDS,
    largest: int = LARGEST,
    redirects: int = 0,
    route: Route = DIRECT,
) -> Answer:
    """Return the answer with at most `largest` bytes of its body, within `seconds`; raises HttpError.

    A GET follows at most `redirects` redirects, from https to https alone, and takes no Authorization to another host.
    """
    clock = _Clock(seconds)
    while True:
        with _opened(url, method, body, headers, clock, largest, route) as stream:
            followed = stream.headers.get("location", "") if stream.status in REDIRECTS else ""
            if not (followed and redirects and method == "GET"):
                content = stream.read(largest + 1)
                whole = len(content) <= largest
                return Answer(stream.status, stream.headers, content[:largest], whole, stream.certificate)
        url, headers = _follow(url, followed, headers)
        redirects -= 1


@contextlib.contextmanager
def opened(
    url: str,
    *,
    headers: Mapping[str, str] = MappingProxyType({}),
    seconds: float = SECONDS,
    largest: int = LARGEST,
    route: Route = DIRECT,
) -> Iterator[Stream]:
    """Yield the answer to a GET, whose body the block reads; it has `seconds`, and gets about `largest` bytes."""
    with _opened(url, "GET", None, headers, _Clock(seconds), largest, route) as stream:
        yield stream


def certificate(host_name: str, address: tuple[str, int], context: ssl.SSLContext, seconds: float) -> bytes:
    """Return the certificate, in DER, with which a server answers for `host_name`; raises OSError."""
    clock = _Clock(seconds)
    with _dial(address, clock) as channel, _wrapped(channel, host_name, context, clock) as secure:
        return secure.getpeercert(binary_form=True) or b""


class _Clock:
    """The time that is left of an exchange."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self._end = seconds, time.monotonic() + seconds

    def left(self) -> float:
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        return left


class _Wire(io.RawIOBase):
    """A connection as http.client uses it; each step has the time that is left, and `budget` bytes may still come."""

    def __init__(self, channel: socket.socket, clock: _Clock) -> None:
        super().__init__()
        self._channel, self._clock = channel, clock
        self.budget = HEAD_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: t.Any) -> int:
        if self.budget <= 0:
            raise http.client.HTTPException("it sends more than is taken")
        self._channel.settimeout(self._clock.left())
        count = self._channel.recv_into(buffer, min(len(buffer), self.budget))
        self.budget -= count
        return count

    def sendall(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            self._channel.settimeout(self._clock.left())
            rest = rest[self._channel.send(rest) :]

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def close(self) -> None:
        """Do nothing: who opened the connection closes it."""


class _Connection(http.client.HTTPConnection):
    """HTTP over a connection that is open already."""

    auto_open = 0

    def __init__(self, wire: _Wire, scheme: str, host: str, port: int) -> None:
        super().__init__(host, port)
        # Without it, the header Host would have the port of https.
        self.default_port = PORTS[scheme]
        self.sock = t.cast("socket.socket", wire)


@contextlib.contextmanager
def _told(seconds: float) -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise HttpError(f"timed out: there was no whole answer within {seconds:g} s") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise HttpError(printable(str(reason))) from error


@contextlib.contextmanager
def _opened(
    url: str,
    method: str,
    body: bytes | None,
    headers: Mapping[str, str],
    clock: _Clock,
    largest: int,
    route: Route,
) -> Iterator[Stream]:
    with contextlib.ExitStack() as stack:
        with _told(clock.seconds):
            parts = urllib.parse.urlsplit(url)
            scheme, host = parts.scheme, parts.hostname or ""
            if scheme not in PORTS or not host:
                raise ValueError(f"{url} is no address of HTTP")
            port = parts.port or PORTS[scheme]
            proxy = _proxy(scheme, host) if route.proxies else None
            channel = stack.enter_context(_connected(route, proxy, (host, port), clock))
            found = b""
            if scheme == "https":
                if proxy:
                    _tunnel(_Wire(channel, clock), host, port, _proxy_headers(proxy))
                secure = stack.enter_context(_wrapped(channel, host, route.tls or _trusting(), clock))
                found, channel = secure.getpeercert(binary_form=True) or b"", secure
            wire = _Wire(channel, clock)
            connection = _Connection(wire, scheme, host, port)
            target = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
            given = {**headers, "Connection": "close"}
            if proxy and scheme == "http":
                target, given = url.partition("#")[0], {**given, **_proxy_headers(proxy)}
            connection.request(method, target, body, given)
            response = stack.enter_context(contextlib.closing(connection.getresponse()))
            if response.getheader("Content-Encoding", "identity").strip().lower() not in ("identity", ""):
                raise http.client.HTTPException("it sends a compressed body, which was not asked for")
            # A chunk has a head of its own; chunks of a few bytes are still taken.
            wire.budget = 2 * largest + HEAD_BYTES
        yield Stream(response, found, clock.seconds)


def _connected(
    route: Route, proxy: urllib.parse.SplitResult | None, place: tuple[str, int], clock: _Clock
) -> socket.socket:
    if route.unix:
        channel = socket.socket(socket.AF_UNIX)
        try:
            channel.settimeout(clock.left())
            channel.connect(route.unix)
        except BaseException:
            channel.close()
            raise
        return channel
    if proxy:
        return _dial((str(proxy.hostname), proxy.port or PORTS["http"]), clock)
    return _dial(route.address or place, clock)


def _dial(place: tuple[str, int], clock: _Clock) -> socket.socket:
    """Connect to the first address of a host that answers; all of them share the time."""
    problem: OSError = OSError(f"{place[0]} has no address")
    for family, kind, protocol, _name, at in socket.getaddrinfo(*place, type=socket.SOCK_STREAM):
        channel = socket.socket(family, kind, protocol)
        try:
            channel.settimeout(clock.left())
            channel.connect(at)
        except OSError as error:
            channel.close()
            problem = error
        except BaseException:
            channel.close()
            raise
        else:
            return channel
    raise problem


def _wrapped(channel: socket.socket, host_name: str, context: ssl.SSLContext, clock: _Clock) -> ssl.SSLSocket:
    # The handshake as a whole has this time.
    channel.settimeout(clock.left())
    return context.wrap_socket(channel, server_hostname=host_name)


@functools.lru_cache(maxsize=1)
def _trusting() -> ssl.SSLContext:
    return ssl.create_default_context()


def _proxy(scheme: str, host: str) -> urllib.parse.SplitResult | None:
    named = urllib.request.getproxies().get(scheme, "")
    if not named or urllib.request.proxy_bypass(host):
        return None
    return urllib.parse.urlsplit(named if "//" in named else f"http://{named}")


def _proxy_headers(proxy: urllib.parse.SplitResult) -> dict[str, str]:
    if not proxy.username:
        return {}
    words = f"{urllib.parse.unquote(proxy.username)}:{urllib.parse.unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(words.encode()).decode()}"}


def _tunnel(wire: _Wire, host: str, port: int, headers: Mapping[str, str]) -> None:
    """Have a proxy connect to a host."""
    lines = [f"CONNECT {host}:{port} HTTP/1.1", f"Host: {host}:{port}", *(f"{key}: {headers[key]}" for key in headers)]
    wire.sendall("\r\n".join([*lines, "", ""]).encode())
    with contextlib.closing(http.client.HTTPResponse(t.cast("socket.socket", wire), method="CONNECT")) as response:
        response.begin()
        if response.status != http.client.OK:
            raise http.client.HTTPException(f"the proxy answers {response.status}")


def _follow(url: str, place: str, headers: Mapping[str, str]) -> tuple[str, Mapping[str, str]]:
    """Return where a redirect leads, and the headers that may go there."""
    with _told(0):
        there = urllib.parse.urljoin(url, place)
        before, after = urllib.parse.urlsplit(url), urllib.parse.urlsplit(there)
        if after.scheme not in PORTS or (before.scheme == "https" and after.scheme != "https"):
            raise ValueError(f"it redirects to {place}, which is not https")
    if (before.scheme, before.netloc) == (after.scheme, after.netloc):
        return there, headers
    return there, {name: value for name, value in headers.items() if name.lower() != "authorization"}

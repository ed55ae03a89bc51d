"""Servers on loopback that do everything wrong on purpose, for the tests of all that asks a stranger by HTTP."""

import contextlib
import gzip
import itertools
import socket
import threading
import time

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def whole(body, head=HEAD):
    """Return the parts of a plain answer."""
    return [head + b"Content-Length: %d\r\n\r\n" % len(body) + body]


def drip(text, pause=0.05):
    """Yield text byte by byte, then blanks for ever; each byte comes long before the time-out of a read."""
    for byte in itertools.chain(text, itertools.repeat(32)):
        yield bytes([byte])
        time.sleep(pause)


def endless(head=HEAD + b"\r\n"):
    """Yield a body without end."""
    return itertools.chain([head], itertools.repeat(b"x" * 65536))


HOSTILE = {
    "drip of a head": lambda: drip(b"HTTP/1.1 200 OK\r\nX: "),
    "drip of a body": lambda: itertools.chain([HEAD + b"Content-Length: 9999999\r\n\r\n"], drip(b"{")),
    "drip of chunks": lambda: itertools.chain([CHUNKED], drip(b"1;" + b"x" * 9000)),
    "silence": lambda: (time.sleep(0.1) or b"" for _ in range(10**6)),
    "flood of one header": lambda: itertools.chain([b"HTTP/1.1 200 OK\r\nX: "], itertools.repeat(b"x" * 65536)),
    "flood of headers": lambda: itertools.chain([b"HTTP/1.1 200 OK\r\n"], itertools.repeat(b"X: y\r\n" * 1000)),
    "answers that go on": lambda: itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    "compressed bomb": lambda: whole(gzip.compress(b" " * 10**7), HEAD + b"Content-Encoding: gzip\r\n"),
    "end in the middle": lambda: [HEAD + b"Content-Length: 100\r\n\r\n{"],
    "no HTTP": lambda: [b"220 mail ESMTP\r\n"],
}
"""What gives no whole answer, by name."""

DEEP = b"[" * 30_000 + b"]" * 30_000


@contextlib.contextmanager
def serving(answer):
    """Yield the port of a server that sends the parts of `answer()` to whoever asks, and the requests that came."""
    asked, over = [], threading.Event()

    def serve(connection):
        with connection, contextlib.suppress(OSError):
            asked.append(connection.recv(65536))
            for part in answer():
                if over.is_set():
                    return
                connection.sendall(part)

    def accept():
        with contextlib.suppress(OSError):
            while True:
                connection, _address = listener.accept()
                connection.settimeout(10)
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        try:
            yield listener.getsockname()[1], asked
        finally:
            over.set()
            listener.shutdown(socket.SHUT_RDWR)

"""The gate over real sockets, before a machine learning that keeps what reaches it."""

import asyncio
import contextlib
import dataclasses
import json
from io import BytesIO

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from PIL import Image

from silo_learning_gate.counts import Counts
from silo_learning_gate.gate import Gate
from silo_learning_gate.settings import Bounds, GateSettings

MODELS = {
    "clip": frozenset({"ViT-B-32__openai"}),
    "facial-recognition": frozenset({"buffalo_l"}),
    "ocr": frozenset({"PP-OCRv5_mobile"}),
}
# As Immich writes them: server/src/repositories/machine-learning.repository.ts of version 3.
VISUAL = {"clip": {"visual": {"modelName": "ViT-B-32__openai"}}}
TEXTUAL = {"clip": {"textual": {"modelName": "ViT-B-32__openai", "options": {}}}}
FACES = {
    "facial-recognition": {
        "detection": {"modelName": "buffalo_l", "options": {"minScore": 0.7}},
        "recognition": {"modelName": "buffalo_l"},
    }
}
OCR = {
    "ocr": {
        "detection": {"modelName": "PP-OCRv5_mobile", "options": {"minScore": 0.5, "maxResolution": 736}},
        "recognition": {"modelName": "PP-OCRv5_mobile", "options": {"minScore": 0.8}},
    }
}
BOUNDARY = "----formdata-undici-084217630918"


def picture(size=(32, 24), kind="JPEG"):
    file = BytesIO()
    Image.new("RGB", size, "teal").save(file, kind)
    return file.getvalue()


def form(entries, *, image=None, text=None, mark=BOUNDARY):
    """The body of a form as the client of Node.js writes it; `entries` is a text or a value."""
    told = entries if isinstance(entries, str) else json.dumps(entries, separators=(",", ":"))
    parts = [('name="entries"', told.encode())]
    if image is not None:
        parts.append(('name="image"; filename="blob"\r\nContent-Type: application/octet-stream', image))
    if text is not None:
        parts.append(('name="text"', text.encode()))
    written = (b"Content-Disposition: form-data; %s\r\n\r\n%s\r\n" % (head.encode(), body) for head, body in parts)
    return b"".join(b"--%s\r\n%s" % (mark.encode(), part) for part in written) + f"--{mark}--\r\n".encode()


def request(body=b"", path="/hans/predict", *, method="POST", headers=(), mark=BOUNDARY, length=None):
    lines = [f"{method} {path} HTTP/1.1", "Host: 10.83.0.17:3003"]
    if method == "POST":
        lines.append(f"Content-Type: multipart/form-data; boundary={mark}")
        lines.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join([*lines, *headers, "", ""]).encode() + body


@dataclasses.dataclass
class Reply:
    """An answer; `closed` tells whether the connection ends with it."""

    status: int
    body: bytes
    closed: bool

    @property
    def detail(self):
        return json.loads(self.body)["detail"]


async def read_reply(reader):
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    size = int(head.partition("content-length: ")[2].split("\r\n")[0])
    return Reply(int(head.split()[1]), await reader.readexactly(size), "connection: close" in head)


class Learning:
    """The machine learning: `asked` are the forms that reach it, as another parser reads them."""

    def __init__(self):
        self.asked, self.pings, self.most, self.now = [], 0, 0, 0
        self.status, self.body, self.hold = 200, b'{"clip": "[0.5]"}', None

    def application(self):
        app = web.Application(client_max_size=64 * 1024**2)
        app.router.add_get("/ping", self.ping)
        app.router.add_post("/predict", self.predict)
        return app

    async def ping(self, _request):
        self.pings += 1
        return web.Response(text="pong", status=self.status)

    async def predict(self, request):
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            fields = await request.post()
            self.asked.append(
                {name: value if isinstance(value, str) else value.file.read() for name, value in fields.items()}
            )
            self.headers = dict(request.headers)
            if self.hold is not None:
                await self.hold.wait()
        finally:
            self.now -= 1
        return web.Response(body=self.body, status=self.status, content_type="application/json")


class World:
    """A gate that runs, and what is behind it."""

    def __init__(self, learning):
        self.learning, self.said, self.clock = learning, [], 0.0

    async def connect(self, *, local=False):
        return await asyncio.open_connection("127.0.0.1", self.ports[local])

    async def send(self, data, *, local=False):
        """The answer to one request on a connection of its own."""
        reader, writer = await self.connect(local=local)
        try:
            writer.write(data)
            return await read_reply(reader)
        finally:
            writer.close()

    async def ask(self, entries, path="/hans/predict", **fields):
        return await self.send(request(form(entries, **fields), path))

    async def numbers(self):
        """Name with labels to number."""
        reply = await self.send(request(path="/metrics", method="GET"), local=True)
        lines = (line for line in reply.body.decode().splitlines() if not line.startswith("#"))
        return {name: float(value) for name, _space, value in (line.rpartition(" ") for line in lines)}

    async def counted(self, tenant="hans"):
        """Outcome to number, of a tenant, without those that are 0."""
        begin = f'silo_learning_requests_total{{tenant="{tenant}",outcome="'
        return {
            name.removeprefix(begin).removesuffix('"}'): int(value)
            for name, value in (await self.numbers()).items()
            if name.startswith(begin) and value
        }


@pytest.fixture
def world():
    """Gives a context: a gate with other bounds, before `learning` or an application."""

    @contextlib.asynccontextmanager
    async def running(application=None, url=None, idle=20, **bounds):
        learning = Learning()
        server = TestServer(application or learning.application())
        await server.start_server()
        found = World(learning)
        found.url = url or f"http://127.0.0.1:{server.port}"
        settings = GateSettings(found.url, "127.0.0.1", 0, 0, MODELS, Bounds(**bounds))
        gate = Gate(settings, Counts(lambda: found.clock, found.said.append), idle)
        found.ports = await gate.start()
        found.room, found.gate = gate._room, gate
        try:
            yield found
        finally:
            if learning.hold:
                learning.hold.set()
            await gate.stop(1)
            await server.close()

    return running

"""The access service with tickets in a temporary directory, and a photo server that keeps Immich's contract."""

import asyncio
import contextlib
import json
import secrets
from pathlib import Path

import aiohttp
import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer

from silo.brand import shown
from silo.tenant import access_link
from silo_access.pages import PageSettings
from silo_access.website import Website

ROLE = Path(__file__).parents[4] / "roles" / "access"
TEXTS = yaml.safe_load((ROLE / "vars" / "main.yml").read_text())["__access_texts"]
NOW = 1_800_000_000
EMAIL, FIRST, NEW = "hans@example.ch", "first password", "correct horse battery"


class PhotoServer:
    """Immich's answers about passwords; `before` and `after` are called around a change of the password."""

    def __init__(self, password=FIRST):
        self.password, self.sessions, self.calls = password, {"of a phone"}, []
        self.status = {}
        self.before = self.after = lambda: None

    async def answer(self, request):
        call = request.match_info["call"]
        self.calls.append(call)
        if call in self.status:
            return web.json_response({"message": "Internal server error"}, status=self.status[call])
        await asyncio.sleep(0.01)  # so that others come in between
        return getattr(self, call.replace("-", "_"))(await request.json(), request.headers.get("Authorization", ""))

    def login(self, body, _authorization):
        if (body["email"], body["password"]) != (EMAIL, self.password):
            return web.json_response({"message": "Incorrect email or password"}, status=401)
        token = secrets.token_urlsafe(8)
        self.sessions.add(token)
        response = web.json_response({"accessToken": token}, status=201)
        response.set_cookie("immich_access_token", token)
        return response

    def change_password(self, body, authorization):
        session = authorization.removeprefix("Bearer ")
        if session not in self.sessions:
            return web.json_response({"message": "Invalid user token"}, status=401)
        if body["password"] != self.password or len(body["newPassword"]) < 8:
            return web.json_response({"message": "Wrong password"}, status=400)
        self.before()
        self.password = body["newPassword"]
        if body.get("invalidateSessions"):
            self.sessions = {session}
        self.after()
        return web.json_response({})

    def logout(self, _body, authorization):
        self.sessions.discard(authorization.removeprefix("Bearer "))
        return web.json_response({"successful": True})

    def application(self):
        app = web.Application()
        app.router.add_post("/api/auth/{call}", self.answer)
        return app


class World:
    """The service, a photo server behind it, and a customer with a browser before it."""

    def __init__(self, directory, *, requests_per_minute=60):
        self.now, self.photos = NOW, PhotoServer()
        self.tickets = directory / "tickets"
        self.tickets.mkdir(exist_ok=True)
        self.settings = PageSettings(
            address="127.0.0.1",
            port=0,
            tickets_directory=str(self.tickets),
            requests_per_minute=requests_per_minute,
            brand=shown({}),
            contact_email="ops@swissphoto.ch",
            texts=TEXTS,
        )

    def issue(self, tenant="hans", password=FIRST, hours=72, **changes):
        """A new link, as the operator's run leaves it; its token."""
        new = access_link.make()
        ticket = {
            "tenant": tenant,
            "host_name": f"{tenant}.swissphoto.ch",
            "email": EMAIL,
            "photo_server": self.photo_server,
            "digest": new.digest,
            "sealed_password": new.seal(password),
            "expires_at": self.now + hours * 3600,
            **changes,
        }
        (self.tickets / f"{tenant}-{new.digest}.json").write_text(json.dumps(ticket))
        return new.token

    @property
    def left(self):
        """The names of the tickets that are there."""
        return sorted(path.name for path in self.tickets.iterdir())

    @contextlib.asynccontextmanager
    async def open(self, service=True):
        async with TestServer(self.photos.application()) as photos, aiohttp.ClientSession() as self.browser:
            self.photo_server = f"http://127.0.0.1:{photos.port}"
            if not service:
                yield self
                return
            async with TestServer(Website(self.settings, lambda: self.now).application()) as website:
                self.port = website.port
                yield self

    async def ask(self, method, token, *, host="hans.swissphoto.ch", prefix="/hans/de", source="192.0.2.7", **options):
        """An answer of the service with its `page`, as Traefik asks for it."""
        url = f"http://127.0.0.1:{self.port}{prefix}/silo/welcome/{token}"
        headers = {"Host": host, "X-Forwarded-For": source, **options.pop("headers", {})}
        async with self.browser.request(method, url, headers=headers, **options) as answer:
            answer.page = await answer.text()
            return answer

    async def get(self, token, **options):
        return await self.ask("GET", token, **options)

    async def post(self, token, password=NEW, repeated=None, **options):
        fields = {"password": password, "repeated": password if repeated is None else repeated}
        return await self.ask("POST", token, **{"data": fields, **options})


@pytest.fixture
def world(tmp_path):
    """Gives a function: the world, to be opened by `async with`."""

    def of(*, service=True, **settings):
        return World(tmp_path, **settings).open(service)

    return of

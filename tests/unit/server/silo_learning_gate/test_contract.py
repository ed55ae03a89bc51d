"""What Immich itself asks passes, and reaches the machine learning with the same meaning."""

import asyncio
import importlib
import json
from pathlib import Path

import pytest

from .conftest import BOUNDARY, FACES, OCR, TEXTUAL, VISUAL, form, picture, read_reply, request

IMAGE = Path(__file__).parents[3] / "lab" / "images" / "immich-machine-learning"


@pytest.mark.parametrize(
    ("entries", "content"),
    [
        (VISUAL, {"image": picture()}),
        (VISUAL, {"image": picture(kind="WEBP")}),
        (TEXTUAL, {"text": "a cat on a mat"}),
        ({"clip": {"textual": {"modelName": "ViT-B-32__openai", "options": {"language": "de-CH"}}}}, {"text": "Büsi"}),
        (FACES, {"image": picture()}),
        (OCR, {"image": picture()}),
    ],
)
async def test_each_request_of_immich_passes(world, entries, content):
    async with world() as here:
        reply = await here.ask(entries, **content)
        assert (reply.status, reply.body) == (200, here.learning.body)
        (asked,) = here.learning.asked
        assert await here.counted() == {"answered": 1}
    assert {name: value for name, value in asked.items() if name != "entries"} == content
    ((task, types),) = entries.items()
    passed = json.loads(asked["entries"])
    assert passed.keys() == {task}
    assert passed[task].keys() == types.keys()
    for kind, entry in types.items():
        assert passed[task][kind]["modelName"] == entry["modelName"]
        assert passed[task][kind]["options"].items() >= entry.get("options", {}).items()


async def test_what_a_request_leaves_out_is_not_what_another_has_said(world):
    bare = {"ocr": {kind: {"modelName": "PP-OCRv5_mobile"} for kind in ("detection", "recognition")}}
    async with world() as here:
        assert (await here.ask(bare, image=picture())).status == 200
        assert json.loads(here.learning.asked[0]["entries"]) == OCR


async def test_nothing_else_of_a_request_is_passed_on(world):
    headers = ["X-Secret: 1", "Cookie: a=b", "X-Forwarded-For: 10.83.0.18"]
    async with world() as here:
        await here.send(request(form(VISUAL, image=picture()), headers=headers))
        assert here.learning.headers.keys() <= {
            "Host",
            "Content-Type",
            "Content-Length",
            "Connection",
            "Accept-Encoding",
        }
        assert BOUNDARY not in here.learning.headers["Content-Type"]


async def test_the_sign_of_life(world):
    async with world() as here:
        reply = await here.send(request(path="/hans/ping", method="GET"))
        assert (reply.status, reply.body, reply.closed) == (200, b"pong", False)
        for _number in range(20):
            await here.send(request(path="/maria/ping", method="GET"))
        assert here.learning.pings == 1
        assert await here.counted() == {}


async def test_a_machine_learning_that_is_away(world):
    async with world(url="http://127.0.0.1:9") as here:
        assert (await here.send(request(path="/hans/ping", method="GET"))).status == 503
        assert (await here.send(request(path="/ping", method="GET"), local=True)).status == 503
        reply = await here.ask(VISUAL, image=picture())
        assert (reply.status, reply.detail) == (502, "the machine learning does not answer")
        assert await here.counted() == {"failed": 1}


@pytest.mark.parametrize(("status", "told"), [(500, 500), (400, 400), (422, 422), (404, 502), (302, 502), (200, 502)])
async def test_what_it_says_of_itself_stays_here(world, status, told):
    async with world() as here:
        here.learning.status = status
        here.learning.body = b"Traceback: /usr/src" if status != 200 else b"a" * (2 * 1024**2 + 1)
        reply = await here.ask(VISUAL, image=picture())
        assert reply.status == told
        assert b"Traceback" not in reply.body
        assert len(reply.body) < 200
        assert await here.counted() == {"failed": 1}


async def test_a_connection_is_used_again_as_traefik_does(world):
    async with world() as here:
        reader, writer = await here.connect()
        for _number in range(3):
            writer.write(request(form(VISUAL, image=picture())))
            reply = await read_reply(reader)
            assert (reply.status, reply.closed) == (200, False)
        writer.close()


async def test_chunks_are_a_body_as_well(world):
    body = form(TEXTUAL, text="a cat")
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:7], body[7:100], body[100:]))
    head = f"POST /hans/predict HTTP/1.1\r\nContent-Type: multipart/form-data; boundary={BOUNDARY}\r\n"
    async with world() as here:
        reply = await here.send(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + chunks + b"0\r\n\r\n")
        assert (reply.status, here.learning.asked[0]["text"]) == (200, "a cat")
        # And the same where the client waits to be asked for it.
        reader, writer = await here.connect()
        writer.write(request(body, headers=["Expect: 100-continue"]).removesuffix(body))
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(body)
        assert (await read_reply(reader)).status == 200
        writer.close()


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """The machine learning of the lab, on which options do what they do in the real one; it has its models."""
    monkeypatch.setenv("MACHINE_LEARNING_CACHE_FOLDER", str(tmp_path))
    monkeypatch.syspath_prepend(str(IMAGE))
    service = importlib.import_module("immich_ml.service")
    monkeypatch.setattr(service, "_MODELS", service.Models())
    monkeypatch.setattr(service, "_WORKER", asyncio.Lock())
    service._MODELS.preload(
        {f"MACHINE_LEARNING_PRELOAD__CLIP__{kind}": "ViT-B-32__openai" for kind in ("VISUAL", "TEXTUAL")}
    )
    monkeypatch.setattr(service, "_MODELS", service.Models())
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return service, tmp_path


@pytest.mark.parametrize("option", ["session", "cache_dir"])
async def test_without_the_gate_one_tenant_breaks_the_model_of_all(world, stand_in, option):
    """So that what follows proves something."""
    service, cache = stand_in
    hostile = {"clip": {"visual": {"modelName": "ViT-B-32__openai", "options": {option: str(cache)}}}}
    async with world(service.application()) as here:
        port = int(here.url.rpartition(":")[2])
        statuses = []
        for entries in (hostile, VISUAL):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request(form(entries, image=picture()), "/predict", headers=["Connection: close"]))
            statuses.append((await read_reply(reader)).status)
            writer.close()
        assert statuses == [500, 500]
        assert list(cache.iterdir()) == [] if option == "cache_dir" else list(cache.iterdir())


@pytest.mark.parametrize("option", ["session", "cache_dir"])
async def test_behind_the_gate_all_go_on(world, stand_in, option):
    service, cache = stand_in
    hostile = {"clip": {"visual": {"modelName": "ViT-B-32__openai", "options": {option: str(cache)}}}}
    async with world(service.application()) as here:
        assert (await here.ask(hostile, image=picture())).status == 422
        reply = await here.ask(VISUAL, "/maria/predict", image=picture())
        assert reply.status == 200
        assert len(json.loads(json.loads(reply.body)["clip"])) == 512
        assert (await here.ask(TEXTUAL, "/maria/predict", text="a cat")).status == 200

"""A tenant with a shell in its photo server, over real sockets: bounded, told why, counted; others go on."""

import asyncio
import gc
import json
import os
import socket
import struct
import time

import pytest

from tests.unit.patience import PATIENCE

from .conftest import BOUNDARY, FACES, OCR, TEXTUAL, VISUAL, form, picture, read_reply, request

MODEL = "ViT-B-32__openai"
DEEP = "[" * 2000 + "]" * 2000


def visual(**entry):
    return {"clip": {"visual": {"modelName": MODEL, **entry}}}


def faces(**options):
    kinds = {"detection": {"modelName": "buffalo_l", "options": options}, "recognition": {"modelName": "buffalo_l"}}
    return {"facial-recognition": kinds}


def ocr(**options):
    kinds = {kind: {"modelName": "PP-OCRv5_mobile"} for kind in ("detection", "recognition")}
    return {"ocr": {**kinds, "detection": {**kinds["detection"], "options": options}}}


HOSTILE = {
    "the session of a model": (visual(options={"session": "x"}), 'entries.clip.visual.options: "session" is not known'),
    "the folder of all models": (visual(options={"cache_dir": "/cache"}), '"cache_dir" is not known'),
    "another format": (visual(options={"model_format": "rknn"}), "known are none"),
    "the time to live": (faces(ttl=1), "known are minScore"),
    "a score of text": (faces(minScore="0.7"), "it must be a number from 0.1 to 1"),
    "a score of true": (faces(minScore=True), "it is true; it must be a number"),
    "a score too low": (faces(minScore=0.05), "options.minScore: it is 0.05; it must be a number from 0.1 to 1"),
    "a score without end": (json.dumps(faces(minScore=7)).replace("7", "1e999"), "it must be a number from 0.1 to 1"),
    "a score that is none": (json.dumps(faces(minScore=7)).replace("7", "NaN"), "NaN is no number"),
    "a number of 3900 digits": (
        json.dumps(faces(minScore=7)).replace("7", "9" * 3900),
        "it must be a number from 0.1 to 1",
    ),
    "a resolution of nothing": (ocr(maxResolution=0), "it must be a whole number from 32 to 8192"),
    "a resolution and a half": (ocr(maxResolution=736.5), "it must be a whole number"),
    "a mode of scores": (ocr(scoreMode="slow"), "known are minScore, maxResolution"),
    "a language with a path": (
        {"clip": {"textual": {"modelName": MODEL, "options": {"language": "../../x"}}}},
        "it must be a language such as de",
    ),
    "options of a list": (visual(options=[["session", 1]]), "options: it must be an object"),
    "an unknown model": ({"clip": {"visual": {"modelName": "ViT-H-14__openai"}}}, "these are ViT-B-32__openai"),
    "a model of another task": ({"clip": {"visual": {"modelName": "buffalo_l"}}}, "these are ViT-B-32__openai"),
    "a model with a path": ({"clip": {"visual": {"modelName": f"../{MODEL}"}}}, "is not one of the platform"),
    "a model of a list": ({"clip": {"visual": {"modelName": [MODEL]}}}, "the model a list is not one"),
    "more than a model": (visual(download=True), "modelName and options, and nothing else"),
    "an unknown task": ({"pose": {"detection": {"modelName": MODEL}}}, 'the task "pose" is not known'),
    "a task that acts on a terminal": ({"\x1b[2J\u202e": {}}, 'the task "\\u001b[2J'),
    "an unknown type": ({"clip": {"pipeline": {"modelName": MODEL}}}, "an object with visual or textual"),
    "both types at once": ({"clip": visual()["clip"] | TEXTUAL["clip"]}, "an object with visual or textual"),
    "half of a task": ({"ocr": {"recognition": OCR["ocr"]["recognition"]}}, "an object with detection and recognition"),
    "two tasks": (VISUAL | FACES, "it must be an object with one task"),
    "no task": ({}, "it must be an object with one task"),
    "a list": ([VISUAL], "it must be an object with one task"),
    "a key twice": (
        '{"clip": {}, "clip": {"visual": {"modelName": "ViT-B-32__openai"}}}',
        "an object in it has a key twice",
    ),
    "a key twice, within": ('{"clip":{"visual":{"modelName":"x","modelName":"ViT-B-32__openai"}}}', "has a key twice"),
    "deep JSON": (DEEP, "nested too deeply"),
    "large JSON": (visual(options={"x" * 5000: 1}), "it must have at most 4096"),
    "no JSON": ("{", "it is not JSON"),
    "nothing": ("", "it is not JSON"),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_what_immich_does_not_ask_goes_no_further(world, name):
    entries, why = HOSTILE[name]
    async with world() as here:
        textual = isinstance(entries, dict) and "textual" in str(entries)
        content = {"text": "a"} if textual else {"image": picture()}
        reply = await here.ask(entries, **content)
        assert reply.status == 422
        assert why in reply.detail
        assert reply.detail.isprintable()
        assert len(reply.detail) < 300
        assert here.learning.asked == []
        assert await here.counted() == {"refused": 1}
        assert len(here.said) == 1
        # Others go on, and so does this one.
        assert (await here.ask(VISUAL, "/maria/predict", image=picture())).status == 200
        assert (await here.ask(VISUAL, image=picture())).status == 200


def bomb(width, height):
    """A small JPEG that says it is large."""
    data = bytearray(picture())
    place = data.index(b"\xff\xc0")
    data[place + 5 : place + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def webp_bomb(kind):
    body = {
        b"VP8X": struct.pack("<I", 10) + bytes(4) + (16383).to_bytes(3, "little") * 2,
        b"VP8L": struct.pack("<I", 10) + b"\x2f" + (16383 | 16383 << 14).to_bytes(4, "little") + bytes(5),
        b"VP8 ": struct.pack("<I", 10) + bytes(3) + b"\x9d\x01\x2a" + struct.pack("<HH", 16383, 16383),
    }[kind]
    return b"RIFF" + struct.pack("<I", 4 + 4 + len(body)) + b"WEBP" + kind + body


PICTURES = {
    "a bomb": (bomb(65535, 65535), "65535 x 65535 pixels"),
    "a bomb of WebP": (webp_bomb(b"VP8X"), "16384 x 16384 pixels"),
    "a bomb without loss": (webp_bomb(b"VP8L"), "16384 x 16384 pixels"),
    "a bomb with loss": (webp_bomb(b"VP8 "), "16383 x 16383 pixels"),
    "a large frame before a small one": (
        bomb(9999, 9999)[:-2][: bomb(9999, 9999).index(b"\xff\xda")] + picture()[2:],
        "",
    ),
    "a head without end": (b"\xff\xd8" + b"\xff\xe0\x00\x02" * 500_000, "a JPEG without a whole head"),
    "half a head": (picture()[:40], "a JPEG without a whole head"),
    "a WebP of nothing": (b"RIFF\0\0\0\0WEBPVP8Z" + bytes(20), "a WebP without a whole head"),
    "a PNG": (picture(kind="PNG"), "neither JPEG nor WebP"),
    "a page": (b"<svg onload=alert(1)>", "neither JPEG nor WebP"),
    "nothing": (b"", "neither JPEG nor WebP"),
}


@pytest.mark.parametrize("name", PICTURES)
async def test_a_picture_that_is_none_or_a_bomb(world, name):
    image, why = PICTURES[name]
    async with world() as here:
        reply = await here.ask(VISUAL, image=image)
        assert reply.status == 422
        assert why in reply.detail
        assert here.learning.asked == []


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
async def test_the_size_is_that_of_the_picture(world, kind):
    async with world(pixels=32 * 24) as here:
        assert (await here.ask(VISUAL, image=picture((32, 24), kind))).status == 200
        reply = await here.ask(VISUAL, image=picture((33, 24), kind))
        assert (reply.status, reply.detail) == (422, "image: it has 33 x 24 pixels; it must have at most 768 in all")


FORMS = {
    "another boundary": (form(VISUAL, image=picture(), mark="other"), "does not begin with its boundary"),
    "an end that is missing": (form(VISUAL, image=picture())[:-4], "does not end with its boundary"),
    "an end in the middle": (form(VISUAL, image=picture())[:300], "ends within the field"),
    "something after the end": (form(VISUAL, image=picture()) + b"x", "does not end with its boundary"),
    "something before the begin": (b"\r\n" + form(VISUAL, image=picture()), "does not begin with its boundary"),
    "a field twice": (form(VISUAL, image=picture()).replace(b'name="image"', b'name="entries"'), "entries twice"),
    "an unknown field": (form(VISUAL, image=picture()).replace(b'name="image"', b'name="images"'), "is not known"),
    "a head without end": (f"--{BOUNDARY}\r\n".encode() + b"X: " + b"a" * 9000, "no head of at most 1024"),
    "a foreign header": (
        form(VISUAL, image=picture()).replace(b"Content-Type", b"Content-Transfer-Encoding"),
        "another head",
    ),
    "a header twice": (form(VISUAL, image=picture()).replace(b"Content-Type", b"Content-Disposition"), "another head"),
    "a field without a name": (form(VISUAL, image=picture()).replace(b' name="image";', b""), "is not known"),
    "entries alone": (form(VISUAL), "entries, and either image or text"),
    "all three": (form(VISUAL, image=picture(), text="a"), "entries, and either image or text"),
    "a text for a picture": (form(VISUAL, text="a"), "must have image"),
    "a picture for a text": (form(TEXTUAL, image=picture()), "must have text"),
    "a long text": (form(TEXTUAL, text="a" * 8193), "text: it has 8193 bytes; it must have at most 8192"),
    "a text of no language": (form(TEXTUAL, text="a").replace(b"\r\na\r\n", b"\r\n\xff\r\n"), "text: it is not UTF-8"),
}


@pytest.mark.parametrize("name", FORMS)
async def test_a_form_that_is_another(world, name):
    body, why = FORMS[name]
    async with world() as here:
        reply = await here.send(request(body))
        assert reply.status == 422
        assert why in reply.detail
        assert here.learning.asked == []


@pytest.mark.parametrize(
    "kind",
    [
        "application/json",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/mixed; boundary=a",
        "multipart/form-data; boundary=" + "a" * 71,
        "multipart/form-data; boundary=a; charset=x",
    ],
)
async def test_a_body_of_another_kind(world, kind):
    async with world() as here:
        data = request(form(VISUAL, image=picture())).replace(
            f"multipart/form-data; boundary={BOUNDARY}".encode(), kind.encode()
        )
        reply = await here.send(data)
        assert (reply.status, reply.closed) == (422, True)
        assert "it must be multipart/form-data with a boundary" in reply.detail


async def test_the_content_may_have_anything_that_looks_like_an_end(world):
    image = (
        picture() + b"\r\n--x--\r\n--" + BOUNDARY[:-1].encode() + b'\r\nContent-Disposition: form-data; name="entries"'
    )
    async with world() as here:
        assert (await here.ask(VISUAL, image=image)).status == 200
        assert here.learning.asked[0]["image"] == image


WHO = "Host: a\r\nContent-Type: multipart/form-data; boundary=a\r\n"
HEADS = {
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\n", 400),
    "a URL": (b"GET http://a/hans/ping HTTP/1.1\r\n\r\n", 400),
    "a header that goes on": (b"GET /hans/ping HTTP/1.1\r\nA: b\r\n c\r\n\r\n", 400),
    "a blank before the colon": (b"GET /hans/ping HTTP/1.1\r\nA : b\r\n\r\n", 400),
    "an end of line alone": (b"GET /hans/ping HTTP/1.1\nHost: a\r\n\r\n", 400),
    "a zero": (b"GET /hans/ping HTTP/1.1\r\nA: \0\r\n\r\n", 400),
    "two lengths": (
        f"POST /hans/predict HTTP/1.1\r\n{WHO}Content-Length: 1\r\nContent-Length: 2\r\n\r\n".encode(),
        400,
    ),
    "a length and chunks": (
        f"POST /hans/predict HTTP/1.1\r\n{WHO}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n".encode(),
        400,
    ),
    "another coding": (f"POST /hans/predict HTTP/1.1\r\n{WHO}Transfer-Encoding: gzip, chunked\r\n\r\n".encode(), 400),
    "a length below nothing": (f"POST /hans/predict HTTP/1.1\r\n{WHO}Content-Length: -1\r\n\r\n".encode(), 400),
    "two kinds": (f"POST /hans/predict HTTP/1.1\r\n{WHO}content-type: text/plain\r\n\r\n".encode(), 400),
    "a large header": (b"GET /hans/ping HTTP/1.1\r\nA: " + b"a" * 40_000 + b"\r\n\r\n", 431),
    "many headers": (b"GET /hans/ping HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n", 431),
    "a large body": (f"POST /hans/predict HTTP/1.1\r\n{WHO}Content-Length: 99999999\r\n\r\n".encode(), 413),
    "a chunk of too much": (
        f"POST /hans/predict HTTP/1.1\r\n{WHO}Transfer-Encoding: chunked\r\n\r\nfffffff\r\n".encode()
        + b"a" * (9 * 1024**2),
        413,
    ),
    "a chunk of no size": (
        f"POST /hans/predict HTTP/1.1\r\n{WHO}Transfer-Encoding: chunked\r\n\r\nx\r\n".encode(),
        400,
    ),
    "a chunk with a long size": (
        f"POST /hans/predict HTTP/1.1\r\n{WHO}Transfer-Encoding: chunked\r\n\r\n".encode() + b"1;" + b"a" * 70_000,
        400,
    ),
    "headers after chunks": (
        f"POST /hans/predict HTTP/1.1\r\n{WHO}Transfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n\r\n".encode(),
        400,
    ),
    "another method": (b"GET /hans/predict HTTP/1.1\r\n\r\n", 405),
    "the metrics of all": (b"GET /hans/metrics HTTP/1.1\r\n\r\n", 404),
    "the metrics without a tenant": (b"GET /metrics HTTP/1.1\r\n\r\n", 404),
    "another tenant": (b"GET /hans/../maria/ping HTTP/1.1\r\n\r\n", 404),
    "no tenant": (b"GET /Hans/ping HTTP/1.1\r\n\r\n", 404),
    "a question": (b"GET /hans/ping?x HTTP/1.1\r\n\r\n", 404),
}


@pytest.mark.parametrize("name", HEADS)
async def test_a_request_that_is_another(world, name):
    data, status = HEADS[name]
    async with world() as here:
        reply = await here.send(data)
        assert (reply.status, reply.closed) == (status, True)
        assert here.learning.asked == []
        assert here.room.requests == here.room.held == 0


async def test_clients_that_are_slow_lose_their_turn(world):
    whole = request(form(VISUAL, image=picture()))
    async with world(head_seconds=0.3, body_seconds=0.3, idle=0.3) as here:
        for begin, status in ((whole[:50], 408), (whole[:-9], 408), (b"", None)):
            reader, writer = await here.connect()
            writer.write(begin)
            begun = time.monotonic()
            if status:
                assert (await read_reply(reader)).status == status
            writer.write_eof()
            assert await reader.read() == b""
            assert time.monotonic() - begun < PATIENCE
            writer.close()
        assert here.room.requests == 0
        assert await here.counted() == {"slow": 1}


async def test_one_that_drips_has_the_same_time(world):
    async with world(body_seconds=0.5) as here:
        reader, writer = await here.connect()
        writer.write(request(length=1000))
        reply = asyncio.create_task(read_reply(reader))
        while not reply.done():
            writer.write(b"a")
            await asyncio.sleep(0.02)
        assert (await reply).status == 408
        writer.close()


async def test_one_that_does_not_take_its_answer(world, monkeypatch):
    monkeypatch.setattr("silo_learning_gate.http1.WRITE_SECONDS", 0.3)
    async with world() as here:
        # More than the buffers of two sockets take; those of the gate are as small as on a server.
        here.gate._servers[0].sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        here.learning.body = b"a" * 2 * 1024**2
        held = []
        for _number in range(3):
            reader, writer = await asyncio.open_connection("127.0.0.1", here.ports[0], limit=1024)
            writer.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            writer.transport.pause_reading()
            writer.write(request(form(VISUAL, image=picture())))
            held.append(writer)
        while len(here.learning.asked) < 3 or here.room.requests or here.gate._connections:
            await asyncio.sleep(0.02)
        for writer in held:
            writer.close()


async def test_an_answer_that_never_comes(world):
    async with world(answer_seconds=0.3) as here:
        here.learning.hold = asyncio.Event()
        reply = await here.ask(VISUAL, image=picture())
        assert (reply.status, reply.detail) == (504, "the machine learning did not answer within 0.3 s")


async def test_requests_of_one_tenant_have_an_end_and_others_go_on(world):
    async with world(requests_of_tenant=3, requests=10) as here:
        here.learning.hold = asyncio.Event()
        tasks = [asyncio.create_task(here.ask(VISUAL, image=picture())) for _number in range(50)]
        while len(here.learning.asked) < 3 or sum(task.done() for task in tasks) < 47:
            await asyncio.sleep(0.01)
        maria = asyncio.create_task(here.ask(VISUAL, "/maria/predict", image=picture()))
        while len(here.learning.asked) < 4:
            await asyncio.sleep(0.01)
        here.learning.hold.set()
        assert (await maria).status == 200
        replies = [await task for task in tasks]
        assert sorted(reply.status for reply in replies) == [200] * 3 + [429] * 47
        assert here.learning.most == 4
        assert await here.counted() == {"answered": 3, "busy": 47}
        # Who has too much under way is no news for the journal.
        assert here.said == []


async def test_who_hangs_up_has_not_freed_the_machine_learning(world):
    async with world(requests_of_tenant=2) as here:
        here.learning.hold = asyncio.Event()
        for _number in range(2):
            _reader, writer = await here.connect()
            writer.write(request(form(VISUAL, image=picture())))
            await writer.drain()
            while not here.learning.asked or len(here.learning.asked) <= _number:
                await asyncio.sleep(0.01)
            writer.transport.abort()
        await asyncio.sleep(0.1)
        assert (await here.ask(VISUAL, image=picture())).status == 429
        here.learning.hold.set()
        while here.room.requests:
            await asyncio.sleep(0.01)
        assert (await here.ask(VISUAL, image=picture())).status == 200


async def test_bodies_under_way_have_an_end_of_one_tenant_and_of_all(world):
    async with world(body=1000, held_of_tenant=1500, held=2500) as here:
        held = []
        for tenant, status in (("hans", None), ("hans", 429), ("maria", None), ("peter", 503)):
            reader, writer = await here.connect()
            writer.write(request(path=f"/{tenant}/predict", length=1000))
            if status:
                assert (await read_reply(reader)).status == status
                writer.close()
            else:
                while here.room.held < 1000 * (len(held) + 1):
                    await asyncio.sleep(0.01)
                held.append(writer)
        for writer in held:
            writer.close()
        while here.room.held:
            await asyncio.sleep(0.01)


async def test_all_together_have_an_end(world):
    async with world(requests_of_tenant=2, requests=3) as here:
        here.learning.hold = asyncio.Event()
        names = ("hans", "maria", "peter")
        tasks = [asyncio.create_task(here.ask(VISUAL, f"/{name}/predict", image=picture())) for name in names]
        while len(here.learning.asked) < 3:
            await asyncio.sleep(0.01)
        reply = await here.ask(VISUAL, "/anna/predict", image=picture())
        assert (reply.status, reply.detail) == (503, "the machine learning has too much to do for all tenants together")
        here.learning.hold.set()
        assert [(await task).status for task in tasks] == [200] * 3


async def test_requests_that_are_sent_at_once_are_answered_in_turn(world):
    bad = request(form(visual(options={"session": "x"}), image=picture()))
    good = request(form(TEXTUAL, text="a"))
    async with world() as here:
        reader, writer = await here.connect()
        writer.write(good + bad + good)
        assert [(await read_reply(reader)).status for _number in range(3)] == [200, 422, 200]
        # What is left of a body is never the next request.
        smuggled = request(b"x" * 10 + good, length=10)
        writer.write(smuggled)
        assert [(await read_reply(reader)).status for _number in range(2)] == [422, 200]
        writer.close()


async def test_connections_have_an_end(world, monkeypatch):
    monkeypatch.setattr("silo_learning_gate.gate.MOST_CONNECTIONS", 5)
    async with world() as here:
        opened = [await here.connect() for _number in range(8)]
        await asyncio.sleep(0.1)
        ended = [await asyncio.wait_for(reader.read(1), 0.2) == b"" for reader, _writer in opened[5:]]
        assert ended == [True] * 3
        for _reader, writer in opened:
            writer.close()


async def test_the_numbers_of_a_tenant_are_as_many_whatever_it_does(world):
    async with world() as here:
        await here.ask(VISUAL, image=picture())
        before = await here.numbers()
        for entries, _why in HOSTILE.values():
            await here.ask(entries, image=picture())
        for data, _status in HEADS.values():
            await here.send(data)
        after = await here.numbers()
        assert before.keys() == after.keys()
        assert len([name for name in after if "hans" in name]) == 5


async def test_the_journal_is_told_once_in_a_minute(world):
    async with world() as here:
        for _number in range(20):
            await here.ask({}, image=picture())
        assert len(here.said) == 1
        await here.ask({}, "/maria/predict", image=picture())
        assert len(here.said) == 2
        here.clock = 61
        await here.ask({}, image=picture())
        assert here.said[-1].endswith("it must be an object with one task (and 19 more since the last line)")
        assert here.said[0].startswith("<4>hans: a request of its photo server is refused: entries: ")


async def test_nothing_of_a_request_is_kept(world):
    """Neither while the next is answered, nor in a file."""
    secret = os.urandom(64)
    async with world() as here:
        assert (await here.ask(VISUAL, image=picture() + secret)).status == 200
        await here.ask(TEXTUAL, image=picture() + secret)
        here.learning.asked.clear()
        await here.ask(TEXTUAL, text="a")
        gc.collect()
        found = [one for one in gc.get_objects() if isinstance(one, (bytes, bytearray)) and secret in one]
        assert found == []
        assert secret.hex() not in str(here.said)

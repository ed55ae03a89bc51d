"""The parsers, for anything at all: they refuse it with a printable sentence, or take it as another program would."""

import json
import struct
from io import BytesIO

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from silo_learning_gate import form, http1, pictures, prediction
from silo_learning_gate.answers import Refusal

from . import conftest
from .conftest import FACES, MODELS, OCR, TEXTUAL, VISUAL

HOSTILE_TEXT = st.text() | st.sampled_from(["modelName", "options", "clip", "visual", "session", "\x1b[2J", "\u202e"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | HOSTILE_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(HOSTILE_TEXT, inner, max_size=3),
    max_leaves=10,
)


def refused(parse, *arguments):
    """What a parser returns; None if it refuses, which it may do in one way only."""
    try:
        return parse(*arguments)
    except Refusal as error:
        assert str(error).isprintable()
        assert len(str(error)) < 400
        return None


@given(st.binary(max_size=300) | VALUES.map(lambda value: json.dumps(value).encode()))
@example(b'{"clip": {"visual": {"modelName": "ViT-B-32__openai"}}}')
def test_entries(text):
    found = refused(prediction.parse, text, MODELS)
    if found:
        # What passes is of the same form when it is read again.
        assert prediction.parse(found.entries.encode(), MODELS) == found


@given(st.sampled_from([VISUAL, TEXTUAL, FACES, OCR]), st.data())
def test_entries_of_which_one_thing_is_another(entries, data):
    """Whatever stands in the place of one value, only what Immich may send is passed on."""
    copy = json.loads(json.dumps(entries))
    ((task, types),) = copy.items()
    kind = data.draw(st.sampled_from(sorted(types)))
    place = data.draw(st.sampled_from(["model", "option", "name"]))
    if place == "model":
        types[kind]["modelName"] = data.draw(VALUES)
    elif place == "name":
        types[kind].setdefault("options", {})[data.draw(HOSTILE_TEXT)] = 0.5
    else:
        name = data.draw(st.sampled_from(["minScore", "maxResolution", "language"]))
        types[kind].setdefault("options", {})[name] = data.draw(VALUES)
    found = refused(prediction.parse, json.dumps(copy).encode(), MODELS)
    if found:
        ((passed, entry),) = json.loads(found.entries).items()
        assert passed == task
        for one in entry.values():
            assert one["modelName"] in MODELS[task]
            assert one["options"].keys() <= {"minScore", "maxResolution", "language"}
            assert 0.1 <= one["options"].get("minScore", 1) <= 1
            assert 32 <= one["options"].get("maxResolution", 32) <= 8192


@given(st.binary(max_size=400), st.binary(min_size=1, max_size=20))
def test_forms(content, mark):
    refused(form.parse, bytearray(content), mark)
    written = conftest.form("{}", image=content, mark="mark")
    found = refused(form.parse, bytearray(written), b"mark")
    if b"--mark" not in content:
        assert {name: bytes(value) for name, value in found.items()} == {"entries": b"{}", "image": content}


@given(st.binary(max_size=2000), st.sampled_from(["image", "text"]))
def test_a_form_that_is_written_has_what_it_was_given(content, name):
    kind, written = form.write('{"a": 1}', name, memoryview(content))
    found = form.parse(bytearray(written), form.boundary(kind))
    assert {key: bytes(value) for key, value in found.items()} == {"entries": b'{"a": 1}', name: content}


@given(st.binary(max_size=300))
@example(b"GET / HTTP/1.1")
def test_heads(text):
    head = refused(http1.parse_head, text + b"\r\n\r\n")
    assert head is None or head.size is None or head.size >= 0


@given(st.binary(max_size=300), st.sampled_from([b"", pictures.JPEG, b"RIFF\0\0\0\0WEBPVP8X", b"RIFF\0\0\0\0WEBPVP8L"]))
def test_pictures(content, begin):
    refused(pictures.check, memoryview(begin + content), 1000)


def encoded(kind, mode="RGB", **options):
    file = BytesIO()
    Image.new(mode, (48, 36)).save(file, kind, **options)
    return file.getvalue()


PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
EXIF = Image.Exif()
EXIF[0x010E] = "a description " * 4000


@pytest.mark.parametrize(
    "picture",
    [
        encoded("JPEG", progressive=True, quality=95),
        encoded("JPEG", "CMYK"),
        encoded("JPEG", "L", exif=EXIF, icc_profile=PROFILE * 40),
        encoded("WEBP", lossless=True),
        encoded("WEBP", "RGBA", icc_profile=PROFILE),
        encoded("WEBP", quality=80, exif=EXIF),
    ],
)
def test_pictures_as_encoders_write_them(picture):
    pictures.check(memoryview(picture), 48 * 36)
    assert refused(pictures.check, memoryview(picture), 48 * 36 - 1) is None


def test_the_largest_frame_counts():
    """Of two before the scan; which of them a decoder believes is its affair."""
    small = encoded("JPEG")
    place = small.index(b"\xff\xc0")
    frame = bytearray(small[place : place + 19])
    frame[5:9] = struct.pack(">HH", 5000, 9000)
    for double in (small[:place] + frame + small[place:], small[: place + 19] + frame + small[place + 19 :]):
        with pytest.raises(Refusal, match="9000 x 5000 pixels"):
            pictures.check(memoryview(bytes(double)), 1_000_000)

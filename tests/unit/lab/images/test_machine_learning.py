import json
import math
from io import BytesIO

import pytest
from immich_ml import embedding
from immich_ml.request import BadEntries, Task, parse_entries
from PIL import Image, UnidentifiedImageError


def encoded(color, size=(64, 48), kind="PNG"):
    buffer = BytesIO()
    Image.new("RGB", size, color).save(buffer, kind)
    return buffer.getvalue()


def distance(one, other):
    return 1 - math.fsum(a * b for a, b in zip(one, other, strict=True))


def test_equal_pictures_have_equal_vectors_of_length_one():
    vector, height, width = embedding.picture(encoded("teal"))
    assert (height, width) == (48, 64)
    assert len(vector) == embedding.SIZE
    assert math.isclose(math.hypot(*vector), 1)
    assert embedding.picture(encoded("teal"))[0] == vector


def test_similar_pictures_are_nearer_than_different_ones():
    red = embedding.picture(encoded("red"))[0]
    assert distance(red, embedding.picture(encoded("#f01000", (200, 100), "JPEG"))[0]) < 0.01
    assert distance(red, embedding.picture(encoded("blue"))[0]) > 0.05


def test_black_has_a_vector_too():
    assert math.isclose(math.hypot(*embedding.picture(encoded("black"))[0]), 1)


def test_what_is_no_picture_is_refused():
    with pytest.raises(UnidentifiedImageError):
        embedding.picture(b"no picture")


def test_equal_words_have_equal_vectors():
    assert embedding.words("a  Cat") == embedding.words("A cat")
    assert distance(embedding.words("a cat"), embedding.words("a dog")) > 0.5


def test_entries_name_tasks_and_models():
    text = json.dumps(
        {
            "clip": {"visual": {"modelName": "ViT-B-32__openai"}},
            "facial-recognition": {
                "detection": {"modelName": "buffalo_l", "options": {"minScore": 0.7}},
                "recognition": {"modelName": "buffalo_l"},
            },
        }
    )
    assert parse_entries(text) == [
        Task("clip", {"visual": "ViT-B-32__openai"}),
        Task("facial-recognition", {"detection": "buffalo_l", "recognition": "buffalo_l"}),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"clip": {}}',
        '{"clip": {"smell": {"modelName": "x"}}}',
        '{"taste": {"visual": {"modelName": "x"}}}',
        '{"clip": {"visual": {}}}',
        '{"clip": {"visual": {"modelName": "x", "options": 3}}}',
    ],
)
def test_other_entries_are_refused(text):
    with pytest.raises(BadEntries):
        parse_entries(text)

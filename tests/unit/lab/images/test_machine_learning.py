import json
import math
from io import BytesIO

import pytest
from immich_ml import embedding
from immich_ml.models import Models
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
        Task("clip", {"visual": "ViT-B-32__openai"}, {"visual": {}}),
        Task(
            "facial-recognition",
            {"detection": "buffalo_l", "recognition": "buffalo_l"},
            {"detection": {"minScore": 0.7}, "recognition": {}},
        ),
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


CLIP = ("clip", "visual", "ViT-B-32__openai")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MACHINE_LEARNING_CACHE_FOLDER", str(tmp_path))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    return tmp_path


def test_a_model_is_downloaded_when_it_is_first_asked_for(cache, monkeypatch):
    Models().predict(*CLIP, {})
    assert (cache / "clip" / "ViT-B-32__openai" / "visual" / "model.onnx").is_file()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    Models().predict(*CLIP, {})
    with pytest.raises(OSError, match="HF_HUB_OFFLINE is set"):
        Models().predict("ocr", "detection", "PP-OCRv5_mobile", {})


def test_the_session_of_one_breaks_the_model_of_all(cache):
    models = Models()
    with pytest.raises(AttributeError):
        models.predict(*CLIP, {"session": "x"})
    with pytest.raises(AttributeError):
        models.predict(*CLIP, {})


def test_a_folder_of_one_is_where_models_are_removed(cache, monkeypatch):
    Models().predict(*CLIP, {})
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(OSError, match="is missing"):
        Models().predict(*CLIP, {"cache_dir": str(cache)})
    assert list(cache.iterdir()) == []


def test_what_cannot_be_loaded_first_ends_the_service(cache, monkeypatch):
    environment = {"MACHINE_LEARNING_PRELOAD__CLIP__VISUAL": "ViT-B-32__openai"}
    Models().preload(environment)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    Models().preload(environment)
    with pytest.raises(OSError, match="HF_HUB_OFFLINE is set"):
        Models().preload({"MACHINE_LEARNING_PRELOAD__OCR__DETECTION": "PP-OCRv5_mobile"})

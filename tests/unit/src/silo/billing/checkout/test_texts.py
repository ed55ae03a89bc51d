"""What customers read where they order: every text in every language, and a page that looks like the others."""

import re
import string
from pathlib import Path

import pytest

from silo.billing.checkout.pages import LANGUAGES, language_of, texts
from tests.unit.roles.customer_texts import leaves
from tests.unit.roles.customer_texts import texts as texts_of_role

ROOT = Path(__file__).parents[6]
IN_EACH = pytest.mark.parametrize("language", LANGUAGES)


def places(text):
    return {name for _text, name, _form, _conversion in string.Formatter().parse(text) if name}


def test_the_languages_are_those_of_the_other_pages():
    assert list(LANGUAGES) == list(texts_of_role("pages"))


@IN_EACH
def test_every_text_is_there_in_every_language_with_the_same_places(language):
    found, english = leaves(texts(language)), leaves(texts("en"))
    assert found.keys() == english.keys()
    assert all(text.strip() for text in found.values())
    assert {leaf: places(text) for leaf, text in found.items()} == {
        leaf: places(text) for leaf, text in english.items()
    }


@IN_EACH
def test_no_text_was_forgotten_in_english(language):
    english = leaves(texts("en"))
    same = [leaf for leaf, text in leaves(texts(language)).items() if text == english[leaf]]
    assert language == "en" or same == []


def test_german_is_written_as_in_switzerland():
    assert "ß" not in str(texts("de"))


@IN_EACH
def test_the_numbers_of_a_name_are_those_of_the_validator(language):
    for text in (texts(language)["plans"]["hint"], texts(language)["names"]["impossible"]):
        assert {"2", "31"} <= set(re.findall(r"\d+", text))


@pytest.mark.parametrize(
    ("asked", "accept", "language"),
    [
        ("fr", "de", "fr"),
        ("xx", "it-CH,it;q=0.9,en;q=0.8", "it"),
        ("", "rm, fr;q=0.5, en;q=0.7", "en"),
        ("", "fr;q=0, de;q=0.1", "de"),
        ("", "fr;q=nonsense, it;q=0.2", "it"),
        ("", "", "de"),
        ("", "*", "de"),
        ("", "," * 100_000, "de"),
        ("", "DE-ch", "de"),
    ],
)
def test_the_language_is_the_readers(asked, accept, language):
    assert language_of(asked, accept) == language

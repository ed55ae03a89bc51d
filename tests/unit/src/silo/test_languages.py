"""A language as people, browsers and shells write it is one of those of the letters, or none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from silo import languages
from silo.inventory import validation
from silo.notifications.letter import LOCALES
from silo.tenant import schema

TYPED = [
    ("fr-CH", "fr"),
    ("de_CH.UTF-8", "de"),
    ("DE", "de"),
    ("it_IT@euro", "it"),
    (" en ", "en"),
    ("de-CH-1996", "de"),
]


@pytest.mark.parametrize(("text", "language"), TYPED)
def test_a_territory_or_an_encoding_is_left_out(text, language):
    assert languages.normal(text) == language


@pytest.mark.parametrize("text", ["", "es", "rm-CH", "C.UTF-8", "../de", "\u0434\u0435", "d" * 10_000])
def test_what_letters_are_not_written_in_is_no_language(text):
    assert languages.normal(text) is None


@given(st.text())
def test_any_text_is_a_language_of_the_letters_or_none(text):
    assert languages.normal(text) in (None, *languages.LANGUAGES)


def test_the_letters_and_the_schema_have_the_same_languages():
    assert tuple(LOCALES) == languages.LANGUAGES
    assert tuple(schema.options()["tenant_language"]["choices"]) == languages.LANGUAGES


@pytest.mark.parametrize("text", ["fr-CH", "fr_CH.UTF-8", "FR"])
def test_an_edit_writes_the_language_and_a_file_may_say_it_as_people_do(tenant_values, text):
    assert validation.new_values("hans", {"language": text}, ()) == {"tenant_language": "fr"}
    assert schema.validate("hans", {**tenant_values, "tenant_language": text})["tenant_language"] == "fr"

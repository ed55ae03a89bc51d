"""The texts for customers, of each role that has some: every text in every language."""

import pytest

from tests.unit.roles.customer_texts import leaves, texts

ROLES = ("access", "pages")
IN_EACH = pytest.mark.parametrize(
    ("role", "language"), [(role, language) for role in ROLES for language in texts(role)]
)


@pytest.mark.parametrize("role", ROLES)
def test_four_languages(role):
    assert list(texts(role)) == ["de", "fr", "it", "en"]


@IN_EACH
def test_every_text_is_there_in_every_language(role, language):
    found = leaves(texts(role)[language])
    assert found.keys() == leaves(texts(role)["en"]).keys()
    assert all(text.strip() for text in found.values())


@IN_EACH
def test_no_text_was_forgotten_in_english(role, language):
    english = leaves(texts(role)["en"])
    same = [leaf for leaf, text in leaves(texts(role)[language]).items() if text == english[leaf]]
    assert language == "en" or same == []


@pytest.mark.parametrize("role", ROLES)
def test_german_is_written_as_in_switzerland(role):
    assert "ß" not in str(texts(role)["de"])

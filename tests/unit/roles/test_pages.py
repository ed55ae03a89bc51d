"""What customers read: every text in every language, and a page that stands by itself."""

from pathlib import Path

import jinja2
import pytest
import yaml

ROLE = Path(__file__).parents[3] / "roles" / "pages"
VARIABLES = {
    **yaml.safe_load((ROLE / "defaults" / "main.yml").read_text()),
    "pages_contact_email": "ops@swissphoto.ch",
    "pages_payment_url": "https://swissphoto.ch/pay?a=1&b=2",
}
TEXTS = yaml.safe_load((ROLE / "vars" / "main.yml").read_text())["__pages_texts"]


def leaves(tree, path=()):
    if isinstance(tree, dict):
        return {leaf: text for key, value in tree.items() for leaf, text in leaves(value, (*path, key)).items()}
    return {path: tree}


def page():
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701  # as Ansible does
    return environment.from_string((ROLE / "templates" / "page.html.j2").read_text()).render(VARIABLES)


def test_four_languages():
    assert list(TEXTS) == ["de", "fr", "it", "en"]


@pytest.mark.parametrize("language", TEXTS)
def test_every_text_is_there_in_every_language(language):
    texts = leaves(TEXTS[language])
    assert texts.keys() == leaves(TEXTS["en"]).keys()
    assert all(text.strip() for text in texts.values())


@pytest.mark.parametrize("language", ["de", "fr", "it"])
def test_no_text_was_forgotten_in_english(language):
    english = leaves(TEXTS["en"])
    assert [leaf for leaf, text in leaves(TEXTS[language]).items() if text == english[leaf]] == []


def test_german_is_written_as_in_switzerland():
    assert "ß" not in str(TEXTS["de"])


@pytest.mark.parametrize("language", TEXTS)
def test_no_text_has_a_character_that_nginx_or_json_takes_for_its_own(language):
    assert [text for text in leaves(TEXTS[language]).values() if set(text) & set('"\\$\n')] == []


def test_the_page_needs_nothing_from_elsewhere():
    for word in ("<script", "<link", "src=", "url(", "@import"):
        assert word not in page()


def test_an_address_is_written_as_html_wants_it():
    assert 'href="https://swissphoto.ch/pay?a=1&amp;b=2"' in page()

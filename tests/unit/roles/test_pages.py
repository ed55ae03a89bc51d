"""What customers read: every text in every language, and pages that stand by themselves."""

import html.parser
from pathlib import Path

import jinja2
import pytest
import yaml

ROLE = Path(__file__).parents[3] / "roles" / "pages"
VARIABLES = {
    **yaml.safe_load((ROLE / "defaults" / "main.yml").read_text()),
    **yaml.safe_load((ROLE / "vars" / "main.yml").read_text()),
    "pages_contact_email": "ops@swissphoto.ch",
    "pages_payment_url": "https://swissphoto.ch/pay?a=1&b=2",
}
TEXTS = VARIABLES["__pages_texts"]
PAGES = [(reason, language) for reason in VARIABLES["__pages_reasons"] for language in VARIABLES["__pages_languages"]]


class Page(html.parser.HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.words.append(data)


def render(reason, language):
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701  # as Ansible does
    template = environment.from_string((ROLE / "templates" / "page.html.j2").read_text())
    return template.render(VARIABLES, __pages_reason=reason, __pages_language=language)


def leaves(tree, path=()):
    if isinstance(tree, dict):
        return {leaf for key, value in tree.items() for leaf in leaves(value, (*path, key))}
    return {path} if tree.strip() else set()


@pytest.mark.parametrize("language", VARIABLES["__pages_languages"])
def test_every_text_is_there_in_every_language(language):
    assert leaves(TEXTS[language]) == leaves(TEXTS["en"])


@pytest.mark.parametrize("language", ["de", "fr", "it"])
def test_no_text_was_forgotten_in_english(language):
    for reason in VARIABLES["__pages_reasons"]:
        assert TEXTS[language][reason]["text"] != TEXTS["en"][reason]["text"]


def test_german_is_written_as_in_switzerland():
    assert "ß" not in yaml.safe_dump(TEXTS["de"], allow_unicode=True)


@pytest.mark.parametrize(("reason", "language"), PAGES)
def test_a_page_stands_by_itself(reason, language):
    page = Page(render(reason, language))
    assert ("html", {"lang": language}) in page.tags
    outside = [tag for tag, attributes in page.tags if "src" in attributes or tag in ("link", "script")]
    assert outside == []
    assert TEXTS[language][reason]["title"] in "".join(page.words)


@pytest.mark.parametrize(("reason", "language"), PAGES)
def test_only_who_is_suspended_is_asked_to_pay(reason, language):
    links = [attributes["href"] for tag, attributes in Page(render(reason, language)).tags if tag == "a"]
    assert ("https://swissphoto.ch/pay?a=1&b=2" in links) == (reason == "suspended")
    assert "mailto:ops@swissphoto.ch" in links

"""One word for one state in each language: what docs/explain/words.md says is what customers read."""

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from silo.languages import LANGUAGES
from tests.unit.roles.customer_texts import leaves, texts

ROOT = Path(__file__).parents[2]
TEMPLATES = ROOT / "src" / "silo" / "notifications" / "templates"
CHECKOUT = ROOT / "src" / "silo" / "billing" / "checkout" / "texts"
# State of the table to the pages and letters that are about it. Their subject or title has its word.
PAGES = {
    "suspended": ("suspended", "cancelled", "paused"),
    "stopped": ("stopped",),
    "maintenance": ("maintenance",),
}
LETTERS = {
    "running": ("restored",),
    "suspended": ("suspended", "suspended_cancelled", "suspended_disputed", "suspended_operator"),
    "paused": ("suspended_paused",),
    "absent": ("deleted", "deletion_announced"),
}
# Where a subject names no state, a word of the same stem does.
STEMS = {"cancellato": "cancell"}


def tables():
    """State to the words in the order of the languages, and language to the words that are none."""
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in (ROOT / "docs" / "explain" / "words.md").read_text().splitlines()
        if line.startswith("|") and "---" not in line
    ]
    words = {name(row[0]): dict(zip(LANGUAGES, row[1:], strict=True)) for row in rows[1:] if len(row) == 5}
    return words, {row[0]: row[1].split(", ") for row in rows if len(row) == 2 and row[0] in LANGUAGES}


def name(cell):
    found = re.search(r"`(\w+)`", cell)
    return found[1] if found else cell.split()[0]


WORDS, OTHERS = tables()


def read(path):
    return YAML(typ="safe", pure=True).load(path.read_text())


def everything(language):
    """Where a text is to what it says, of all that customers read in a language."""
    sources = {role: texts(role)[language] for role in ("pages", "access")}
    sources |= {"letter": read(TEMPLATES / f"{language}.yaml"), "checkout": read(CHECKOUT / f"{language}.yaml")}
    found = {}
    for source, tree in sources.items():
        for path, said in leaves(tree).items():
            for text in said if isinstance(said, list) else [said]:
                found.setdefault((source, *path), "")
                found[source, *path] += f" {text}"
    return found


def test_the_table_has_a_word_for_each_state_in_each_language():
    assert list(WORDS) == ["running", "suspended", "stopped", "absent", "maintenance", "paused"]
    assert OTHERS.keys() == set(LANGUAGES)
    for language in LANGUAGES:
        words = [of[language] for of in WORDS.values()]
        assert len(set(words)) == len(words)
        assert not set(words) & set(OTHERS[language])


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_page_about_a_state_has_its_word_in_the_title(language):
    for state, reasons in PAGES.items():
        for reason in reasons:
            assert WORDS[state][language] in texts("pages")[language][reason]["title"], reason


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_letter_about_a_state_has_its_word_in_the_subject(language):
    written = read(TEMPLATES / f"{language}.yaml")
    for state, kinds in LETTERS.items():
        word = WORDS[state][language]
        for kind in kinds:
            subject = written[kind]["subject"].lower()
            assert word in subject or STEMS.get(word, word) in subject, kind


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_has_another_word_for_a_state(language):
    other = re.compile(rf"\b({'|'.join(map(re.escape, OTHERS[language]))})", re.IGNORECASE)
    assert {where: other.findall(text) for where, text in everything(language).items() if other.search(text)} == {}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_photo_cloud_is_never_called_paused_as_only_its_subscription_is(language):
    """Each sentence with that word names the subscription."""
    subscription = {"de": "Abo", "fr": "abonnement", "it": "abbonamento", "en": "subscription"}[language]
    for where, text in everything(language).items():
        for sentence in re.split(r"(?<=[.!?])\s", text):
            if WORDS["paused"][language] in sentence:
                assert subscription in sentence, where

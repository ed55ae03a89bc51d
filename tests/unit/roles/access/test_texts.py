"""What customers read where they set a password: every text in every language."""

import re
from pathlib import Path

import pytest
import yaml

ROLES = Path(__file__).parents[4] / "roles"
ROLE = ROLES / "access"
VARIABLES = yaml.safe_load((ROLE / "vars" / "main.yml").read_text())
TEXTS = VARIABLES["__access_texts"]


def test_the_languages_are_those_of_the_other_pages():
    pages = yaml.safe_load((ROLES / "pages" / "vars" / "main.yml").read_text())
    assert list(TEXTS) == pages["__pages_languages"]


@pytest.mark.parametrize("language", TEXTS)
def test_the_numbers_are_those_of_the_program(language):
    texts = TEXTS[language]
    assert "10" in texts["form"]["hint"]
    assert "10" in texts["mistakes"]["short"]
    assert "72" in texts["mistakes"]["long"]


def test_the_page_looks_like_the_other_pages():
    one, other = (
        (ROLES.parent / path).read_text()
        for path in ("server/silo_access/page.html", "roles/pages/templates/page.html.j2")
    )
    for part in (r"<svg.*?</svg>", r":root .*?\n}", r"\nbody \{.*?\}", r"\nmain \{.*?\}"):
        assert re.search(part, one, re.DOTALL)[0].split("--edge")[0] in re.search(part, other, re.DOTALL)[0] + other

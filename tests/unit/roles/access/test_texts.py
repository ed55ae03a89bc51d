"""What customers read where they set a password: every text in every language."""

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


@pytest.mark.parametrize(
    "path",
    ["server/silo_access/page.html", "roles/pages/templates/page.html.j2", "src/silo/billing/checkout/page.html"],
)
def test_all_pages_have_one_look(path):
    page = (ROLES.parent / path).read_text()
    assert ("page.css" in page, "page.svg" in page) == (True, True)
    assert (":root" in page, "<svg" in page) == (False, False)

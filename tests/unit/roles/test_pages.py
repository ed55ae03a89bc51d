"""What customers read: every text in every language, and a page that stands by itself."""

import os
import re
import subprocess
import time
from pathlib import Path

import pytest

from tests.unit.roles.customer_texts import leaves, texts

ROLE = Path(__file__).parents[3] / "roles" / "pages"
TEXTS = texts("pages")


@pytest.fixture
def page(render):
    return render("pages", "page.html.j2", pages_contact_email="ops+a&b@swissphoto.ch")


@pytest.fixture
def browser_language(render):
    """Gives a function: header Accept-Language to the languages that texts.conf chooses; one, if all is well."""
    rules = re.search(r"map \$http_accept_language .*?\n}", render("pages", "texts.conf.j2"), re.DOTALL)[0]
    patterns = re.findall(r'"~\*(.+)" (\w+);', rules)
    default = re.findall(r"default (\w+);", rules)
    return lambda wish: [language for rule, language in patterns if re.search(rule, wish, re.I)] or default


@pytest.mark.parametrize("language", TEXTS)
def test_no_text_has_a_character_that_nginx_or_json_takes_for_its_own(language):
    assert [text for text in leaves(TEXTS[language]).values() if set(text) & set('"\\$\n')] == []


def test_the_page_needs_nothing_from_elsewhere(page):
    for word in ("<script", "<link", "src=", "url(", "@import"):
        assert word not in page


def test_an_address_is_written_as_html_wants_it(page):
    assert 'href="mailto:ops+a&amp;b@swissphoto.ch"' in page


# Of debts, in the four languages.
DEBTS = re.compile(
    r"rechnung|zahl|schuld|gesperrt|mahn|factur|pai?e|paie|dette|suspend|fattur|pag[ao]|debit|sospes"
    r"|invoice|pay|debt|owe[ds]?\b|bill",
    re.IGNORECASE,
)


@pytest.mark.parametrize("language", TEXTS)
def test_the_page_of_a_suspended_cloud_tells_strangers_nothing_of_debts(page, language):
    for reason in ("suspended", "cancelled", "trial_over", "paused"):
        shown = " ".join(TEXTS[language][reason].values())
        assert DEBTS.findall(shown) == []
    assert DEBTS.search("Für dieses Konto ist noch eine Rechnung offen")
    assert "/pay" not in page and 'class="pay"' not in page


def told(render, **variables):
    """The rules by which a page leads its owner to where the message is sent again."""
    return re.search(r"map \$reason \$told \{.*?\n}", render("pages", "texts.conf.j2", **variables), re.DOTALL)[0]


def test_an_owner_who_was_told_is_led_to_where_that_is_sent_again_in_words_that_name_no_debt(render):
    url = "https://billing.swissphoto.ch/pay"
    page = render("pages", "page.html.j2", pages_contact_email="x@swissphoto.ch", pages_owner_url=url)
    assert page.count(f'href="{url}?lang=') == 1
    rules = told(render, pages_owner_url=url)
    assert '~^(suspended|cancelled|trial_over|paused)$ "yes";' in rules
    assert 'default "";' in rules
    for language in TEXTS:
        assert DEBTS.findall(f"{TEXTS[language]['owner']} {TEXTS[language]['again']}") == []


def test_where_there_is_no_checkout_nobody_is_led_there(render):
    assert '"yes"' not in told(render)


@pytest.mark.parametrize(
    ("wish", "language"),
    [
        ("fr-CH, fr;q=0.9, en;q=0.8, de;q=0.7", "fr"),
        ("rm,it;q=0.9,fr;q=0.8", "it"),
        ("ja,en;q=0.5,de;q=0.3", "en"),
        ("DE-ch", "de"),
        ("den,it", "it"),
        ("nl,*", "de"),
        ("", "de"),
    ],
)
def test_the_first_language_of_the_browser_that_is_ours_is_taken(browser_language, wish, language):
    assert browser_language(wish) == [language]


def test_a_hostile_header_costs_no_time(browser_language):
    begin = time.monotonic()
    browser_language("," * 4000 + " " * 4000 + "x")
    assert time.monotonic() - begin < 1


def test_every_language_can_be_chosen_on_the_page(page):
    assert re.findall(r'href="\?language=(\w+)" hreflang="(\w+)" lang="(\w+)"', page) == [(x, x, x) for x in TEXTS]


def test_every_run_writes_the_same():
    """What comes out of a set has another order in each process, and the container would be made anew."""
    template = f"{{{{ lookup('ansible.builtin.template', '{ROLE}/templates/nginx.conf.j2') }}}}"
    command = ["ansible", "localhost", "-i", "localhost,", "-m", "ansible.builtin.debug", "-a", f'msg="{template}"']
    variables = [f"-e@{ROLE}/{part}/main.yml" for part in ("defaults", "vars")]
    answers = {
        subprocess.run(
            [*command, *variables], check=True, capture_output=True, env={**os.environ, "PYTHONHASHSEED": seed}
        ).stdout
        for seed in "123"
    }
    assert len(answers) == 1
    assert b"suspended|stopped|starting" in answers.pop()

"""The brand: what it may be, and that another one reaches each page and each letter, with nothing left of the old."""

import base64
import email
import email.policy
import re
import struct
from pathlib import Path

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.swissphoto.silo.plugins.filter.brand import brand as brand_filter

from silo import brand
from silo.billing.checkout import pages as checkout
from silo.billing.checkout.catalogue import Catalogue
from silo.brand import DEFAULTS, PREFIX, Brand, BrandError
from silo.languages import LANGUAGES
from silo.notifications import MailSettings, Outbox
from silo.notifications.letter import render
from silo.notifications.message import compose, mailbox
from silo_access.pages import Pages, PageSettings
from tests import templates
from tests.unit.roles.customer_texts import texts

from .notifications.test_notifications import LETTERS

ROOT = Path(__file__).parents[4]
PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + struct.pack(">II", 120, 40) + b"\x08\x06\x00\x00\x00rest"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path id="a" d="M0 0h9v9z" fill="url(#b)"/></svg>'
OTHER = {
    "name": "Foto & Söhne",
    "color": "#00AA55",
    "color_dark": "#88ffcc",
    "support_email": "hilfe@foto.example",
    "app_name": "Fotokiste",
    "app_store_url": "https://apps.apple.com/app/fotokiste/id1",
    "play_store_url": "https://play.google.com/store/apps/details?id=example.fotokiste",
}
# What of ours must be nowhere; the last one was that of the letters.
OURS = [value for key, value in DEFAULTS.items() if value] + ["#1f5fbf", "swissphoto"]


@pytest.fixture
def logo(tmp_path):
    def write(content, name="logo"):
        path = tmp_path / name
        path.write_bytes(content)
        return str(path)

    return write


def test_what_is_not_said_is_that_of_the_policy():
    policy = yaml.safe_load((ROOT / "group_vars" / "all" / "brand.yml").read_text())
    written = {key.removeprefix(PREFIX): value for key, value in policy.items() if key.startswith(PREFIX)}
    assert {key: value for key, value in written.items() if "{{" not in value} == {
        key: value for key, value in DEFAULTS.items() if key != "support_email"
    }
    assert policy["silo_brand"].keys() == DEFAULTS.keys()
    roles = [yaml.safe_load(path.read_text()) or {} for path in ROOT.glob("roles/*/defaults/main.yml")]
    known = {name for values in roles for name in values if name.endswith("_brand")}
    assert known == {name for name, value in policy.items() if value == "{{ silo_brand }}"} - {"billing_checkout_brand"}


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("name", "", "silo_brand_name is ''; it must be a text of 1 to 60 characters on one line"),
        ("name", "a\nb", "on one line"),
        ("name", "x" * 61, "of 1 to 60 characters"),
        ("name", 7, "silo_brand_name is 7;"),
        ("color", "red", "silo_brand_color is 'red'; it must be a colour such as #b3261e"),
        ("color", "#12345", "it must be a colour"),
        ("color_dark", "#12345g", "silo_brand_color_dark is"),
        ("color", "#fff;} body{background:url(x)", "it must be a colour"),
        (
            "app_store_url",
            "http://apps.apple.com/app",
            "silo_brand_app_store_url is 'http://apps.apple.com/app'; it must",
        ),
        ("app_store_url", "https://a b.example/", "it must be an https address of plain letters"),
        ("play_store_url", 'https://x.example/"onclick=', "it must be an https address"),
        ("play_store_url", "https://user@x.example/", "it must be an https address"),
        ("play_store_url", "https://x.example/" + "a" * 2048, "of at most 2048"),
        (
            "support_email",
            "nobody",
            "silo_brand_support_email is 'nobody'; it must be an address such as hans@example.ch",
        ),
        ("logo", "logo.svg", "it must be the absolute path of a file"),
        ("logo", "/nowhere/logo.svg", "which cannot be read: No such file"),
        ("colour", "#ffffff", "silo_brand_colour is unknown; there are name, color"),
    ],
)
def test_what_cannot_be_is_a_sentence(key, value, said):
    with pytest.raises(BrandError) as caught:
        Brand.of({key: value})
    assert said in str(caught.value)
    with pytest.raises(AnsibleFilterError, match=f"{PREFIX}{key}"):
        brand_filter({key: value})


def test_what_is_no_mapping_is_a_sentence():
    with pytest.raises(BrandError, match="the brand is 'SwissPhoto'; it must map name, color"):
        Brand.of("SwissPhoto")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"GIF89a", "it is neither"),
        (b"\xff\xd8\xff", "it is neither"),
        (b"", "it is neither"),
        (PNG[:12] + b"IDAT" + PNG[16:], "no whole PNG"),
        (PNG[:16] + struct.pack(">II", 2049, 1), "of at most 2048 x 2048 pixels"),
        (b"<html/>", "its first element is"),
        (SVG.replace(b"<path", b"<script>alert(1)</script><path"), "it has an element 'script'"),
        (SVG.replace(b"<path", b"<foreignObject/><path"), "'foreignObject'"),
        (SVG.replace(b"<path", b"<animateTransform/><path"), "'animateTransform'"),
        (SVG.replace(b" d=", b" onload='x()' d="), "the attribute 'onload' of 'path'"),
        (SVG.replace(b"<path", b"<use href='https://x.example/a.svg#a'/><path"), "'href' of 'use'"),
        (SVG.replace(b"<path", b"<a href='javascript:x()'/><path"), "'href' of 'a'"),
        (SVG.replace(b"url(#b)", b"url(https://x.example/)"), "'fill' of 'path'"),
        (SVG.replace(b"<path", b"<style>@import 'x'</style><path"), "its element 'style'"),
        (b"<!DOCTYPE svg [<!ENTITY a 'aaaa'>]>" + SVG, "it has a DOCTYPE, an entity"),
        (b"<?xml-stylesheet href='x'?>" + SVG, "or a style sheet"),
        (SVG + b" " * brand.LARGEST_LOGO, "it must have at most 49152"),
    ],
)
def test_a_logo_that_acts_grows_or_is_none_is_refused(logo, content, said):
    with pytest.raises(BrandError, match=f"{PREFIX}logo is") as caught:
        Brand.of({"logo": logo(content)})
    assert said in str(caught.value)


@pytest.mark.parametrize(("content", "kind"), [(PNG, "png"), (SVG, "svg+xml")])
def test_a_logo_is_part_of_what_shows_it(logo, content, kind):
    found = Brand.of({"logo": logo(content)})
    assert found.logo == f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
    assert found.png == (content if kind == "png" else b"")


@pytest.mark.parametrize(
    ("color", "on"), [("#b3261e", "#ffffff"), ("#ffffff", "#000000"), ("#000000", "#ffffff"), ("#ffdd00", "#000000")]
)
def test_what_is_written_on_a_colour_can_be_read(color, on):
    assert Brand.of({"color": color}).on_color == on


def shown_everywhere(said):
    """Where it is shown to what is shown: each page and letter with this brand, in each language."""
    known = brand.shown(said)
    found = {"page": templates.render("pages", "page.html.j2", pages_brand=said, pages_contact_email="a@b.example")}
    access = Pages(PageSettings("127.0.0.1", 0, "", 1, known, "a@b.example", texts("access")))
    plans = Catalogue("h.example", "d.example", Brand.of(said), "a@b.example", (), (), "", frozenset())
    for language in LANGUAGES:
        for name in ("form", "done", "ended", "limited", "failed"):
            found[f"access {name} {language}"] = access.render(language, name, host_name="hans.d.example")
        for name, entry in checkout.texts(language).items():
            if isinstance(entry, dict) and "title" in entry and name not in ("plans", "pay"):
                found[f"checkout {name} {language}"] = checkout.render(plans, language, name, mistakes=(), email="")
        found[f"checkout plans {language}"] = checkout.plans(plans, language, ())
        for letter in LETTERS:
            if letter.kind != "order_parked":  # its address is the platform's own page, which the test chose
                rendered = render(letter, language, Brand.of(said))
                found[f"letter {letter.kind} {language} text"] = rendered.text
                found[f"letter {letter.kind} {language}"] = rendered.html
    return found


def test_another_brand_reaches_every_page_and_letter_and_nothing_is_left_of_ours():
    found = shown_everywhere(OTHER)
    assert len(found) > 150
    for where, text in found.items():
        assert [ours for ours in OURS if ours.lower() in text.lower()] == [], where
        is_text = where.endswith(" text")
        assert (OTHER["name"] if is_text else "Foto &amp; Söhne") in text, where
        assert is_text or OTHER["color"].lower() in text, where


def test_the_first_login_and_the_first_letter_name_the_app_and_lead_to_both_shops():
    found = shown_everywhere(OTHER)
    for language in LANGUAGES:
        for where in (f"access done {language}", f"letter created {language}", f"letter created {language} text"):
            text = found[where].replace("&amp;", "&")
            assert all(OTHER[key] in text for key in ("app_name", "app_store_url", "play_store_url")), where
        assert OTHER["app_name"] in found[f"access form {language}"]


def test_where_the_app_is_in_no_shop_nobody_is_sent_to_one():
    found = shown_everywhere(OTHER | {"app_store_url": "", "play_store_url": ""})
    assert [where for where, text in found.items() if "App Store" in text or "Google Play" in text] == []


@pytest.mark.parametrize("content", [PNG, SVG])
def test_a_logo_stands_on_each_page_in_place_of_the_name(logo, content):
    said = OTHER | {"logo": logo(content)}
    url = Brand.of(said).logo
    for where, text in shown_everywhere(said).items():
        if not where.startswith("letter"):
            assert f'<img src="{url}" alt="Foto &amp; Söhne">' in text, where


@pytest.mark.parametrize(("content", "parts"), [(PNG, ["image/png"]), (SVG, [])])
def test_a_letter_has_the_logo_with_it_where_mail_programs_show_it(logo, content, parts):
    rendered = render(LETTERS[0], "de", Brand.of(OTHER | {"logo": logo(content)}))
    message = compose("created/hans/1", "hans@example.ch", rendered, "de", mailbox("sender", "a@b.example"))
    read = email.message_from_bytes(message.as_bytes(), policy=email.policy.default)
    images = [part for part in read.walk() if part.get_content_maintype() == "image"]
    assert [part.get_content_type() for part in images] == parts
    assert [part.get_content() for part in images] == [content] * len(parts)
    assert ('src="cid:logo"' in rendered.html) == bool(parts)
    assert all(part["Content-ID"] == "<logo>" for part in images)
    assert read.get_body(("plain",)).get_content().replace("\r", "") == rendered.text


def test_letters_are_those_of_the_inventory_s_brand(tmp_path):
    variables = {"letters_relay_host": "127.0.0.1", "letters_relay_port": 25, "letters_sender": "a@b.example"}
    variables |= {"letters_relay_security": "none", "letters_brand": OTHER}
    settings = MailSettings.of(variables, tmp_path / "outbox.db")
    assert settings.sender_name == OTHER["name"]
    outbox = Outbox(settings)
    outbox.enqueue("created/hans/1", "hans@example.ch", LETTERS[0], "de")
    with outbox._database() as database:
        (body,) = database.execute("SELECT body FROM letter").fetchone()
    read = email.message_from_bytes(body, policy=email.policy.default)
    assert "Freundliche Grüsse, Foto & Söhne" in read.get_body(("plain",)).get_content()
    assert read["From"].addresses[0].display_name == OTHER["name"]


def test_no_source_of_a_page_or_letter_names_ours():
    """Of what customers read; comments and names of the product are in none of these."""
    folders = ("src/silo/notifications/templates", "src/silo/billing/checkout/texts", "roles/pages/templates")
    files = [path for folder in folders for path in (ROOT / folder).iterdir()]
    files += [ROOT / name for name in ("src/silo/billing/checkout/page.html", "server/silo_access/page.html")]
    files += [ROOT / "roles" / role / "vars" / "main.yml" for role in ("pages", "access")]
    for path in files:
        text = re.sub(r"ch\.swissphoto\.|swissphoto[./]silo", "", path.read_text())
        assert [ours for ours in OURS if ours.lower() in text.lower()] == [], path

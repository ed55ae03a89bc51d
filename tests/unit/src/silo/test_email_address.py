"""One check of an address for all who give one: what one way takes all take, and as the same address."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from silo import email_address
from silo.inventory import InventoryError, validation
from silo.notifications import LetterError
from silo.notifications.message import mailbox
from silo.tenant import schema
from tests import templates

RIGHT = [
    ("hans@example.ch", "hans@example.ch"),
    ("Hans.Muster+Fotos@Example.CH", "hans.muster+fotos@example.ch"),
    ("o'brien@example.com", "o'brien@example.com"),
    ("hans@müller.ch", "hans@xn--mller-kva.ch"),
    ("hans@mu\u0308ller.ch", "hans@xn--mller-kva.ch"),
    ("hans@xn--mller-kva.ch", "hans@xn--mller-kva.ch"),
    ("hans@MÜLLER.CH", "hans@xn--mller-kva.ch"),
    ("a" * 64 + "@example.ch", "a" * 64 + "@example.ch"),
    ("ops@swissphoto.test", "ops@swissphoto.test"),
]
WRONG = [
    ("hans.@example.ch", "a period immediately before the @-sign"),
    ("a..b@example.ch", "two periods in a row"),
    ("mailto:hans@example.ch", "invalid characters before the @-sign: ':'"),
    ("a" * 65 + "@example.ch", "too long before the @-sign"),
    ("hans@-example.ch", "a hyphen immediately after the @-sign"),
    ("häns@example.ch", "internationalized characters before the @-sign are not supported"),
    ('"hans muster"@example.ch', "quoting the part before the @-sign is not allowed"),
    ("hans@localhost", "it should have a period"),
    ("hans@[192.0.2.1]", "a bracketed IP address"),
    ("Hans <hans@example.ch>", "a display name"),
    ("hans@example.ch,maria@example.ch", "invalid characters"),
    ("hans@example.ch\nBcc: all@example.ch", "a character that acts or hides"),
    ("hans\u202e@example.ch", "a character that acts or hides"),
    ("{{x}}@example.ch", "takes for a template"),
    (" hans@example.ch", "SPACE"),
    ("a@" + "b" * 300 + ".ch", "it has 305 characters, and an address at most 254"),
    ("hans", "must have an @-sign"),
    ("", "must have an @-sign"),
    (None, "it is no text"),
    (7, "it is no text"),
]


@pytest.mark.parametrize(("text", "normal"), RIGHT)
def test_what_mail_takes_is_an_address_with_one_normal_form(text, normal):
    found = email_address.parse(text)
    assert (found.typed, found.normal) == (text, normal)
    assert email_address.same(text, normal.upper())


@pytest.mark.parametrize(("text", "reason"), WRONG)
def test_what_no_relay_takes_is_refused_with_the_reason(text, reason):
    found = email_address.problem(text)
    assert found.startswith("it must be an address such as hans@example.ch: ")
    assert reason.lower() in found.lower()
    assert found.isprintable() and len(found) < 300


def test_what_is_no_address_equals_itself_alone():
    assert email_address.same("", "")
    assert not email_address.same("hans@example.ch", "hans")


def takes(work):
    try:
        work()
    except (InventoryError, LetterError, schema.TenantError):
        return False
    return True


local = st.text(st.sampled_from("aZ09.!#$%&'*+/=?^_`{|}~-\"\\ :;,<>()[]ä\u0430\u200b"), min_size=0, max_size=70)
label = st.text(st.sampled_from("aZ09-_üß\u0430\u00ad "), min_size=0, max_size=66)
written = st.builds(lambda name, labels: f"{name}@{'.'.join(labels)}", local, st.lists(label, min_size=1, max_size=3))


@given(st.one_of(written, st.sampled_from([text for text, _normal in [*RIGHT, *WRONG] if isinstance(text, str)])))
@example("{%@example.ch")
@settings(deadline=None)
def test_what_one_way_takes_all_take(text):
    right = email_address.problem(text) is None
    ways = {
        "the command line, a playbook and billing": lambda: validation.new_values("hans", {"email": text}, ()),
        "a file": lambda: schema.validate("hans", {**templates.HANS, "tenant_email": text}),
        "a letter": lambda: mailbox("recipient", text),
    }
    assert {way: takes(work) for way, work in ways.items()} == dict.fromkeys(ways, right)
    if right:
        # What goes onto the wire is ASCII, whatever the person typed.
        wire = mailbox("recipient", text).addr_spec
        assert wire.isascii() and wire.lower() == email_address.parse(text).normal

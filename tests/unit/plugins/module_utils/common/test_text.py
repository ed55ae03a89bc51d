"""Whatever somebody says is one line in which nothing happens."""

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.common.text import printable
from hypothesis import given
from hypothesis import strategies as st


@given(st.text(), st.integers(0, 50))
def test_any_text_is_one_short_line_that_does_nothing(text, limit):
    found = printable(text, limit)
    assert found.isprintable()
    assert len(found) <= limit


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Zürich 日本 [/x]", "Zürich 日本 [/x]"),
        ("a\nb\r\nc\td", "a b  c d"),
        ("\x1b[2J\x1b]8;;http://a\x07x\x9b1m\x7f\x00", r"\x1b[2J\x1b]8;;http://a\x07x\x9b1m\x7f\x00"),
        ("\u202eabc\u2066\u200b\ufeff", r"\u202eabc\u2066\u200b\ufeff"),
        ("a\u2028b\u2029c", "a b c"),
        ("\ud800", r"\ud800"),
        ("x" * 201, "x" * 197 + "..."),
        ("x" * 200, "x" * 200),
    ],
)
def test_letters_stay_and_what_does_something_is_shown_by_its_number(text, found):
    assert printable(text) == found

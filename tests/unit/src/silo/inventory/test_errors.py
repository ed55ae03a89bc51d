"""Values in messages: what people can read shows, and nothing acts or hides."""

import pytest

from silo.inventory.errors import shown


@pytest.mark.parametrize("text", ["hans@müller.ch", "Žofia", "Ελένη", "写真", "👋", "o'brien"])
def test_printable_letters_of_any_script_show(text):
    assert text in shown(text)


@pytest.mark.parametrize(
    ("text", "escape"),
    [
        ("\x1b[2J", "\\x1b"),
        ("a\nb", "\\n"),
        ("\u202ehans", "\\u202e"),
        ("\u2066", "\\u2066"),
        ("a\u200bb", "\\u200b"),
        ("\u0378", "\\u0378"),
        ("\ue000", "\\ue000"),
        ("\U000e0041", "\\U000e0041"),
        ("\u3164", "\\u3164"),
        ("\ud800", "\\ud800"),
        ("\x85", "\\x85"),
    ],
)
def test_controls_marks_of_direction_and_what_is_no_letter_do_not(text, escape):
    assert escape in shown(text)
    assert text not in shown(text)
    assert shown(text).isprintable()


def test_a_long_value_is_cut_and_its_length_told():
    assert shown("ü" * 100) == f"'{'ü' * 59}... (100 characters)"
    assert shown(10**6000) == "a number of too many digits"

"""An edit changes what it should, and not one other byte."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from silo.inventory import document
from silo.inventory.errors import InventoryError
from tests.unit.examples import examples

FILE = """\
# Written before the document, which a round trip loses.
---
# A tenant.
tenant_email: 'hans@example.ch' # by post
tenant_plan:   small

# Bought on top.
tenant_quota: "200G"
tenant_index: 3 # never again
# the end
"""


def edited(text, **changes):
    return document.edit(document.read("hans/tenant.yml", text), changes).text


def test_a_value_is_replaced_in_its_place_with_its_quotes():
    assert edited(FILE, tenant_quota="1T") == FILE.replace('"200G"', '"1T"')
    assert edited(FILE, tenant_email="h@example.ch") == FILE.replace("'hans@", "'h@")
    assert edited(FILE, tenant_plan="large") == FILE.replace("  small", "  large")


def test_a_new_setting_stands_after_the_last_one():
    assert edited(FILE, tenant_state="stopped") == FILE.replace(
        "# never again\n", "# never again\ntenant_state: stopped\n"
    )


def test_a_setting_goes_and_the_comments_around_it_stay():
    assert edited(FILE, tenant_quota=None) == FILE.replace('tenant_quota: "200G"\n', "")
    assert edited(FILE, tenant_state=None) == FILE


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("", "a: 1\n"),
        ("---\n", "---\na: 1\n"),
        ("# nothing yet", "# nothing yet\na: 1\n"),
        ("b: 2", "b: 2\na: 1\n"),
        ("b: 2\r\n# c\r\n", "b: 2\r\na: 1\r\n# c\r\n"),
        ("b: |\n  x\n\n", "b: |\n  x\n\na: 1\n"),
        ('b: ~\nc: "\\u00e9"\nd: !vault |\n  33\n', 'b: ~\nc: "\\u00e9"\nd: !vault |\n  33\na: 1\n'),
        ("a: 2\nb: 1\n", "a: 1\nb: 1\n"),
        ("a:\nb: 1\n", "a: 1\nb: 1\n"),
        ("a: |\n  two\n  lines\nb: 1\n", "a: 1\nb: 1\n"),
        ("a: >-\n  two\n  lines\n", "a: 1\n"),
        ("a: 2\n...\n", "a: 1\n...\n"),
        ("b: 2\n...\n", "b: 2\na: 1\n...\n"),
    ],
)
def test_every_form_of_a_file_takes_a_number(text, after):
    assert edited(text, a=1) == after


@pytest.mark.parametrize(
    "value", ["no", "on", "1:30", "0x10", "1e3", "~", "null", "012", "a: b", "a #b", "*a", "-", ""]
)
def test_a_text_that_looks_like_something_else_is_quoted(value):
    assert yaml.safe_load(edited("a: 1\n", b=value)) == {"a": 1, "b": value}
    assert yaml.safe_load(edited("b: plain\n", b=value)) == {"b": value}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: [1\n", "hans/tenant.yml: line 2 cannot be read, .*; it must hold lines such as 'tenant_plan: small'"),
        ("a: 1\na: 2\n", "hans/tenant.yml: line 2 has 'a' once more; keep one of the two lines"),
        ("- a\n", r"hans/tenant.yml: it holds \['a'\]; it must hold lines such as"),
        ("just a sentence", "hans/tenant.yml: it holds 'just a sentence'; it must hold lines such as"),
        ("1: 2\n", r"hans/tenant.yml: it holds \{1: 2\}; it must hold lines such as"),
        ("a: 1\n---\nb: 2\n", "hans/tenant.yml: line 2 cannot be read, but found another document"),
        ("a: \x07\n", "hans/tenant.yml: it cannot be read, .*; it must hold lines such as"),
        ("a: 2026-99-99\n", "hans/tenant.yml: .*cannot be read"),
        (
            "$ANSIBLE_VAULT;1.1;AES256\n3335\n",
            "hans/tenant.yml: it is encrypted by ansible-vault; its settings must be plain text",
        ),
    ],
)
def test_what_is_no_file_of_settings_is_told(text, sentence):
    with pytest.raises(InventoryError, match=f"^{sentence}") as error:
        document.read("hans/tenant.yml", text)
    assert len(error.value.problems) == 1
    assert "\n" not in str(error.value)


def test_settings_in_braces_are_left_to_people():
    with pytest.raises(InventoryError, match="one pair of braces; put each on its own line"):
        edited("{a: 1, b: 2}\n", a=2)


def test_a_file_whose_values_hang_together_is_left_to_people():
    with pytest.raises(InventoryError, match="cannot be edited without a change to its other lines"):
        edited("a: &one 1\nb: *one\n", a=2)


KEYS = st.sampled_from(["tenant_a", "tenant_b", "tenant_c", "tenant_d"])
VALUES = st.one_of(
    st.integers(0, 10**6),
    st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_categories=["C"]), max_size=40),
)
COMMENTS = st.lists(st.text("abc #:'\"-{}", max_size=12).map(lambda text: f"# {text}"), max_size=2)


@examples(50, 150)
@given(st.dictionaries(KEYS, st.tuples(COMMENTS, VALUES)), KEYS, VALUES, st.sampled_from(["\n", "\r\n"]))
def test_whatever_is_written_is_read_again_and_all_lines_of_others_stay(entries, key, value, line_end):
    lines = ["---"]
    for name, (comments, old) in entries.items():
        lines += [*comments, yaml.safe_dump({name: old}, width=1000, allow_unicode=True).strip("\n")]
    text = line_end.join(lines) + line_end
    after = edited(text, **{key: value})
    assert yaml.safe_load(after) == {name: old for name, (_comments, old) in entries.items()} | {key: value}
    others = [line for line in text.splitlines(keepends=True) if not line.startswith(f"{key}:")]
    assert [line for line in after.splitlines(keepends=True) if not line.startswith(f"{key}:")] == others
    assert document.read("", edited(after, **{key: None})).settings == {
        name: old for name, (_comments, old) in entries.items() if name != key
    }

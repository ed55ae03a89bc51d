"""JSON is taken up to a size and a depth, and all that is wrong with it is one error."""

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.common.bounded_json import DEEPEST, JsonError, parse


def nested(depth):
    return "[" * depth + "]" * depth


@pytest.mark.parametrize("text", ["{}", b"[]", '"a"', "1.5", "null", '{"a": [1, {"b": null}]}', nested(DEEPEST)])
def test_what_is_plain_is_read(text):
    parse(text)


@pytest.mark.parametrize(
    "text",
    [
        nested(DEEPEST + 1),
        nested(100_000),
        '{"a":' * 100_000,
        "",
        "{",
        b"\xff\xfe",
        "NaN",
        "-Infinity",
        "[1e",
        "9" * 9999,
    ],
)
def test_what_is_not_is_one_error_without_anything_of_it(text):
    with pytest.raises(JsonError, match="^it (is|has) ") as raised:
        parse(text)
    assert len(str(raised.value)) < 100


def test_a_size_and_a_depth_may_be_given():
    assert parse("[[]]", 4, 2) == [[]]
    with pytest.raises(JsonError, match="it has 4 bytes; it must have at most 3"):
        parse("[[]]", 3)
    with pytest.raises(JsonError, match="at most 1 levels"):
        parse("[[]]", 4, 1)

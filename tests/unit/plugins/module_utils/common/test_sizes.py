from __future__ import annotations

from contextlib import suppress

import pytest
from ansible.module_utils.common.text.formatters import human_to_bytes
from ansible_collections.swissphoto.silo.plugins.module_utils.common.sizes import (
    SizeError,
    format_size,
    parse_size,
    rough,
    size,
)
from hypothesis import given
from hypothesis import strategies as st

GIB = 2**30


@pytest.mark.parametrize(
    ("text", "size"),
    [("100G", 100 * 2**30), ("1T", 2**40), ("1.5 TiB", 3 * 2**39), ("512MB", 2**29), ("4096", 4096), (7, 7), ("0", 0)],
)
def test_reads_what_people_write(text: str | int, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["lots", "", "-1G", "100g", "100Gb", "1,5T", "1e3G", "0.5", "G", "100G 1", "١G", "iB"])
def test_refuses_what_is_not_a_size(text: str) -> None:
    with pytest.raises(SizeError, match="is not a "):
        parse_size(text)


@given(st.integers(0, 2**20), st.sampled_from("KMGTP"))
def test_agrees_with_ansible(number: int, unit: str) -> None:
    assert parse_size(f"{number}{unit}") == human_to_bytes(f"{number}{unit}")


@given(st.integers(1, 2**20), st.sampled_from("BKMGT"))
def test_reads_back_exactly_what_is_whole(number: int, unit: str) -> None:
    size = parse_size(f"{number}{unit}")
    shown = format_size(size)
    if "." not in shown:
        assert parse_size(shown) == size
    else:
        assert abs(parse_size(shown) - size) <= size * 0.06


@given(st.text())
def test_any_text_is_a_size_or_an_error(text: str) -> None:
    with suppress(SizeError):
        assert parse_size(text) >= 0


def test_shows_sizes_as_people_write_them() -> None:
    assert [format_size(size) for size in (0, 1023, 1024, 1536, 100 * 2**30, 2**40)] == [
        "0B",
        "1023B",
        "1K",
        "1.5K",
        "100G",
        "1T",
    ]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (512 * 1024**2, "512 MiB"),
        (5 * GIB // 2, "2.5 GiB"),
        (1024 * GIB, "1 TiB"),
        (-GIB, "-1 GiB"),
    ],
)
def test_a_size_for_people(number: int, text: str) -> None:
    assert size(number) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 B"), (1023, "1023 B"), (95627182, "91.2 MiB"), (5 * GIB // 2, "2.5 GiB"), (-GIB - 1, "-1 GiB")],
)
def test_a_size_for_a_table(number: int, text: str) -> None:
    assert rough(number) == text

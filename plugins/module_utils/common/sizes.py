# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sizes as people write them, C(100G), and as machines count them, bytes.

Units are powers of 1024, as in Ansible's C(human_to_bytes) and in every tool that sets the limits.
"""

from __future__ import annotations

import re

UNITS = {"": 1, "B": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40, "P": 2**50}
_SIZE = re.compile(r"(?P<number>[0-9]{1,20}(?:\.[0-9]{1,6})?) ?(?P<unit>[KMGTP]?(?:i?B)?)", re.ASCII)


class SizeError(ValueError):
    """A text that is not a size."""


def parse_size(text: str | int) -> int:
    """Return the bytes that C(100G), C(1.5 TiB), C(512MB) or C(4096) stand for.

    Raises SizeError with a sentence for everything else: bits, negative numbers, parts of a byte, no number at all.
    """
    match = _SIZE.fullmatch(str(text).strip())
    if match is None:
        raise SizeError(f"'{text}' is not a size; write a number with K, M, G or T, such as 100G")
    unit = UNITS[match["unit"].removesuffix("B").removesuffix("i")]
    whole, fraction = f"{match['number']}.".split(".")[:2]
    scale = int("1" + "0" * len(fraction))
    size, rest = divmod(int(whole + fraction) * unit, scale)
    if rest and unit == 1:
        raise SizeError(f"'{text}' is not a whole number of bytes")
    return size


def format_size(size: int) -> str:
    """Return bytes for people: exact if they are a whole number of some unit, else with one decimal."""
    for unit in ("P", "T", "G", "M", "K"):
        number = abs(size) / UNITS[unit]
        if number >= 1:
            exact = size % UNITS[unit] == 0
            return f"{size // UNITS[unit]}{unit}" if exact else f"{size / UNITS[unit]:.1f}{unit}"
    return f"{size}B"


def size(number: float) -> str:
    """Return a size in bytes for people: 100 GiB, 1 TiB, 512 MiB; a size below zero keeps its sign."""
    for unit in ("T", "G", "M", "K"):
        if abs(number) >= UNITS[unit]:
            return f"{number / UNITS[unit]:.6g} {unit}iB"
    return f"{number} B"


def rough(number: int) -> str:
    """Return a size in bytes as C(size) does, with one decimal at most, for a table."""
    unit = next((UNITS[unit] for unit in ("T", "G", "M", "K") if abs(number) >= UNITS[unit]), 1)
    return size(round(number / unit, 1) * unit) if number % unit else size(number)

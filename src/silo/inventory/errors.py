"""What the inventory refuses, said in sentences."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

SHOWN = 60


class InventoryError(Exception):
    """An edit that cannot be, or an inventory that cannot be read: nothing is changed.

    Each of `problems` is a sentence that names the tenant or file, the field, the value, and what would be right.
    """

    def __init__(self, problems: str | Iterable[str]) -> None:
        """Keep the sentences apart, for those who print them one by one."""
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


def shown(value: object) -> str:
    """Return a value for a sentence: on one line, cut where it is long, no letter that looks like another."""
    try:
        text = ascii(value)
    except ValueError:  # Python writes no number of more than some thousand digits.
        return "a number of too many digits"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}... ({len(str(value))} characters)"


def foreign_letter(text: str) -> str | None:
    """Return the Unicode name of the first letter of `text` that is not plain, or None."""
    return next((unicodedata.name(letter, ascii(letter)) for letter in text if not letter.isascii()), None)

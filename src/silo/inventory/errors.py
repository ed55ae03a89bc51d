"""The errors of the inventory."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable

from ansible_collections.swissphoto.silo.plugins.module_utils.common.text import printable

SHOWN, LONGEST = 60, 1000


class InventoryError(Exception):
    """An edit was refused, or an inventory cannot be read; nothing was changed.

    Each of `problems` is a sentence that names the tenant or file, the field, the value, and what would be right.
    """

    def __init__(self, problems: str | Iterable[str]) -> None:
        """Keep the sentences apart, for those who print them one by one."""
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


class InventoryBusyError(InventoryError):
    """Another edit holds the inventory's lock; the same edit may succeed once that one has ended."""


class NameRefusedError(InventoryError):
    """A new tenant cannot have its name: somebody has it or had it, or it looks like that of another."""


class HostAwayError(Exception):
    """An edit needs a machine that cannot do its part now; nothing was changed, and later it may succeed."""


def unknown_tenant(name: str, names: Iterable[str]) -> InventoryError:
    """Return the error for a tenant that is none of `names`; it says which one may be meant."""
    known = sorted(names)
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean {near[0]!r}?" if near else f"The tenants are: {', '.join(known) or 'none yet'}"
    return InventoryError(f"unknown tenant {shown(name)}. {hint}")


def shown(value: object) -> str:
    """Return a value for a message: on one line, truncated; letters of any script show, and nothing acts or hides."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no number of more than some thousand digits.
        return "a number of too many digits"
    plain = printable(text, LONGEST)
    return plain if len(plain) <= SHOWN else f"{plain[:SHOWN]}... ({len(str(value))} characters)"


def foreign_letter(text: str) -> str | None:
    """Return the Unicode name of the first letter of `text` that is not plain, or None."""
    return next((unicodedata.name(letter, ascii(letter)) for letter in text if not letter.isascii()), None)

# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""One promise that was looked at."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable


@dataclasses.dataclass(frozen=True)
class Check:
    """`check` is what was looked at and `subject` where: hans/server, hans, silo1. `seen` never holds a secret."""

    check: str
    subject: str
    ok: bool
    seen: str
    expected: str


def same(check: str, subject: str, seen: str, expected: str) -> Check:
    """Return a check that holds where what is seen is what is expected."""
    return Check(check, subject, seen == expected, seen, expected)


def none_of(check: str, subject: str, wrong: Iterable[str], seen: str, expected: str) -> Check:
    """Return a check that holds where nothing is wrong; `seen` is what is told then."""
    found = list(dict.fromkeys(wrong))
    # A server with many tenants has a long list; the first few say what it is.
    more = f" and {len(found) - 5} more" if len(found) > 5 else ""
    return Check(check, subject, not found, ", ".join(found[:5]) + more if found else seen, expected)

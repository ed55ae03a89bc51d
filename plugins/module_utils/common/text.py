# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Text that others wrote, as terminals, logs and letters can take it."""

from __future__ import annotations

import re

# Letters that show nothing, although Unicode counts them as printable.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]"
)


def printable(text: str, limit: int = 200) -> str:
    """Return a text on one line of at most `limit` characters, in which nothing acts or hides.

    White space becomes a space. Control characters, marks of direction, characters of no width and surrogates become
    their escapes, such as \\x1b. What does not fit is replaced by "...".
    """
    # What is cut away need not be made harmless first; no character becomes shorter.
    plain = text[: limit + 1]
    if not plain.isprintable() or _INVISIBLE.search(plain):
        plain = "".join(map(_harmless, plain))
    return plain if len(plain) <= limit else plain[: max(0, limit - 3)] + "..."[:limit]


def _harmless(letter: str) -> str:
    if letter.isspace():
        return " "
    return letter if letter.isprintable() and not _INVISIBLE.match(letter) else ascii(letter)[1:-1]

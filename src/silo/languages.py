"""The languages in which silo writes to customers, and what people, browsers and shells write for them."""

from __future__ import annotations

from babel.core import parse_locale

# The first one is that of a customer of whom nothing is known.
LANGUAGES = ("de", "fr", "it", "en")
LONGEST = 60


def normal(text: str) -> str | None:
    """Return the language of a text such as `DE`, `fr-CH` or `de_CH.UTF-8`; None if silo does not write in it."""
    try:
        # Whoever writes a territory or an encoding means the language all the same.
        found = parse_locale(text.strip()[:LONGEST].replace("-", "_"))[0]
    except ValueError:
        return None
    return found if found in LANGUAGES else None

"""Letters of billing to the operator; those to customers stand in silo.notifications."""

from __future__ import annotations

import html

from silo.edits import Edits
from silo.notifications.letter import Rendered
from silo.notifications.settings import OPERATOR


def tell_operator(edits: Edits, event: str, subject: str, text: str) -> bool:
    """Keep a letter to the operator; False where one is kept under `event`, or nobody can be told.

    `event` is the same each time for the same thing, such as billing/parked/evt_1: what is tried again is told once.
    Raises LetterError.
    """
    operator = edits.policy.letters.get(OPERATOR)
    if edits.outbox is None or not operator or event in edits.outbox.states():
        return False
    text = f"{text}\n"
    return edits.outbox.tell(event, str(operator), Rendered(subject, text, f"<pre>{html.escape(text)}</pre>\n"))

"""Whether the operator's relay would take a letter now."""

from __future__ import annotations

import dataclasses

from silo.diagnostics.preflight.finding import Finding
from silo.notifications.errors import LetterError, TemporaryError
from silo.notifications.relay import Relay
from silo.notifications.settings import MailSettings

SUBJECT = "letters"
SECONDS = 10.0


def look(settings: MailSettings | None, recipient: str = "", seconds: float = SECONDS) -> Finding:
    """Connect, log in and name a recipient (the sender where there is none); nothing is sent."""
    if settings is None:
        text = "no relay is set, so no letter is sent, and one-time links are left in files for you to hand over"
        remedy = "set letters_relay_host, and the other variables of group_vars/all/letters.yml"
        return Finding(SUBJECT, "controller", "warning", text, remedy)
    place = settings.host
    hurried = dataclasses.replace(settings, timeout=min(settings.timeout, seconds))
    try:
        return Finding(SUBJECT, place, "ok", Relay(hurried).check(recipient or settings.sender))
    except TemporaryError as error:
        remedy = f"see that letters_relay_host ({place}) and letters_relay_port ({settings.port}) are right; try again"
        return Finding(SUBJECT, place, "wrong", str(error), f"{remedy} later where they are")
    except LetterError as error:
        remedy = "correct the variables that begin with letters_, or ask the relay's operator to take mail from us"
        return Finding(SUBJECT, place, "wrong", str(error), remedy)

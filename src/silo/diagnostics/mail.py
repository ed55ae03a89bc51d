"""Check that the operator's mail relay would take a letter now."""

from __future__ import annotations

import dataclasses

from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics.registry import PREFLIGHT

from silo.diagnostics import Finding
from silo.diagnostics.engine import Controller, check
from silo.notifications.errors import LetterError, TemporaryError
from silo.notifications.relay import Relay
from silo.notifications.settings import MailSettings

ID = "mail"
SECONDS = 10.0


def check_relay(settings: MailSettings | None, recipient: str = "", seconds: float = SECONDS) -> Finding:
    """Connect, log in and name a recipient (the sender where there is none); nothing is sent."""
    if settings is None:
        text = "no relay is set, so no letter is sent, and one-time links are left in files for you to hand over"
        fix = "set letters_relay_host, and the other variables of group_vars/all/letters.yml"
        return Finding(ID, "controller", "warning", text, fix)
    place = settings.host
    hurried = dataclasses.replace(settings, timeout=min(settings.timeout, seconds))
    try:
        return Finding(ID, place, "ok", Relay(hurried).check(recipient or settings.sender))
    except TemporaryError as error:
        fix = f"see that letters_relay_host ({place}) and letters_relay_port ({settings.port}) are right; try again"
        return Finding(ID, place, "wrong", str(error), f"{fix} later where they are")
    except LetterError as error:
        fix = "correct the variables that begin with letters_, or ask the relay's operator to take mail from us"
        return Finding(ID, place, "wrong", str(error), fix)


@check("mail", scope="controller", selections=PREFLIGHT)
def relay(controller: Controller) -> Finding:
    """Check the relay of this machine."""
    return check_relay(controller.mail, controller.recipient)

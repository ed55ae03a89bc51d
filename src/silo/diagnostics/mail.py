"""Check that the operator's mail relay would accept a letter now."""

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
    """Connect, log in and name a recipient (by default the sender); send nothing."""
    if settings is None:
        text = "no relay is set: silo sends no letters, and writes one-time links to files for you to hand over"
        fix = "set letters_relay_host, and the other variables of group_vars/all/letters.yml"
        return Finding(ID, "controller", "warning", text, fix)
    place = settings.host
    hurried = dataclasses.replace(settings, timeout=min(settings.timeout, seconds))
    try:
        return Finding(ID, place, "ok", Relay(hurried).check(recipient or settings.sender))
    except TemporaryError as error:
        fix = f"check letters_relay_host ({place}) and letters_relay_port ({settings.port}); if they are right, try"
        return Finding(ID, place, "wrong", str(error), f"{fix} again later")
    except LetterError as error:
        fix = "correct the variables that begin with letters_, or ask the relay's operator to accept your mail"
        return Finding(ID, place, "wrong", str(error), fix)


@check("mail", scope="controller", selections=PREFLIGHT)
def relay(controller: Controller) -> Finding:
    """Check the relay of this machine."""
    return check_relay(controller.mail, controller.recipient)

"""Letters of billing to the operator; silo.notifications has those to customers."""

from __future__ import annotations

from silo.notifications.settings import OPERATOR
from silo.tenants import TenantService


def notify_operator(service: TenantService, event: str, subject: str, text: str) -> bool:
    """Queue a letter to the operator; return False if `event` already has one, or no operator or relay is set.

    `event` identifies the cause, such as billing/needs_attention/evt_1, so that a retry sends no second letter.
    Raises LetterError.
    """
    operator = service.policy.letters.get(OPERATOR)
    if service.outbox is None or not operator or event in service.outbox.states():
        return False
    return service.outbox.enqueue_for_operator(event, str(operator), subject, text)

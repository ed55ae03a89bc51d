"""Letters of billing to the operator; those to customers stand in silo.notifications."""

from __future__ import annotations

from silo.notifications.settings import OPERATOR
from silo.tenants import TenantService


def notify_operator(service: TenantService, event: str, subject: str, text: str) -> bool:
    """Queue a letter to the operator; False where one is kept under `event`, or no operator is set.

    `event` is the same each time for the same thing, such as billing/needs_attention/evt_1: a retry sends
    no second letter.
    Raises LetterError.
    """
    operator = service.policy.letters.get(OPERATOR)
    if service.outbox is None or not operator or event in service.outbox.states():
        return False
    return service.outbox.enqueue_for_operator(event, str(operator), subject, text)

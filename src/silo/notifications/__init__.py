"""Letters to customers: templates, messages, and delivery exactly once."""

from silo.notifications.errors import LetterError
from silo.notifications.letter import (
    WITH_LINK,
    ZONE,
    AddressChanged,
    ConfirmPayment,
    Deleted,
    DeletionAnnounced,
    Language,
    Letter,
    NameProposed,
    OrderParked,
    OrderWaits,
    PayLink,
    PaymentFailed,
    language_of,
)
from silo.notifications.outbox import Outbox, PendingNotification
from silo.notifications.settings import MailSettings
from silo.notifications.templates_for_event import TRUE_WHEN, delivery_status, of_state, with_link

__all__ = [
    "TRUE_WHEN",
    "WITH_LINK",
    "ZONE",
    "AddressChanged",
    "ConfirmPayment",
    "Deleted",
    "DeletionAnnounced",
    "Language",
    "Letter",
    "LetterError",
    "MailSettings",
    "NameProposed",
    "OrderParked",
    "OrderWaits",
    "Outbox",
    "PayLink",
    "PaymentFailed",
    "PendingNotification",
    "delivery_status",
    "language_of",
    "of_state",
    "with_link",
]

"""The letters to customers: what they say, how they are made a message, and how each is sent once."""

from silo.notifications.errors import LetterError
from silo.notifications.letter import ZONE, Deleted, DeletionAnnounced, Language, Letter, OrderWaits, PaymentFailed
from silo.notifications.outbox import Outbox, PendingNotification
from silo.notifications.settings import MailSettings
from silo.notifications.templates_for_event import TRUE_WHEN, delivery_status, of_state, with_link

__all__ = [
    "TRUE_WHEN",
    "ZONE",
    "Deleted",
    "DeletionAnnounced",
    "Language",
    "Letter",
    "LetterError",
    "MailSettings",
    "OrderWaits",
    "Outbox",
    "PaymentFailed",
    "PendingNotification",
    "delivery_status",
    "of_state",
    "with_link",
]

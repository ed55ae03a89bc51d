"""The letters to customers: what they say, how they are made a message, and how each is sent once."""

from silo.letters.errors import LetterError
from silo.letters.happening import TRUE_WHEN, of_state, told, with_link
from silo.letters.letter import ZONE, Deleted, DeletionAnnounced, Language, Letter, OrderWaits, PaymentFailed
from silo.letters.outbox import Debt, Outbox
from silo.letters.settings import Settings

__all__ = [
    "TRUE_WHEN",
    "ZONE",
    "Debt",
    "Deleted",
    "DeletionAnnounced",
    "Language",
    "Letter",
    "LetterError",
    "OrderWaits",
    "Outbox",
    "PaymentFailed",
    "Settings",
    "of_state",
    "told",
    "with_link",
]

"""Edits of an inventory: each is validated, has room, holds the one lock, and is one commit, whole or not at all."""

from silo.inventory.deleted import DeletionRecord
from silo.inventory.editor import InventoryEditor
from silo.inventory.errors import HostAwayError, InventoryBusyError, InventoryError, NameRefusedError
from silo.inventory.model import NOT_READ, Change, Fleet, Offer, Sizes, TenantFile
from silo.inventory.reader import PlatformPolicy

__all__ = [
    "NOT_READ",
    "Change",
    "DeletionRecord",
    "Fleet",
    "HostAwayError",
    "InventoryBusyError",
    "InventoryEditor",
    "InventoryError",
    "NameRefusedError",
    "Offer",
    "PlatformPolicy",
    "Sizes",
    "TenantFile",
]

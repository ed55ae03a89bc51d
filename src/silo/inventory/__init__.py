"""TenantService of an inventory that people can trust: whole, checked, admitted, one at a time, and each one commit."""

from silo.inventory.deleted import DeletionRecord
from silo.inventory.editor import InventoryEditor
from silo.inventory.errors import InventoryError
from silo.inventory.model import Change, Fleet, Offer, TenantFile
from silo.inventory.reader import PlatformPolicy

__all__ = [
    "Change",
    "DeletionRecord",
    "Fleet",
    "InventoryEditor",
    "InventoryError",
    "Offer",
    "PlatformPolicy",
    "TenantFile",
]

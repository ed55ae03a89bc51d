"""Edits of an inventory that people can trust: whole, checked, admitted, one at a time, and each one commit."""

from silo.inventory.editor import Inventory
from silo.inventory.errors import InventoryError
from silo.inventory.merged import Policy
from silo.inventory.model import Change, Fleet, Offer, TenantFile
from silo.inventory.retired import Tombstone

__all__ = ["Change", "Fleet", "Inventory", "InventoryError", "Offer", "Policy", "TenantFile", "Tombstone"]

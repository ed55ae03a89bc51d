"""Edits of an inventory that people can trust: whole, checked, admitted, one at a time, and each one commit."""

from silo.inventory.deleted import Tombstone
from silo.inventory.editor import Inventory
from silo.inventory.errors import InventoryError
from silo.inventory.model import Change, Fleet, Offer, TenantFile
from silo.inventory.reader import Policy

__all__ = ["Change", "Fleet", "Inventory", "InventoryError", "Offer", "Policy", "TenantFile", "Tombstone"]

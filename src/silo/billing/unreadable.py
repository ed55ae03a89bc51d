"""What reading a source may raise, where the others are shown without it: a damaged one has values that are none."""

from __future__ import annotations

import sqlite3

from silo.ansible.runner import RunError
from silo.billing.errors import BillingError
from silo.inventory import InventoryError
from silo.notifications import LetterError

FAULTS = (
    *(InventoryError, LetterError, BillingError, RunError, sqlite3.Error, OSError),
    *(LookupError, TypeError, ValueError, ArithmeticError, AttributeError),
)

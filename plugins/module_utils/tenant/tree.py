# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Removes directories that a tenant has filled, however deep."""

from __future__ import annotations

from pathlib import Path

from ..quota.base import QuotaError
from ..quota.directory_tree import remove_tree
from .stack import StackError


def remove(directory: Path) -> None:
    """Remove a directory and all that is in it; raises StackError where something is mounted in it, and OSError."""
    try:
        remove_tree(directory)
    except QuotaError as error:
        raise StackError(str(error)) from error

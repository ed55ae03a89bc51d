# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a tenant has a database on its server; `.birth` tells one that nobody has reached yet. Reads alone."""

from __future__ import annotations

from .stack import Stack

DATABASE = "database"


def has_database(stack: Stack) -> bool:
    """Whether a database of this tenant is on this server, whoever brought it, and not one that was only begun."""
    begun = stack.birth.exists() and not stack.marker.path.exists()
    return not begun and (stack.disk / DATABASE / "PG_VERSION").exists()


def is_born(stack: Stack) -> bool:
    """Whether an instance is set up to the end, and has its database still."""
    return stack.marker.path.exists() and has_database(stack)

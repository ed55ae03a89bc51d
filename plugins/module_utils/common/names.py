# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The name of a tenant, which becomes a part of paths, commands and containers."""

from __future__ import annotations

import re

TENANT = "[a-z][a-z0-9]{1,30}"
"""The pattern, for patterns in which a name is a part."""
TEMPLATES = ".templates"
"""The directory below the root of a NAS in which the templates of new tenants lie; it is no tenant's."""
_TENANT = re.compile(TENANT)


def is_tenant(name: str) -> bool:
    """Whether this can be the name of a tenant: 2 to 31 small letters (of ASCII) and digits, first a letter."""
    return _TENANT.fullmatch(name) is not None

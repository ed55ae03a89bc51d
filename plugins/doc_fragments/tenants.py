# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""How the modules find tenants that read what a server has of them."""

from __future__ import annotations


class ModuleDocFragment:
    """The option of tenant_records_info and tenant_usage_info."""

    DOCUMENTATION = r"""
options:
  directory:
    description: Directory on the server with one directory per tenant.
    type: path
    required: true
"""

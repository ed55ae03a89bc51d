#!/usr/bin/python
# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: tenant_vault
short_description: Make the vault of a tenant again, from the passwords on its server
version_added: 0.1.0
author:
  - SwissPhoto (@swissphoto)
description:
  - Reads the passwords of database and cache on the server, and writes them into an encrypted C(vault.yml) beside the
    tenant's C(tenant.yml), on the controller. The password of the first admin is a new one, which no server needs.
  - Never replaces a C(vault.yml). The result has no password in it.
  - This is an action plugin; the module of this name only documents it. Delegate it to the server of the tenant.
options:
  directory:
    description: The directory of all tenants on the server.
    type: path
    required: true
attributes:
  check_mode:
    description: Reads the passwords, and writes nothing.
    support: full
  diff_mode:
    description: The content is secret.
    support: none
"""

EXAMPLES = r"""
- name: Make the vault again
  swissphoto.silo.tenant_vault:
    directory: /srv/silo/tenants
  delegate_to: "{{ tenant_server }}"
"""

RETURN = r"""
path:
  description: The vault.yml on the controller.
  returned: success
  type: str
"""

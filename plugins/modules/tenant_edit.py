#!/usr/bin/python
# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: tenant_edit
short_description: Edit the inventory of the play, as the command line does
version_added: 0.1.0
author:
  - SwissPhoto (@swissphoto)
description:
  - Validates the edit by the schema of a tenant, checks the memory of the server, and writes it atomically, as one
    commit if the inventory is in a git work tree.
  - Queues the letter to the customer together with the edit; see M(swissphoto.silo.tenant_letter).
  - Afterwards, use C(meta) C(refresh_inventory), so that the play reads the new inventory.
  - This is an action plugin; the module of this name only documents it. It runs on C(localhost).
options:
  name:
    description: The tenant's name.
    type: str
    required: true
  edit:
    description:
      - V(create) adds the tenant, V(state) sets its state, V(remove) takes it out and leaves a deletion record,
        V(record) adds the sizes of the tenant's data to the deletion record.
      - V(maintenance) switches the maintenance page on or off, for the tenant, a server or C(all) of
        this O(name).
    type: str
    required: true
    choices: [create, state, remove, record, maintenance]
  settings:
    description:
      - For V(create), C(email), and C(plan) or C(quota); optionally C(language), C(server), C(nas) and the limits.
      - For V(state), C(state).
      - For V(maintenance), C(state), V(on) or V(off), and for V(on) C(until) and C(text), which may be one for each
        language.
    type: dict
    default: {}
  confirm:
    description: The name again, required for the state V(absent).
    type: str
    default: ""
  stored:
    description: For V(record), C(files) and C(used) bytes in the trash.
    type: dict
    default: {}
attributes:
  check_mode:
    description: Reports the edit without writing it.
    support: full
  diff_mode:
    description: The difference is that of the files.
    support: full
"""

EXAMPLES = r"""
- name: Write the tenant into the inventory
  swissphoto.silo.tenant_edit:
    name: hans
    edit: create
    settings: {email: hans@email.ch, quota: 100G}
"""

RETURN = r"""
databases:
  description: By server, what M(swissphoto.silo.tenant_trash) takes.
  returned: after remove
  type: dict
disks:
  description: By server, what M(swissphoto.silo.storage_trash) takes.
  returned: after remove
  type: dict
uploads:
  description: By NAS, what M(swissphoto.silo.storage_trash) takes.
  returned: after remove
  type: dict
record:
  description: The deletion record, after V(record).
  returned: after record
  type: dict
"""

#!/usr/bin/python
# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: tenant_edit
short_description: Edit the inventory with which the play was called, as silo does
version_added: 0.1.0
author:
  - SwissPhoto (@swissphoto)
description:
  - Checked by the tenants' one schema, admitted by the memory of the servers, written whole, and one commit where the
    inventory is in a git work tree.
  - The letter to the customer is queued together with the edit; see M(swissphoto.silo.tenant_letter).
  - After it, C(meta) C(refresh_inventory) has the play see the inventory as it is now.
  - This is an action plugin; the module of this name only documents it. It runs on C(localhost).
options:
  name:
    description: The tenant's name.
    type: str
    required: true
  edit:
    description:
      - V(create) adds the tenant, V(state) says how it should be, V(remove) takes it out and leaves a deletion record,
        V(record) writes into the deletion record what the tenant left.
    type: str
    required: true
    choices: [create, state, remove, record]
  settings:
    description:
      - For V(create), C(email), and C(plan) or C(quota); C(language), C(server), C(nas) and the limits as wished.
      - For V(state), C(state).
    type: dict
    default: {}
  confirm:
    description: The name typed again, where the state is V(absent).
    type: str
    default: ""
  stored:
    description: For V(record), C(files) and C(used) bytes that were put aside.
    type: dict
    default: {}
attributes:
  check_mode:
    description: It says what it would edit.
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
uploads:
  description: By NAS, what M(swissphoto.silo.storage_trash) takes.
  returned: after remove
  type: dict
record:
  description: The deletion record as it is kept for ever, after V(record).
  returned: after record
  type: dict
"""

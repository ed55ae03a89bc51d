#!/usr/bin/python
# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: tenant_scope
short_description: Validate all tenants of the inventory, and return those in scope for each host
version_added: 0.1.0
author:
  - SwissPhoto (@swissphoto)
description:
  - Validates all tenants of the inventory, also those outside of C(--limit), because two tenants may conflict.
  - Runs on the controller, and contacts no machine.
  - The result is the same on each host of a play. Run it with C(run_once), which registers the result on all of them.
  - This is an action plugin; the module of this name only documents it.
attributes:
  check_mode:
    description: It changes nothing.
    support: full
  diff_mode:
    description: It changes nothing.
    support: none
"""

EXAMPLES = r"""
- name: Validate every tenant of the inventory
  swissphoto.silo.tenant_scope:
  register: __tenant_scope
  run_once: true
"""

RETURN = r"""
servers:
  description: Server to the names of its tenants in scope.
  returned: success
  type: dict
known:
  description: Server to the names of all its tenants in the inventory. One that cannot be read is known to all.
  returned: success
  type: dict
problems:
  description:
    - Tenant of the play to a list of sentences on what is wrong with its settings. It is not in scope, and keeps nobody
      else out of it.
  returned: success
  type: dict
  sample:
    hans: ["hans: tenant_quota is '100'; it must be a quota with its unit, such as 100G, from 1M to 1024T"]
mistakes:
  description: Sentences on settings of the platform that do not mean what they seem to; nothing may be changed by them.
  returned: success
  type: list
  elements: str
  sample: ["group_vars/all/policy.yml: unknown setting 'silo_domian'. Did you mean 'silo_domain'?"]
storage:
  description: NAS to a list of its tenants in scope, as O(swissphoto.silo.storage_quota#module:tenants) takes it.
  returned: success
  type: dict
disks:
  description: Server to a list of its tenants in scope, as O(swissphoto.silo.storage_quota#module:tenants) takes it.
  returned: success
  type: dict
before_stacks:
  description:
    - Server to what the call of its stacks does first in this run, of V(storage) and V(disk).
    - The others have a call of their own.
  returned: success
  type: dict
  sample:
    silo1: [disk]
tenants:
  description:
    - Every tenant of the inventory to its desired state; sizes in bytes. C(exceptions) are the settings of its own
      files that differ from its plan.
  returned: success
  type: dict
  sample:
    hans:
      exceptions:
        - setting: tenant_quota
          value: 150G
          plan: 100G
      index: 1
      url: https://hans.swissphoto.ch
      host_name: hans.swissphoto.ch
      desired: running
      server: silo1
      nas: silo1
      plan: small
      quota_bytes: 107374182400
      memory_bytes: 2684354560
"""

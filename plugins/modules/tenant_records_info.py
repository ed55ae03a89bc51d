#!/usr/bin/python
# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: tenant_records_info
short_description: Read what a server has recorded of one tenant
version_added: 0.1.0
author:
  - SwissPhoto (@swissphoto)
description:
  - Reads when a tenant was born, when its containers were made, started and ended, and what C(silo-recovery) did.
  - The engine forgets a container when it is replaced, and the journal its oldest lines.
extends_documentation_fragment:
  - swissphoto.silo.reads
  - swissphoto.silo.tenants
options:
  name:
    description: The tenant.
    type: str
    required: true
seealso:
  - module: swissphoto.silo.tenant_stacks_info
"""

EXAMPLES = r"""
- name: Read the records of a tenant
  swissphoto.silo.tenant_records_info:
    directory: /srv/silo/tenants
    name: hans
  register: records
"""

RETURN = r"""
records:
  description: What happened, the oldest first; C(at) is in seconds since 1970, and C(why) may be empty.
  returned: always
  type: list
  elements: dict
  sample:
    - at: 1795500000.0
      what: container server started
      why: ""
problems:
  description: A sentence for each part that cannot be read.
  returned: always
  type: list
  elements: str
  sample: []
"""

import dataclasses
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.common.names import is_tenant
from ..module_utils.tenant import records

ARGUMENTS = {"directory": {"type": "path", "required": True}, "name": {"type": "str", "required": True}}


def main() -> None:
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    name = module.params["name"]
    if not is_tenant(name):
        module.fail_json(msg=f"name is {name!r}; it must be a tenant's name")
    found, problems = records.read(Path(module.params["directory"]), name, records.RecordTools())
    module.exit_json(changed=False, records=[dataclasses.asdict(one) for one in found], problems=problems)


if __name__ == "__main__":
    main()

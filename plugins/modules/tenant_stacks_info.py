#!/usr/bin/python
# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: tenant_stacks_info
short_description: Read the stacks of all tenants of a server
version_added: 0.1.0
author:
  - SwissPhoto (@swissphoto)
description:
  - Reads the containers of all tenants, including those that are in no inventory.
  - Asks each photo server whether it works with its database, and runs the health checks of services that the engine
    does not call healthy.
extends_documentation_fragment: swissphoto.silo.reads
seealso:
  - module: swissphoto.silo.tenant_stacks
"""

EXAMPLES = r"""
- name: Read the tenants of a server
  swissphoto.silo.tenant_stacks_info:
  register: stacks
"""

RETURN = r"""
tenants:
  description:
    - Tenant to its services.
    - C(health) is V(healthy), V(starting), V(unhealthy), V(not answering), or empty without a health check.
  returned: always
  type: dict
  sample:
    hans:
      server:
        state: running
        health: healthy
        version: v3.2.2
        memory_bytes: 94371840
        memory_limit_bytes: 1073741824
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.common import cgroup
from ..module_utils.tenant import engine, health
from ..module_utils.tenant.stack import StackError


def main() -> None:
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    tenants: dict[str, dict[str, dict[str, object]]] = {}
    try:
        for container in health.asked(engine.containers()):
            used = cgroup.read(engine.main_process(container)) if container.running else None
            memory = used or cgroup.Group()
            tenants.setdefault(container.tenant, {})[container.service] = {
                "state": container.state,
                "health": container.health,
                "version": container.version,
                "memory_bytes": memory.memory_bytes,
                "memory_limit_bytes": memory.memory_limit_bytes,
            }
    except StackError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, tenants=tenants)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: tenant_templates
short_description: Have the template of new tenants on the NAS before the first of them comes
version_added: 0.1.0
author:
  - SwissPhoto (@swissphoto)
description:
  - A template is the empty database of a set of images, migrated, with the places of the world and a placeholder admin.
  - Where it is missing on the NAS, or its file is damaged, it is made in a throw-away stack on this server.
  - Where the NAS has no directory for templates yet, nothing is made; the storage part of an apply makes that.
  - The action plugin of the same name fills in the parameters from the policy of the server.
attributes:
  check_mode:
    description: Says what would be done, and does nothing.
    support: full
  diff_mode:
    description: A template has no text that differs.
    support: none
extends_documentation_fragment: swissphoto.silo.templates
options:
  directory:
    description: Directory that holds one directory per tenant; the throw-away stack lies beside it.
    type: path
    default: /srv/silo/tenants
  sentinel:
    description: A file that exists on the NAS alone; the templates lie in C(.templates) beside it.
    type: path
    default: /instances/.silo-nas
  wait_seconds:
    description: How long a stack may take to become healthy, and how long another run is waited for.
    type: int
    default: 300
seealso:
  - module: swissphoto.silo.tenant_stacks
"""

EXAMPLES = r"""
- name: Have the template of new tenants
  swissphoto.silo.tenant_templates:
"""

RETURN = r"""
actions:
  description: Key of each template that was missing or damaged, to what ended that.
  returned: success
  type: dict
  sample: {6d1f0e5c2b7a9384: make}
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.tenant.lock import APPLY, held
from ..module_utils.tenant.probe import look
from ..module_utils.tenant.stack import StackError
from ..module_utils.tenant.stock import OPTION, Found, stock


def _found(module: AnsibleModule) -> Found:
    """Return what was found and made; raises StackError."""
    here, wait_seconds = stock(module.params), module.params["wait_seconds"]
    problem = look(Path(module.params["sentinel"])).problem
    if problem and not module.check_mode:
        raise StackError(problem)
    if problem or not here.store.is_there():
        return Found()
    keys = list(here.templates)
    if module.check_mode:
        return here.survey(keys)
    # Whoever has all of it waits for nobody.
    if not here.survey(keys).actions:
        return Found()
    with held(APPLY, wait_seconds):
        return here.provide(keys)


def main() -> None:
    arguments = {
        **OPTION,
        "directory": {"type": "path", "default": "/srv/silo/tenants"},
        "sentinel": {"type": "path", "default": "/instances/.silo-nas"},
        "wait_seconds": {"type": "int", "default": 300},
    }
    module = AnsibleModule(arguments, supports_check_mode=True)
    try:
        found = _found(module)
    except (StackError, OSError) as error:
        module.fail_json(msg=str(error))
    if found.problems:
        module.fail_json(msg="; ".join(dict.fromkeys(found.problems.values())))
    module.exit_json(changed=bool(found.actions), actions=dict(found.actions), invocation={})


if __name__ == "__main__":
    main()

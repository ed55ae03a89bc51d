#!/usr/bin/python
# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: tenant_trash
short_description: Move data of deleted tenants on their server to the trash, restore or purge them
version_added: 0.1.0
author:
  - SwissPhoto (@swissphoto)
description:
  - M(swissphoto.silo.storage_trash) does the same with their uploads on the NAS.
  - Refuses a tenant that still has containers. Removes secrets and open login links at once.
  - Refuses a symbolic link, a mount, or a database of another tenant's user, and changes nothing then.
  - A tenant that fails stops no other. The next run completes an interrupted one.
  - Only data in the trash are ever removed for good.
options:
  directory:
    description: Directory on the server with one directory per tenant; the trash is the folder C(trash) beside it.
    type: path
    required: true
  tickets_directory:
    description: Directory of the tickets of one-time links.
    type: path
    required: true
  state:
    description:
      - V(trashed) moves the directory to the trash, V(restored) moves it back, V(purged) removes it for good.
    type: str
    required: true
    choices: [trashed, restored, purged]
  tenants:
    description: The deleted tenants.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The tenant's name.
        type: str
        required: true
      id:
        description: The tenant's index, which is never given again.
        type: int
        required: true
      uid:
        description: The tenant's user id, which owns the database.
        type: int
        required: true
      when:
        description: The time of the deletion in UTC, from its deletion record.
        type: str
        required: true
attributes:
  check_mode:
    description: Returns what it would move or remove.
    support: full
  diff_mode:
    description: It has no diff; the result says which directories were moved.
    support: none
"""

EXAMPLES = r"""
- name: Move the data of hans to the trash
  swissphoto.silo.tenant_trash:
    directory: /srv/silo/tenants
    tickets_directory: /srv/silo/access/tickets
    state: trashed
    tenants:
      - {name: hans, id: 1, uid: 200001, when: "2026-11-23T16:55:02+00:00"}
"""

RETURN = r"""
tenants:
  description: Tenant to whether something was moved or removed.
  returned: success, and after the failure of another tenant
  type: dict
  sample: {hans: true}
problems:
  description: Tenant to why nothing was done, for each that failed. The module fails then, after all others.
  returned: success, and after the failure of a tenant
  type: dict
  sample: {}
"""

import typing as t
from collections.abc import Callable
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.tenant import engine
from ..module_utils.tenant.lock import APPLY, held
from ..module_utils.tenant.stack import StackError
from ..module_utils.tenant.trash import Deleted, Trash

WAIT_SECONDS = 300


def _work(trash: Trash, state: str, tenants: list[Deleted]) -> tuple[dict[str, bool], dict[str, str]]:
    """Return tenant to whether something was done, and tenant to why not; one that fails stops no other."""
    running = {container.tenant for container in engine.containers()} if state == "trashed" else set()
    works: dict[str, Callable[[Deleted], bool]] = {
        "trashed": lambda tenant: trash.put(tenant, running),
        "restored": trash.restore,
        "purged": trash.purge,
    }
    done, problems = {}, {}
    for tenant in tenants:
        try:
            done[tenant.name] = works[state](tenant)
        except (StackError, OSError) as error:
            problems[tenant.name] = str(error)
    return done, problems


def main() -> None:
    item = {"name": {"type": "str"}, "id": {"type": "int"}, "uid": {"type": "int"}, "when": {"type": "str"}}
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "tickets_directory": {"type": "path", "required": True},
            "state": {"type": "str", "required": True, "choices": ["trashed", "restored", "purged"]},
            "tenants": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {key: {**spec, "required": True} for key, spec in item.items()},
            },
        },
        supports_check_mode=True,
    )
    trash = Trash(Path(module.params["directory"]), Path(module.params["tickets_directory"]), module.check_mode)
    try:
        tenants = [Deleted(**values) for values in module.params["tenants"]]
        with held(APPLY, WAIT_SECONDS):
            done, problems = _work(trash, module.params["state"], tenants)
    except (StackError, OSError) as error:
        module.fail_json(msg=str(error))
    result: dict[str, t.Any] = {"changed": any(done.values()), "tenants": done, "problems": problems}
    if problems:
        module.fail_json(msg="; ".join(problems.values()), **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()

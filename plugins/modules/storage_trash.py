#!/usr/bin/python
# Copyright (c) 2026 SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: storage_trash
short_description: Delete, restore or remove for good the directories of tenants on a NAS or a disk
description:
  - Moves C(<root>/<name>) to C(<root>/.trash/<time>-<name>-<id>), back again, or removes it for good.
  - A move is one rename on the same file system. Owner, quota id and limit stay, and the files still count.
  - Only root enters C(<root>/.trash).
  - Removes for good only the entry of the trash with the given name, id and time.
  - The removal follows no symbolic link and enters no other file system.
  - The next run with the same options completes a run that was killed at any step. An entry whose removal has started
    cannot be restored; its name ends with C(.purging).
  - With O(backend=manual), it moves and removes plain directories only. It refuses a share, which only the appliance
    can rename or remove, and names the new path. Once that is done, the next run accepts it.
  - If a tenant fails, the module continues with the others, then fails and names it.
  - Stop all programs that write to a tenant's directory before; this module does not look for them.
version_added: 0.1.0
author:
  - SwissPhoto (@swissphoto)
requirements:
  - Those of M(swissphoto.silo.storage_quota).
attributes:
  check_mode:
    description: Can run in check mode and return what it would change.
    support: full
  diff_mode:
    description: Returns the paths of each tenant's files, before and after.
    support: full
  idempotent:
    description: A second run changes nothing.
    support: full
extends_documentation_fragment: swissphoto.silo.storage
options:
  state:
    description:
      - V(trashed) moves the directory into the trash. A tenant without one is not an error.
      - V(restored) moves it back, unless a directory of that name exists again.
      - V(purged) removes the entry for good, and its quota id from the file system.
      - The id stays in C(<root>/.silo-ids), and is never given again.
    type: str
    choices: [purged, restored, trashed]
    required: true
  max_purges:
    description:
      - With O(state=purged), the largest number of tenants that one call removes; it refuses the others, which stay.
    type: int
    default: 3
  tenants:
    description: The tenants to delete, to restore or to remove.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the directory below O(root), lower-case letters and digits.
        type: str
        required: true
      id:
        description: The number under which the file system counts this tenant.
        type: int
        required: true
      when:
        description: The time of the deletion, in UTC as ISO 8601 and in whole seconds; a part of the entry's name.
        type: str
        required: true
seealso:
  - module: swissphoto.silo.storage_quota
  - module: swissphoto.silo.storage_quota_info
"""

EXAMPLES = r"""
- name: Delete a customer's files, for now
  swissphoto.silo.storage_trash:
    root: /instances
    state: trashed
    tenants:
      - name: hans
        id: 1
        when: "2026-11-23T16:57:05+00:00"

- name: Give them back
  swissphoto.silo.storage_trash:
    root: /instances
    state: restored
    tenants:
      - name: hans
        id: 1
        when: "2026-11-23T16:57:05+00:00"

- name: Remove a customer who was deleted two weeks ago, at most two in one call
  swissphoto.silo.storage_trash:
    root: /instances
    state: purged
    max_purges: 2
    tenants:
      - name: peter
        id: 3
        when: "2026-11-09T10:00:00+00:00"
      - name: anna
        id: 5
        when: "2026-11-09T11:30:00+00:00"
"""

RETURN = r"""
backend:
  description: The kind of quota that was used.
  type: str
  returned: success
  sample: btrfs
tenants:
  description: The result for each tenant, in the order of the option.
  type: list
  elements: dict
  returned: when the file system could be read
  sample:
    - name: hans
      id: 1
      when: "2026-11-23T16:57:05+00:00"
      path: /instances/.trash/20261123T165705Z-hans-1
      files: 20480
      bytes: 5368725504
      limit: 107374182400
      changed: true
      changes: ["/instances/hans -> /instances/.trash/20261123T165705Z-hans-1"]
      failed: false
  contains:
    name:
      description: Name of the tenant, as given.
      type: str
      returned: always
    id:
      description: Its id, as given.
      type: int
      returned: always
    when:
      description: The time of its deletion, as given.
      type: str
      returned: always
    path:
      description: The path of its files; empty if there are none, or the tenant failed.
      type: str
      returned: always
    files:
      description:
        - Number of files and directories. If the file system does not count them, O(state=trashed) counts them one by
          one, and the other states return null.
      type: int
      returned: always
    bytes:
      description: Bytes in use, as the file system counts them; null if there were no files.
      type: int
      returned: always
    limit:
      description: The hard limit in bytes; null if there was none.
      type: int
      returned: always
    changed:
      description: Whether something was, or in check mode would be, moved or removed.
      type: bool
      returned: always
    changes:
      description: One phrase for each difference.
      type: list
      elements: str
      returned: always
    failed:
      description: Whether the tenant failed.
      type: bool
      returned: always
    msg:
      description: Why not, in one sentence.
      type: str
      returned: when the tenant failed
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.swissphoto.silo.plugins.module_utils.command import CommandError, module_runner
from ansible_collections.swissphoto.silo.plugins.module_utils.common.mounts import TABLE
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.base import QuotaError
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.detect import PLACE, open_backend, parse_mounts
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.result import finish, told
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.trash import Moved, Order, trash

TENANT = {
    "name": {"type": "str", "required": True},
    "id": {"type": "int", "required": True},
    "when": {"type": "str", "required": True},
}
ARGUMENTS = {
    **PLACE,
    "state": {"type": "str", "choices": ["purged", "restored", "trashed"], "required": True},
    "max_purges": {"type": "int", "default": 3},
    "tenants": {"type": "list", "elements": "dict", "required": True, "options": TENANT},
}


def diff_of(outcome: Moved) -> dict[str, str]:
    """Return the paths of one tenant's files, before and after, in the format of Ansible's diff."""
    sides = {"before": outcome.before, "after": outcome.after}
    texts = {side: f"path: {path}\n" if path else "" for side, path in sides.items()}
    header = f"{outcome.name} ({outcome.values['id']})"
    return {"before_header": header, "after_header": header, **texts}


def main() -> None:
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    values = module.params
    try:
        order = Order(values["state"], values["max_purges"])
        table = TABLE.read_text(encoding="utf-8")
        backend = open_backend(values["root"], values["sentinel"], values["backend"], module_runner(module), table)
        outcomes = trash(backend, order, values["tenants"], parse_mounts(table), module.check_mode)
    except (QuotaError, CommandError, OSError) as error:
        module.fail_json(msg=str(error))
    finish(module, told(backend, [outcome.result() for outcome in outcomes], outcomes, diff_of))


if __name__ == "__main__":
    main()

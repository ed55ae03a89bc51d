#!/usr/bin/python
# Copyright (c) 2026 SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: storage_quota_info
short_description: Read the limit and the usage of each tenant's directory on a NAS or a server's disk
description:
  - Returns limit and usage of all directories below O(root), as the file system counts them, without reading any file.
  - Returns the same for the trash of M(swissphoto.silo.storage_trash).
version_added: 0.1.0
author:
  - SwissPhoto (@swissphoto)
extends_documentation_fragment:
  - swissphoto.silo.reads
  - swissphoto.silo.storage
seealso:
  - module: swissphoto.silo.storage_quota
  - module: swissphoto.silo.storage_trash
"""

EXAMPLES = r"""
- name: Read the usage of every customer
  swissphoto.silo.storage_quota_info:
    root: /instances
  register: storage
"""

RETURN = r"""
backend:
  description: The kind of quota.
  type: str
  returned: always
  sample: btrfs
pool:
  description: The whole file system.
  type: dict
  returned: always
  contains:
    size:
      description: Its size in bytes.
      type: int
      returned: always
    free:
      description: Bytes that can still be written, regardless of limits.
      type: int
      returned: always
tenants:
  description: All directories below O(root), by name.
  type: dict
  returned: always
  sample:
    hans:
      path: /instances/hans
      id: 1
      limit: 107374182400
      used: 5368725504
      inodes: null
      inode_limit: null
      problem: ""
  contains:
    path:
      description: The directory.
      type: str
      returned: always
    id:
      description: The number under which the directory is counted; null if it is not counted.
      type: int
      returned: always
    limit:
      description: The hard limit in bytes; null if there is none.
      type: int
      returned: always
    used:
      description: Bytes in use; btrfs and ZFS count them when they commit, some seconds ago.
      type: int
      returned: always
    inodes:
      description: Files and directories in use; null where the file system does not count them.
      type: int
      returned: always
    inode_limit:
      description: The hard limit of files and directories; null if there is none.
      type: int
      returned: always
    problem:
      description: Why no limit holds on this directory; empty if one does.
      type: str
      returned: always
trash:
  description: The entries of C(<root>/.trash), oldest first.
  type: list
  elements: dict
  returned: always
  sample:
    - name: peter
      id: 3
      when: "2026-11-23T16:57:05+00:00"
      path: /instances/.trash/20261123T165705Z-peter-3
      limit: 107374182400
      used: 5368725504
      inodes: null
      purging: false
  contains:
    name:
      description: The deleted tenant.
      type: str
      returned: always
    id:
      description: The number under which its files still count.
      type: int
      returned: always
    when:
      description: When it was deleted, in UTC.
      type: str
      returned: always
    path:
      description: The directory.
      type: str
      returned: always
    limit:
      description: The hard limit in bytes; null if there is none, for example during a purge.
      type: int
      returned: always
    used:
      description: Bytes in use.
      type: int
      returned: always
    inodes:
      description: Files and directories in use; null where the file system does not count them.
      type: int
      returned: always
    purging:
      description: Whether it is being removed for good. Then it cannot be restored, and the next purge completes the
        removal.
      type: bool
      returned: always
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.swissphoto.silo.plugins.module_utils.command import module_runner
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.detect import PLACE
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.inspection import inspect


def main() -> None:
    module = AnsibleModule(PLACE, supports_check_mode=True)
    found = inspect(module.params, module_runner(module))
    if found.get("failed"):
        module.fail_json(**found)
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()

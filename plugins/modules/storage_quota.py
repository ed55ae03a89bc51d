#!/usr/bin/python
# Copyright (c) 2026 SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: storage_quota
short_description: Give each tenant of a NAS or of a server's disk a directory with a hard limit
description:
  - Creates C(<root>/<name>), and C(<root>/<name>/uploads) if O(uploads), for any number of tenants in one call.
  - Sets a hard limit on each of these directories.
  - If a tenant fails, the module continues with the others, then fails and names it.
  - The number of processes in a run that changes nothing does not depend on the number of tenants.
  - The module never deletes anything, and tenants in the trash keep their id and their part of the pool.
  - With O(backend=manual), it sets no limit. It compares the size that each directory's file system reports with the
    limit, and refuses a difference of more than 2 percent.
  - With O(backend=none), it creates the directories without any limit.
version_added: 0.1.0
author:
  - SwissPhoto (@swissphoto)
requirements:
  - For btrfs, Linux 6.7 and btrfs-progs 6.7 on the NAS, with simple quotas turned on.
  - For XFS, Linux 5.14 and a mount with C(prjquota).
  - For ZFS, its tool C(zfs), and a dataset of its own mounted at O(root).
attributes:
  check_mode:
    description: Can run in check mode and return what it would change.
    support: full
  diff_mode:
    description: Returns the changes, before and after, for each tenant.
    support: full
  idempotent:
    description: A second run changes nothing.
    support: full
extends_documentation_fragment: swissphoto.silo.storage
options:
  force:
    description:
      - Set a limit even below the tenant's current usage. Its data stay, and its next upload fails.
      - ZFS itself refuses such a limit, forced or not.
    type: bool
    default: false
  overcommit:
    description:
      - The limits of all directories together may be at most this many times the size of the file system.
      - A limit that would grow beyond that is refused; existing limits stay.
    type: float
    default: 1.0
  mount_points:
    description:
      - Directories in C(uploads) on which a server mounts something of its own.
      - The NAS creates them, because root of a server may not do so on an NFS mount.
    type: list
    elements: str
    default: []
  uploads:
    description:
      - Whether each directory has one of this name in it, which belongs to the tenant.
      - The disk of a server has none; its own directories are made by M(swissphoto.silo.tenant_stacks).
    type: bool
    default: true
  templates_group:
    description:
      - Makes C(<root>/.templates), which this group alone may use beside root.
      - It is the group that a server's root has here, where the NAS is mounted by NFS; no tenant has it.
    type: int
  tenants:
    description: The desired state of each tenant's directory.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the directory below O(root), lower-case letters and digits.
        type: str
        required: true
      id:
        description:
          - The number under which the file system counts this tenant; it is never given to another one.
          - A tenant with files in the trash under this id is refused; M(swissphoto.silo.storage_trash) restores them.
          - It is the quota group C(1/<id>) on btrfs, the project on XFS, and a property of the dataset on ZFS.
          - C(<root>/.silo-ids) records it, and the module refuses it for any other name from then on.
        type: int
        required: true
      uid:
        description: Owner of C(uploads).
        type: int
        required: true
      gid:
        description: Group of C(uploads), which may only pass through it.
        type: int
        required: true
      limit:
        description:
          - Hard limit, in bytes or as V(100G) or V(1T), where a G is 1024 * 1024 * 1024 bytes.
          - XFS rounds it down to whole blocks.
        type: str
        required: true
      inodes:
        description:
          - Hard limit of the number of files and directories, where the file system has one, which is XFS.
          - V(0) sets none, and leaves one that is there.
        type: int
        default: 0
seealso:
  - module: swissphoto.silo.storage_quota_info
  - module: swissphoto.silo.storage_trash
"""

EXAMPLES = r"""
- name: Create the storage of two customers
  swissphoto.silo.storage_quota:
    root: /instances
    tenants:
      - name: hans
        id: 1
        uid: 200001
        gid: 200001
        limit: 100G
      - name: maria
        id: 2
        uid: 200002
        gid: 200002
        limit: 500G
"""

RETURN = r"""
backend:
  description: The kind of quota that was used.
  type: str
  returned: success
  sample: btrfs
tenants:
  description: The result for each tenant, by name.
  type: dict
  returned: when the file system could be read
  sample:
    hans:
      path: /instances/hans
      limit: 107374182400
      used: 16384
      inodes: null
      inode_limit: null
      changed: true
      changes: ["limit 50G -> 100G"]
      failed: false
      found:
        id: 1
        limit: 107374182400
        inode_limit: null
        problem: ""
  contains:
    path:
      description: The tenant's directory.
      type: str
      returned: always
    limit:
      description: The hard limit in bytes; null for a tenant that failed, and with O(backend=none).
      type: int
      returned: always
    used:
      description: Bytes in use; btrfs and ZFS count them when they commit, some seconds ago.
      type: int
      returned: always
    inodes:
      description: Files and directories in use; null if the file system does not count them.
      type: int
      returned: always
    inode_limit:
      description: The hard limit of files and directories; null if none was asked for, or the file system has none.
      type: int
      returned: always
    changed:
      description: Whether something was, or in check mode would be, changed.
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
    found:
      description: What was read back of the file system after a change; null if nothing was changed.
      type: dict
      returned: always
      contains:
        id:
          description: The number under which the directory is counted; null if it is not counted.
          type: int
          returned: always
        limit:
          description: The hard limit in bytes; null if there is none.
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
    msg:
      description: Why not, in one sentence.
      type: str
      returned: when the tenant failed
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.swissphoto.silo.plugins.module_utils.command import module_runner
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.allotment import ARGUMENTS, allot
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.result import finish


def main() -> None:
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    finish(module, allot(module.params, module.check_mode, module_runner(module), module.warn))


if __name__ == "__main__":
    main()

# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options by which the storage modules find their file system, as in module_utils/quota/detect.py."""

from __future__ import annotations

from ansible_collections.swissphoto.silo.plugins.module_utils.quota.detect import CHOICES


class ModuleDocFragment:
    """The options of storage_quota, storage_quota_info and storage_trash."""

    DOCUMENTATION = r"""
options:
  root:
    description:
      - Where the file system of all tenants is mounted on this host.
      - It must be a mount point itself, and its path free of symbolic links.
    type: path
    required: true
  sentinel:
    description: A file in O(root) that exists only on this file system. Without it, nothing is read or changed.
    type: str
    default: .silo-nas
  backend:
    description:
      - The kind of quota; V(auto) chooses it by the file system that is mounted.
      - V(manual) is for an appliance that sets its own quotas. The module then takes the size that statvfs reports for
        each directory as its limit.
      - V(none) sets no limit, so that one tenant can fill the file system for all; it takes any file system.
    type: str
    default: auto
"""
    # Apart, as yamllint of ansible-test reads plain texts alone.
    DOCUMENTATION += f"    choices: [{', '.join(CHOICES)}]\n"

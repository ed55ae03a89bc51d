# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which file system the storage's modules work on; the options are those of module_utils/quota/detect.py."""

from __future__ import annotations


class ModuleDocFragment:
    """Their options."""

    DOCUMENTATION = r"""
options:
  root:
    description:
      - Where the file system of all tenants is mounted on this host.
      - It must be a mount point itself, and its path free of symbolic links.
    type: path
    required: true
  sentinel:
    description: A file in O(root) that exists on the NAS alone; without it nothing is read or touched.
    type: str
    default: .silo-nas
  backend:
    description:
      - The kind of quota; V(auto) takes the one of the file system that is mounted.
      - V(manual) is for an appliance that has its own means to set quotas; the size that each directory's file system
        tells is its limit.
    type: str
    choices: [auto, btrfs, manual, xfs, zfs]
    default: auto
"""

"""Finds what is mounted at the root, and the back end that can limit it."""

from __future__ import annotations

import os
from pathlib import Path

from ansible_collections.swissphoto.silo.plugins.module_utils.command import Runner
from ansible_collections.swissphoto.silo.plugins.module_utils.common import mounts
from ansible_collections.swissphoto.silo.plugins.module_utils.common.mounts import Mount
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.base import Backend, QuotaError
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.btrfs import Btrfs
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.manual import Manual
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.unlimited import Unlimited
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.xfs import Xfs
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.zfs import Zfs

BACKENDS: dict[str, type[Backend]] = {backend.name: backend for backend in (Btrfs, Manual, Unlimited, Xfs, Zfs)}
"""All back ends. The name of each is that of its file system in the mount table, but for those that take any."""

TAKES_ANY = frozenset({Manual.name, Unlimited.name})

CHOICES = ("auto", *sorted(BACKENDS))
"""What the option `backend` takes."""

PLACE = {
    "root": {"type": "path", "required": True},
    "sentinel": {"type": "str", "default": ".silo-nas"},
    "backend": {"type": "str", "choices": list(CHOICES), "default": "auto"},
}
"""The options by which a module finds its file system, as AnsibleModule takes them."""


def parse_mounts(text: str) -> list[Mount]:
    """Return the lines of a mountinfo; raises QuotaError for a line of another shape."""
    try:
        return mounts.parse(text)
    except ValueError as error:
        raise QuotaError(str(error)) from None


def require_mount(root: str, sentinel: str, table: list[Mount]) -> Mount:
    """Return the mount at the root; raises QuotaError where it is not that of silo, ready to be written to."""
    if os.path.realpath(root) != root:
        raise QuotaError(f"{root} is or contains a symbolic link, or is not a plain absolute path")
    # A later line hides an earlier one at the same place.
    mount = next((mount for mount in reversed(table) if mount.point == root), None)
    if mount is None:
        raise QuotaError(f"nothing is mounted at {root}")
    if "ro" in mount.options:
        raise QuotaError(f"{root} is mounted read-only")
    if not Path(root, sentinel).is_file():
        raise QuotaError(f"{root} is mounted, but it is not the one of silo: the file {sentinel} is missing in it")
    return mount


def open_backend(root: str, sentinel: str, wanted: str, run: Runner, table: str | None = None) -> Backend:
    """Return the back end for the file system mounted at the root; raises QuotaError where no limit would hold.

    C(wanted) is one of C(CHOICES). C(table) is the text of a mount table other than the kernel's.
    """
    text = mounts.TABLE.read_text(encoding="utf-8") if table is None else table
    mount = require_mount(root, sentinel, parse_mounts(text))
    if wanted not in ("auto", *TAKES_ANY, mount.type):
        raise QuotaError(f"{root} is {mount.type} and not {wanted}")
    kind = BACKENDS.get(mount.type if wanted == "auto" else wanted)
    if kind is None:
        raise QuotaError(
            f"{root} is {mount.type}; limits can be set on {', '.join(sorted(BACKENDS.keys() - TAKES_ANY))}, "
            f"and where an appliance sets them itself, the backend '{Manual.name}' checks them"
        )
    backend = kind(mount, run)
    backend.check()
    return backend

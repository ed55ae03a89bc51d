"""Puts the playbooks, roles, plugins and policy into a wheel, as silo/home, where silo.repository finds them.

A wheel has no symbolic links: what the repository has by one of them is in it twice. An editable install takes those of
its clone.
"""

from __future__ import annotations

import typing as t
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

HOME = Path("silo") / "home"
COLLECTION = HOME / "collections" / "ansible_collections" / "swissphoto" / "silo"
# A file or folder of the repository, by a path of its own, and where it lies in the wheel.
PACKED = (
    ("ansible.cfg", HOME / "ansible.cfg"),
    ("galaxy.yml", COLLECTION / "galaxy.yml"),
    ("group_vars", HOME / "group_vars"),
    ("playbooks/group_vars", HOME / "playbooks" / "group_vars"),
    ("inventory/example", HOME / "inventory" / "example"),
    ("meta", COLLECTION / "meta"),
    ("playbooks", HOME / "playbooks"),
    ("plugins", COLLECTION / "plugins"),
    ("collections/ansible_collections/swissphoto/silo/roles", COLLECTION / "roles"),
    ("roles/tenant/tasks", HOME / "roles" / "tenant" / "tasks"),  # playbooks import some of them by their path
    ("server", COLLECTION / "server"),
    ("tools/vault-password", HOME / "tools" / "vault-password"),
)


def packed(root: Path) -> dict[str, str]:
    """Return the path of each file to its place in the wheel."""
    found = {}
    for source, place in PACKED:
        top = root / source
        for path in [top] if top.is_file() else sorted(top.rglob("*")):
            # What silo keeps for somebody who tried the example belongs into no wheel: vaults, letters, an edit.
            below = path.relative_to(top)
            is_local = path.name == "vault.yml" or below.parts[:1] in ((".silo",), (".silo-edit",))
            if path.is_file() and "__pycache__" not in path.parts and not is_local:
                found[str(path)] = str(place / below)
    return found


class Packed(BuildHookInterface[t.Any]):
    """Called by hatchling; `version` is `editable` for an editable install."""

    def initialize(self, version: str, build_data: dict[str, t.Any]) -> None:
        """Add the files."""
        if version != "editable":
            build_data["force_include"].update(packed(Path(self.root)))

# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: missing
short_description: Ends the run with one sentence if the inventory does not exist
version_added: 0.1.0
author:
  - SwissPhoto (@swissphoto)
description:
  - Accepts an inventory source that does not exist, and ends the run with a sentence that says how to create one.
  - C(ansible.cfg) enables it last, so that it sees only sources that no other plugin accepts.
options: {}
"""

EXAMPLES = r"""
# ansible.cfg
# [inventory]
# enable_plugins = host_list, script, auto, yaml, ini, toml, swissphoto.silo.missing
"""

import typing as t
from pathlib import Path

from ansible.plugins.inventory import BaseInventoryPlugin


class InventoryModule(BaseInventoryPlugin):  # type: ignore[misc]  # Ansible is not typed
    """Accepts paths that do not exist."""

    NAME = "swissphoto.silo.missing"

    def verify_file(self, path: str) -> bool:
        """Accept a path that does not exist."""
        return not Path(path).exists()

    def parse(self, inventory: t.Any, loader: t.Any, path: str, cache: bool = True) -> t.NoReturn:
        """End the run. Ansible would turn any other exception into a warning, and end with a useless message."""
        raise SystemExit(
            f"There is no inventory at {path}. `make demo` creates that of the demo; name your own with -i."
        )

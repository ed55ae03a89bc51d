# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: tenants
short_description: Every folder of host_vars with a tenant.yml is a tenant
version_added: 0.1.0
author:
  - SwissPhoto (@swissphoto)
description:
  - Adds one host to the group C(tenants) for each C(host_vars/<name>/tenant.yml) beside the inventory source.
  - To add a tenant, add its folder.
  - Puts each tenant into the groups C(plan_<plan>), C(on_<server>) and C(stored_on_<nas>).
  - If the group C(servers) or C(nas) has only one member, a tenant need not name it.
  - A tenant whose files cannot be read, or would count otherwise than they look, keeps nobody else away. Its files are
    not read, and it has the variable C(__tenant_problems), a list of sentences.
  - Ends the run if Ansible's setting C(precedence) lets the policy of this collection count more than the inventory.
options:
  plugin:
    description: Marks the file as a source for this plugin.
    type: str
    required: true
    choices: [swissphoto.silo.tenants]
"""

EXAMPLES = r"""
# inventory/example/tenants.yml
plugin: swissphoto.silo.tenants
"""

import concurrent.futures
import contextlib
import os
import typing as t
from collections.abc import Iterable
from pathlib import Path

from ansible import constants
from ansible.errors import AnsibleError, AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin
from ansible_collections.swissphoto.silo.plugins.module_utils import precedence
from ansible_collections.swissphoto.silo.plugins.module_utils.controller import SiloImports

SILO = SiloImports()
with SILO:
    from silo.inventory import examination

# An apply fills these groups while it runs; they exist from the start so that Ansible accepts a play on them.
GROUPS_OF_A_RUN = ("one_tenant_per_nas", "one_tenant_per_server", "failed_tenants")


def _overlook(loader: t.Any, folder: Path) -> None:
    """Have Ansible take the files of a tenant for empty, by its cache: one that it cannot read would end the run."""
    for file in loader.find_vars_files(str(folder.parent), folder.name):
        loader._FILE_CACHE[loader.path_dwim(os.fsdecode(file))] = {}


def _open_vaults(loader: t.Any, files: Iterable[Path]) -> None:
    """Let Ansible read these files now, and cache their content for its later reading of each host's variables.

    Deriving a vault's key takes 5 ms, which each process of a run would repeat for every tenant.
    """

    def open_vault(file: Path) -> None:
        # A file that cannot be decrypted fails where it is needed.
        with contextlib.suppress(AnsibleError):
            loader.load_from_file(str(file), cache="all", unsafe=True, trusted_as_template=True)

    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        list(pool.map(open_vault, files))


class InventoryModule(BaseInventoryPlugin):  # type: ignore[misc]  # Ansible is not typed
    """Reads the names of the folders; Ansible's own host_vars plugin reads the files in them."""

    NAME = "swissphoto.silo.tenants"

    def verify_file(self, path: str) -> bool:
        """Accept files named tenants.yml."""
        return bool(super().verify_file(path)) and Path(path).name in ("tenants.yml", "tenants.yaml")

    def parse(self, inventory: t.Any, loader: t.Any, path: str, cache: bool = True) -> None:
        """Add the tenants beside `path` to the inventory; `hosts.yml` was read before, as its name sorts first."""
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        if wrong := precedence.problem(constants.config.get_config_value("VARIABLE_PRECEDENCE")):
            # Any other exception may become a warning, and the run would go on.
            raise SystemExit(f"{path}: {wrong}")
        for group in ("tenants", *GROUPS_OF_A_RUN):
            inventory.add_group(group)
        SILO.require(AnsibleParserError)
        # The same paths that Ansible's host_vars plugin uses.
        root = Path(path).parent.resolve()
        found = examination.examine(root, follow=True)
        problems = found.problems
        inventory.set_variable("all", "__silo_mistakes", list(found.mistakes))
        names = {file.parent.name for file in root.glob("host_vars/*/tenant.yml")} | set(problems)
        for name in sorted(names):
            file = Path(path).parent / "host_vars" / name / "tenant.yml"
            if name not in problems:
                self._add_tenant(file, loader.load_from_file(str(file), cache="none") or {})
                continue
            self._add_tenant(file, {})
            inventory.set_variable(name, "__tenant_problems", list(problems[name]))
            _overlook(loader, root / "host_vars" / name)
        sound = (file for file in root.glob("host_vars/*/vault.yml") if file.parent.name not in problems)
        _open_vaults(loader, sorted(sound))

    def _add_tenant(self, file: Path, settings: dict[str, t.Any]) -> None:
        name = self.inventory.add_host(file.parent.name, group="tenants")
        self.inventory.set_variable(name, "tenant_file", str(file))
        if plan := settings.get("tenant_plan"):
            self._join(name, f"plan_{plan}")
        for key, members, prefix in (("tenant_server", "servers", "on"), ("tenant_nas", "nas", "stored_on")):
            host = settings.get(key) or self._only_member(members)
            if host:
                self.inventory.set_variable(name, key, host)
                self._join(name, f"{prefix}_{host}")

    def _only_member(self, group: str) -> str | None:
        hosts = self.inventory.groups[group].get_hosts() if group in self.inventory.groups else []
        return hosts[0].name if len(hosts) == 1 else None

    def _join(self, name: str, group: str) -> None:
        self.inventory.add_child(self.inventory.add_group(group), name)

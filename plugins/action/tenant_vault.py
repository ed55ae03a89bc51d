# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The action plugin tenant_vault: what it reads on a server goes into a vault on the controller, and nowhere else."""

from __future__ import annotations

import base64
import re
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.swissphoto.silo.plugins.module_utils.controller import SiloImports

SILO = SiloImports()
with SILO:
    from silo.tenant import secrets
    from silo.tenant.schema import TenantError

ON_SERVER = ("database_password", "cache_password")
# As `secrets.make` makes them, and as long as operators may have made their own.
PASSWORD = re.compile(r"[A-Za-z0-9]{16,128}")


class ActionModule(ActionBase):  # type: ignore[misc]  # Ansible is not typed
    """Takes `directory`; the host of the play is the tenant."""

    TRANSFERS_FILES = False
    _VALID_ARGS = frozenset({"directory"})

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Return the path of the vault, or fail with a sentence that has no password in it."""
        variables = task_vars or {}
        SILO.require(AnsibleActionFail)
        result = super().run(tmp, variables)
        name = variables["inventory_hostname"]
        path = secrets.vault_file(variables["tenant_file"])
        if path.exists():
            raise AnsibleActionFail(f"{path}: it is there already, and no vault is replaced")
        folder = f"{self._task.args['directory']}/{name}/secrets"
        # The password of the admin is the customer's affair since the first login.
        values = secrets.make() | {key: self._read(f"{folder}/{key}", name, variables) for key in ON_SERVER}
        if not self._task.check_mode:
            try:
                secrets.write(path, values, self._loader._vault)
            except TenantError as error:
                raise AnsibleActionFail(str(error)) from error
        return result | {"changed": True, "path": str(path)}

    def _read(self, path: str, name: str, variables: dict[str, t.Any]) -> str:
        said = self._execute_module("ansible.builtin.slurp", {"src": path}, task_vars=variables)
        if said.get("failed") or said.get("unreachable"):
            raise AnsibleActionFail(f"{name}: {path} cannot be read on its server: {said.get('msg', 'no reason')}")
        password = base64.b64decode(said["content"]).decode("ascii", errors="replace").strip()
        if not PASSWORD.fullmatch(password):
            raise AnsibleActionFail(
                f"{name}: {path} on its server is no password of silo; it must have 16 letters and digits at least"
            )
        return password

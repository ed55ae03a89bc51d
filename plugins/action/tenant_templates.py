# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Controller side of tenant_templates: the template of those tenants that come next, by the policy of the server."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.swissphoto.silo.plugins.module_utils.controller import SiloImports

SILO = SiloImports()
with SILO:
    from silo.tenant import template
    from silo.tenant.load import read_policy
    from silo.tenant.schema import TenantError


class ActionModule(ActionBase):  # type: ignore[misc]  # Ansible is not typed
    """Takes nothing; the host of the task is the server."""

    TRANSFERS_FILES = False
    _VALID_ARGS = frozenset()

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Return the module's result."""
        variables = task_vars or {}
        SILO.require(AnsibleActionFail)
        result = super().run(tmp, variables)
        try:
            tenant = read_policy(variables["inventory_hostname"], variables["hostvars"])
            stacks = template.stacks([tenant])
        except TenantError as error:
            raise AnsibleActionFail(str(error)) from error
        arguments = {
            "templates": stacks,
            "directory": tenant.settings["tenant_directory"],
            "sentinel": tenant.settings["tenant_storage_sentinel"],
            "wait_seconds": tenant.settings["tenant_wait_seconds"],
        }
        result.update(self._execute_module("swissphoto.silo.tenant_templates", arguments, task_vars=variables))
        result.pop("invocation", None)
        return result

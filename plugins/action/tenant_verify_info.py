# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Controller side of tenant_verify_info: what each tenant should be, from the inventory."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail
from ansible.module_utils.basic import missing_required_lib
from ansible.plugins.action import ActionBase

try:
    from silo.tenant.expectations import ports, promise, seccomp
    from silo.tenant.load import read_all
    from silo.tenant.schema import TenantError
except ImportError as error:
    SILO_ERROR: ImportError | None = error
else:
    SILO_ERROR = None

# What the roles of a server say, and its audit needs: the option, and the variable.
POLICY = {
    "sentinel": "recovery_sentinel",
    "machine_learning_port": "silo_machine_learning_port",
    "closed": "host_firewall_input_enabled",
    "ssh_keys_only": "host_ssh_keys_only",
}


class ActionModule(ActionBase):  # type: ignore[misc]  # Ansible is not typed
    """Takes `names`, all where there is none; `server` where a tenant speaks for its own. The rest is the policy's."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Return the module's result; one call for all tenants of a server."""
        variables = task_vars or {}
        if SILO_ERROR:
            raise AnsibleActionFail(missing_required_lib("silo", reason="make setup installs it")) from SILO_ERROR
        result = super().run(tmp, variables)
        server = self._task.args.get("server") or variables["inventory_hostname"]
        try:
            tenants = read_all(variables["groups"].get("tenants", []), variables["hostvars"])
        except TenantError as error:
            raise AnsibleActionFail(str(error)) from error
        here = [tenant for tenant in tenants if tenant.server == server]
        names = self._task.args.get("names") or [tenant.name for tenant in here]
        policy = variables["hostvars"][server]
        arguments = {option: policy[name] for option, name in POLICY.items() if name in policy}
        arguments |= self._task.args
        arguments |= {
            "server": server,
            "known": [tenant.name for tenant in here],
            "tenants": [promise(tenant) for tenant in here if tenant.name in names],
            "ports": ports(),
            "seccomp": seccomp(),
        }
        result.update(self._execute_module("swissphoto.silo.tenant_verify_info", arguments, task_vars=variables))
        return result

# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Controller side of tenant_stacks: renders each tenant from its variables, creates and commits missing secrets."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.swissphoto.silo.plugins.module_utils.controller import SiloImports

SILO = SiloImports()
with SILO:
    from silo.inventory import vaults
    from silo.tenant import secrets, template
    from silo.tenant.load import read_some
    from silo.tenant.model import Tenant
    from silo.tenant.render import render
    from silo.tenant.schema import TenantError
    from silo.tenant.services import after, compose_file, folders, mounts


class ActionModule(ActionBase):  # type: ignore[misc]  # Ansible is not typed
    """Takes `names`, and adds the other arguments."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Return the module's result; one call for all tenants."""
        variables = task_vars or {}
        SILO.require(AnsibleActionFail)
        result = super().run(tmp, variables)
        try:
            tenants = read_some(self._task.args["names"], variables["hostvars"])
            parameters = self._parameters(tenants)
        except TenantError as error:
            raise AnsibleActionFail(str(error)) from error
        self._commit_vaults(tenants, variables)
        arguments = self._task.args | parameters
        result.update(self._execute_module("swissphoto.silo.tenant_stacks", arguments, task_vars=variables))
        # The module's arguments contain all secrets.
        result.pop("invocation", None)
        return result

    def _parameters(self, tenants: list[Tenant]) -> dict[str, t.Any]:
        policy = tenants[0].settings if tenants else {}
        return {
            "compose": compose_file(),
            "mounts": mounts(),
            "after": after(),
            "folders": list(folders()),
            "directory": policy.get("tenant_directory"),
            "routes_directory": policy.get("tenant_routes_directory"),
            "sentinel": policy.get("tenant_storage_sentinel"),
            "wait_seconds": policy.get("tenant_wait_seconds"),
            "templates": template.stacks(tenants),
            "tenants": [self._item(tenant) for tenant in tenants],
        }

    def _item(self, tenant: Tenant) -> dict[str, t.Any]:
        values = tenant.settings.get("tenant_secrets") or self._new_secrets(tenant)
        stack = render(tenant, values)
        return {
            "name": tenant.name,
            "host_name": tenant.host_name,
            "template": template.key(tenant),
            "state": tenant.state,
            "uid": tenant.uid,
            "photo_server": tenant.photo_server,
            "storage": tenant.storage,
            "disk": tenant.disk,
            "app_quota": tenant.app_quota,
            "email": tenant.login,
            "admin_password": values["admin_password"],
            "compose": stack.compose,
            "env": stack.env,
            "slice": stack.slice,
            "configuration": stack.configuration,
            "route": stack.route,
            "starting": stack.starting,
            "digests": dict(stack.digests),
            "secrets": dict(stack.secrets),
        }

    def _new_secrets(self, tenant: Tenant) -> t.Mapping[str, str]:
        """Create a tenant's secrets, and store them on the controller before the server gets them."""
        values = secrets.make()
        if not self._task.check_mode:
            secrets.write(secrets.vault_file(tenant.settings["tenant_file"]), values, self._loader._vault)
        return values

    def _commit_vaults(self, tenants: list[Tenant], variables: dict[str, t.Any]) -> None:
        """Commit the vaults that git does not know yet; silo passes the two variables on from its command line."""
        if self._task.check_mode or not variables.get("silo_commits", True):
            return
        files = [Path(secrets.vault_file(str(tenant.settings["tenant_file"]))) for tenant in tenants]
        if problem := vaults.problem(files, variables.get("silo_commit_author")):
            self._display.warning(problem)

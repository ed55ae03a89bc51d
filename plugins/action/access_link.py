# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Controller side of access_link: creates the link, and writes it to a file once the server has its ticket."""

from __future__ import annotations

import datetime
import typing as t
from pathlib import Path

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.swissphoto.silo.plugins.module_utils.common.compose import container
from ansible_collections.swissphoto.silo.plugins.module_utils.controller import SiloImports

SILO = SiloImports()
with SILO:
    from silo.tenant import access_link, secrets
    from silo.tenant.load import read
    from silo.tenant.model import Tenant
    from silo.tenant.schema import TenantError


def _when(seconds: int) -> str:
    return datetime.datetime.fromtimestamp(seconds).astimezone().isoformat(sep=" ", timespec="minutes")


class ActionModule(ActionBase):  # type: ignore[misc]  # Ansible is not typed
    """Takes `links_directory`, `tickets_directory` and `hours`, and fills in the rest."""

    TRANSFERS_FILES = False
    _VALID_ARGS = frozenset({"links_directory", "tickets_directory", "hours"})

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Return the module's result with a summary; only the file contains the link itself."""
        variables = task_vars or {}
        SILO.require(AnsibleActionFail)
        result = super().run(tmp, variables)
        try:
            tenant = read(variables["inventory_hostname"], variables["hostvars"])
            path = Path(self._task.args["links_directory"]).expanduser() / tenant.name
            new, known = access_link.make(), access_link.read(path, tenant.host_name)
            arguments = {**self._task.args, **self._parameters(tenant, new, known)}
            result.update(self._execute_module("swissphoto.silo.access_link", arguments, task_vars=variables))
            # The module's arguments contain passwords.
            result.pop("invocation", None)
            if result.get("failed"):
                return result
            if result["changed"] and not self._task.check_mode:
                access_link.write(path, new, tenant.host_name)
        except TenantError as error:
            raise AnsibleActionFail(str(error)) from error
        return result | {"summary": self._summary(tenant.name, path, result)}

    def _parameters(self, tenant: Tenant, new: access_link.Link, known: access_link.Link | None) -> dict[str, t.Any]:
        if int(self._task.args["hours"]) < 1:
            hours = self._task.args["hours"]
            raise TenantError([f"{tenant.name}: access_link_hours is {hours}; it must be 1 or more"])
        if tenant.state != "running":
            raise TenantError(
                [f"{tenant.name}: it is {tenant.state}, and only a running tenant can get a link; start it first"]
            )
        values = tenant.settings.get("tenant_secrets") or self._made_by_this_run(tenant)
        if not values:
            raise TenantError([f"{tenant.name}: it has no vault.yml yet; an apply creates it"])
        vault = values["admin_password"]
        return {
            "tenant": tenant.name,
            "host_name": tenant.host_name,
            "email": tenant.login,
            "photo_server": tenant.photo_server,
            "container": container(tenant.name, "server"),
            "digest": new.digest,
            "known_digest": known.digest if known else "",
            "known_password": known.password if known else "",
            "vault_key": {"password": vault, "sealed": new.seal(vault)},
            "fresh_key": {"password": new.password, "sealed": new.seal(new.password)},
        }

    def _made_by_this_run(self, tenant: Tenant) -> t.Mapping[str, str]:
        """Return the secrets of a vault.yml that was created after Ansible read the inventory."""
        path = secrets.vault_file(tenant.settings["tenant_file"])
        return self._loader.load_from_file(str(path), cache="none")["tenant_secrets"] if path.exists() else {}

    def _summary(self, name: str, path: Path, result: dict[str, t.Any]) -> str:
        if not result["expires_at"]:
            return f"{name}: a run would write a new link to {path}."
        kept = "" if result["changed"] else ", unchanged"
        return f"{name}: the link is in {path}{kept}, and is valid until {_when(result['expires_at'])}."

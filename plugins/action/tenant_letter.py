# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Controller side of tenant_letter: writes the queued letters to a customer, and hands them to the relay."""

from __future__ import annotations

import datetime
import typing as t
from pathlib import Path

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.swissphoto.silo.plugins.module_utils.controller import SiloImports

SILO = SiloImports()
with SILO:
    from silo import notifications
    from silo.state import State
    from silo.tenant import access_link
    from silo.tenant.load import read
    from silo.tenant.model import Tenant
    from silo.tenant.schema import TenantError


Result = dict[str, t.Any]
LINKS = "links"


class ActionModule(ActionBase):  # type: ignore[misc]  # Ansible is not typed
    """Takes `relay`, `payment_url`, `tickets_directory` and `hours`; the queue is in the outbox."""

    TRANSFERS_FILES = False
    _VALID_ARGS = frozenset({"relay", "payment_url", "tickets_directory", "hours"})

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> Result:
        """Return the letters that were written, and their delivery status; contact no server if nothing is queued."""
        variables = task_vars or {}
        SILO.require(AnsibleActionFail)
        result = super().run(tmp, variables) | {"changed": False, "summary": []}
        folder = Path(variables["inventory_dir"])
        try:
            settings = notifications.MailSettings.of(self._task.args["relay"], State(folder).outbox)
            if settings is None:
                return result
            outbox = notifications.Outbox(settings)
            tenant = read(variables["inventory_hostname"], variables["hostvars"])
            for pending in outbox.pending_notifications(tenant.name):
                self._write(pending, tenant, outbox, folder, variables, result)
            if result["changed"] and not self._task.check_mode:
                outbox.deliver()
                result["summary"] = [notifications.delivery_status(outbox, event) for event in result["summary"]]
        except (notifications.LetterError, TenantError) as error:
            raise AnsibleActionFail(str(error)) from error
        return result

    def _write(
        self,
        pending: notifications.PendingNotification,
        tenant: Tenant,
        outbox: notifications.Outbox,
        folder: Path,
        variables: dict[str, t.Any],
        result: Result,
    ) -> None:
        """Write the letter of one pending notification into the outbox, if its content is true."""
        if tenant.state != notifications.TRUE_WHEN[pending.kind]:
            # For example suspended and paid since, or created and stopped since: the letter would be wrong.
            if not self._task.check_mode:
                outbox.forget(pending.tenant, pending.kind)
            return
        result["changed"] = True
        if self._task.check_mode:
            result["summary"].append(f"{tenant.name}: a run would write the letter '{pending.kind}'.")
            return
        address = f"https://{tenant.host_name}"
        file = State(folder).folder / LINKS / tenant.name
        if pending.kind in ("created", "access"):
            until = self._link(file.parent, variables)
            if (issued := access_link.read(file, tenant.host_name)) is None:
                raise TenantError([f"{file}: the link that was just written there is gone; run again"])
            letter = notifications.with_link(pending.kind, tenant.name, address, issued.url(tenant.host_name), until)
        else:
            pay = pending.link or self._task.args["payment_url"]
            reason = tenant.settings.get("tenant_state_reason") or ""
            letter = notifications.of_state(pending.kind, tenant.name, address, pay, tenant.quota, reason)
        outbox.enqueue(pending.event, tenant.email, letter, tenant.settings["tenant_language"])
        outbox.forget(pending.tenant, pending.kind)
        file.unlink(missing_ok=True)
        result["summary"].append(pending.event)

    def _link(self, directory: Path, variables: dict[str, t.Any]) -> datetime.datetime:
        """Write a one-time link to `directory`, or keep a valid one that an earlier run wrote there."""
        task = self._task.copy()
        task.args = {
            "links_directory": str(directory),
            "tickets_directory": self._task.args["tickets_directory"],
            "hours": self._task.args["hours"],
        }
        action = self._shared_loader_obj.action_loader.get(
            "swissphoto.silo.access_link",
            task=task,
            connection=self._connection,
            play_context=self._play_context,
            loader=self._loader,
            templar=self._templar,
            shared_loader_obj=self._shared_loader_obj,
        )
        issued = action.run(task_vars=variables)
        if issued.get("failed"):
            raise AnsibleActionFail(issued.get("msg", "the one-time link could not be issued"), result=issued)
        return datetime.datetime.fromtimestamp(issued["expires_at"], datetime.UTC)

# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Controller side of tenant_letter: writes the queued letters to a customer, and hands them to the relay.

Without a relay, it leaves the first one-time link of a new customer in a file.
"""

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
    from silo.owed_links import OwedLinks
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
            owed = OwedLinks(State(folder).folder)
            name = variables["inventory_hostname"]
            if settings is None:
                if name in owed.all():
                    self._leave_link(read(name, variables["hostvars"]), owed, folder, variables, result)
                return result
            outbox = notifications.Outbox(settings)
            tenant = read(name, variables["hostvars"])
            if tenant.name in owed.all() and not self._task.check_mode:
                # The relay was set since.
                outbox.queue_notification(tenant.name, "created")
                owed.forget(tenant.name)
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
            # Suspended and paid since: the letter would be wrong. A link is still owed when the tenant runs.
            if not self._task.check_mode and pending.kind not in notifications.WITH_LINK:
                outbox.forget(pending.tenant, pending.kind)
            return
        result["changed"] = True
        if self._task.check_mode:
            result["summary"].append(f"{tenant.name}: a run would write the letter '{pending.kind}'.")
            return
        address = f"https://{tenant.host_name}"
        file = State(folder).folder / LINKS / tenant.name
        if pending.kind in notifications.WITH_LINK:
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

    def _leave_link(
        self, tenant: Tenant, owed: OwedLinks, folder: Path, variables: dict[str, t.Any], result: Result
    ) -> None:
        """Leave the first link of a tenant that runs in a file, as nobody can send it."""
        if tenant.state != "running":
            return
        result["changed"] = True
        if self._task.check_mode:
            result["summary"].append(f"{tenant.name}: a run would make the one-time login link.")
            return
        directory = State(folder).folder / LINKS
        self._link(directory, variables)
        owed.forget(tenant.name)
        result["summary"].append(f"{tenant.name}: the one-time login link is in {directory / tenant.name}.")

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

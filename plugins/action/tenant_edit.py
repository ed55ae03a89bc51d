# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Controller side of tenant_edit, which has no other side: one edit of the inventory, as `silo` makes it."""

from __future__ import annotations

import dataclasses
import datetime
import json
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.swissphoto.silo.plugins.module_utils.controller import SiloImports

SILO = SiloImports()
with SILO:
    from silo import maintenance
    from silo.admission import AdmissionError
    from silo.inventory import Change, InventoryError
    from silo.languages import LANGUAGES
    from silo.notifications import LetterError
    from silo.tenants import TenantService, in_the_trash

Result = dict[str, t.Any]
ARGUMENTS = {
    "name": {"type": "str", "required": True},
    "edit": {"type": "str", "required": True, "choices": ["create", "state", "remove", "record", "maintenance"]},
    "settings": {"type": "dict", "default": {}},
    "confirm": {"type": "str", "default": ""},
    "stored": {"type": "dict", "default": {}},
}


def _told(change: Change) -> Result:
    return {"changed": bool(change.diff_text), "diff": {"prepared": change.diff_text}}


class ActionModule(ActionBase):  # type: ignore[misc]  # Ansible is not typed
    """Edits the inventory with which the play was called."""

    TRANSFERS_FILES = False
    _VALID_ARGS = frozenset(ARGUMENTS)

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> Result:
        """Return what was edited, with the difference."""
        SILO.require(AnsibleActionFail)
        result = super().run(tmp, task_vars)
        _spec, given = self.validate_argument_spec(ARGUMENTS)
        # localhost, which needs to be in no inventory, has no inventory_dir.
        inventory = (task_vars or {})["ansible_inventory_sources"][0]
        try:
            # Plain values: Ansible's carry their origin along, and no file can hold that.
            return result | self._edit(
                TenantService(str(inventory), notify=self._display.warning, apply=False), json.loads(json.dumps(given))
            )
        except (InventoryError, AdmissionError, LetterError, maintenance.MaintenanceError) as error:
            raise AnsibleActionFail(str(error)) from error

    def _edit(self, service: TenantService, given: Result) -> Result:
        name, dry_run, kind = given["name"], self._task.check_mode, given["edit"]
        if kind == "create":
            return _told(service.create(name, dry_run=dry_run, **given["settings"]))
        if kind == "state":
            self._check_confirmed(given)
            reason = given["settings"].get("reason", "")
            return _told(service.set_state(name, given["settings"]["state"], dry_run=dry_run, reason=reason))
        if kind == "maintenance":
            return _told(service.maintain([name], self._notice(given["settings"]), dry_run=dry_run))
        if kind == "remove":
            change = service.remove(name, dry_run=dry_run)
            return _told(change) | ({} if dry_run else in_the_trash(service.files.last_deleted(name)))
        deletion = service.trash.record(service.files.last_deleted(name), service.outbox, **given["stored"])
        return {"changed": True, "record": dataclasses.asdict(deletion)}

    def _notice(self, settings: Result) -> maintenance.Notice | None:
        """Return what customers read; None to switch it off."""
        if (state := settings.get("state")) not in ("on", "off"):
            raise InventoryError(f"state is {state!r}; it must be on or off")
        text, until = settings.get("text"), settings.get("until")
        texts: dict[str, str] = text if isinstance(text, dict) else dict.fromkeys(LANGUAGES, str(text)) if text else {}
        end = maintenance.until(str(until), datetime.datetime.now(datetime.UTC)) if until and state == "on" else None
        return maintenance.Notice(texts, end) if state == "on" else None

    def _check_confirmed(self, given: Result) -> None:
        if given["settings"]["state"] == "absent" and given["confirm"] != given["name"]:
            name = given["name"]
            raise InventoryError(f"confirm is {given['confirm']!r}; it must be the name typed again, confirm={name}")

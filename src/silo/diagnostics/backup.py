"""Check the age of the last backup of this controller."""

from __future__ import annotations

import datetime
from pathlib import Path

from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics.registry import PREFLIGHT

from silo import backup_record
from silo.diagnostics import Finding
from silo.diagnostics.engine import Controller, check

ID = "controller_backup"
OLD = datetime.timedelta(days=2)
PAGE = "docs/operate/runbooks/lost-controller.md"


def check_backup(inventory: Path, now: datetime.datetime) -> Finding:
    """Check that there is a backup, complete and not older than two days; no creation fails for it."""
    found = backup_record.read(inventory)
    if found is None:
        text = "there is no backup of this controller: if it is lost, so is the list of tenants, with their passwords"
        return Finding(ID, "controller", "warning", text, f"run 'silo controller key' and 'backup', as {PAGE} says")
    age = now - found.at
    made = f"the last backup of this controller is {_rough(age)} old: {found.path}"
    if age > OLD:
        fix = "look at 'systemctl status silo-backup.timer', or run 'silo controller backup'"
        return Finding(ID, "controller", "warning", made, fix)
    if found.problems:
        text = f"{made}; it is not complete: {'; '.join(found.problems)}"
        return Finding(ID, "controller", "warning", text, "correct what it names, then run 'silo controller backup'")
    return Finding(ID, "controller", "ok", made)


def _rough(age: datetime.timedelta) -> str:
    hours = int(age.total_seconds() // 3600)
    return f"{hours} h" if hours < 48 else f"{hours // 24} days"


@check(ID, scope="controller", selections=PREFLIGHT)
def backup(controller: Controller) -> Finding:
    """Check the backup of this machine."""
    return check_backup(controller.inventory, datetime.datetime.now(datetime.UTC))

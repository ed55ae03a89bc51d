"""The sign of life that each run of `silo alerts` leaves on the servers: a controller that is lost tells nobody."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from pathlib import Path

from silo import backup_record

PLAYBOOK = "sign.yml"
SEEN, BACKUP = "silo_controller_timestamp_seconds", "silo_controller_backup_timestamp_seconds"
HELP = {
    SEEN: "When the controller looked at the alerts.",
    BACKUP: "When the last complete backup of the controller was made; 0 if none ever was complete.",
}


def metrics(inventory: Path, now: datetime.datetime) -> str:
    """Return the text that node-exporter reads: the time of this run, and that of the last complete backup.

    Where no backup was made, it has no time of one; where none was complete, that is 0, which is too old.
    """
    last = backup_record.read(inventory)
    values = {SEEN: now.timestamp()}
    if last:
        values[BACKUP] = last.complete_at.timestamp() if last.complete_at else 0.0
    lines = [f"# HELP {name} {HELP[name]}\n# TYPE {name} gauge\n{name} {when:.0f}\n" for name, when in values.items()]
    return "".join(lines)


def arguments(inventory: Path, now: datetime.datetime) -> Sequence[str]:
    """Return the arguments of Ansible for the playbook."""
    return ["-e", json.dumps({"sign_metrics": metrics(inventory, now)})]

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
    BACKUP: "When the last backup of the controller was made.",
}


def metrics(inventory: Path, now: datetime.datetime) -> str:
    """Return the text that node-exporter reads: the time of this run, and that of the last backup, if there is one."""
    last = backup_record.read(inventory)
    values = {SEEN: now} | ({BACKUP: last.at} if last else {})
    lines = [
        f"# HELP {name} {HELP[name]}\n# TYPE {name} gauge\n{name} {when.timestamp():.0f}\n"
        for name, when in values.items()
    ]
    return "".join(lines)


def arguments(inventory: Path, now: datetime.datetime) -> Sequence[str]:
    """Return the arguments of Ansible for the playbook."""
    return ["-e", json.dumps({"sign_metrics": metrics(inventory, now)})]

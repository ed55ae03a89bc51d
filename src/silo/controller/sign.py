"""The sign of life that each run of `silo alerts` leaves on the servers: a controller that is lost tells nobody."""

from __future__ import annotations

import contextlib
import datetime
import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from silo import backup_record
from silo.notifications.outbox import Outbox

PLAYBOOK = "sign.yml"
SEEN, BACKUP = "silo_controller_timestamp_seconds", "silo_controller_backup_timestamp_seconds"
UNANSWERED, LOST = "silo_letters_unanswered_seconds", "silo_letters_lost"
HELP = {
    SEEN: "When the controller looked at the alerts.",
    BACKUP: "When the last complete backup of the controller was made; 0 if none ever was complete.",
    UNANSWERED: "How long the oldest letter has waited about which the relay has said nothing.",
    LOST: "Letters to customers that failed of late, after which none has arrived.",
}


def metrics(inventory: Path, now: datetime.datetime, outbox: Outbox | None = None) -> str:
    """Return the text that node-exporter reads: the time of this run, that of the last complete backup, the letters.

    What is not there has no line: a backup, or an outbox that can be read. Where no backup was complete, its time is 0,
    which is too old.
    """
    last = backup_record.read(inventory)
    values = {SEEN: now.timestamp()}
    if last:
        values[BACKUP] = last.complete_at.timestamp() if last.complete_at else 0.0
    with contextlib.suppress(sqlite3.Error, OSError):
        if outbox is not None:
            since = outbox.unanswered_since()
            values |= {UNANSWERED: 0.0 if since is None else max(0.0, now.timestamp() - since)}
            values |= {LOST: float(len(outbox.lost()))}
    lines = [f"# HELP {name} {HELP[name]}\n# TYPE {name} gauge\n{name} {one:.0f}\n" for name, one in values.items()]
    return "".join(lines)


def arguments(inventory: Path, now: datetime.datetime, outbox: Outbox | None = None) -> Sequence[str]:
    """Return the arguments of Ansible for the playbook."""
    return ["-e", json.dumps({"sign_metrics": metrics(inventory, now, outbox)})]

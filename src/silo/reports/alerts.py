"""The alerts of Prometheus on each host, reported once to the operator and to affected customers.

Prometheus' rules (role monitoring) have the thresholds and their hysteresis. This module only stores which alerts were
reported.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import hashlib
import json
import math
import sqlite3
import typing as t
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ansible_collections.swissphoto.silo.plugins.module_utils.common.text import printable

from silo import state
from silo.ansible import runner
from silo.ansible.contract import READ, ReadTag, TaskId
from silo.controller import sign
from silo.inventory.validation import Tenant
from silo.notifications import LetterError, Outbox
from silo.notifications.letter import Quota
from silo.notifications.settings import OPERATOR
from silo.tenants import TenantService

SILENT = "PrometheusSilent"
# Alerts that the customer gets as well, the mildest first.
OF_QUOTA = ("TenantStorageFilling", "TenantStorageNearlyFull", "TenantStorageFull")
SEVERITIES = ("critical", "warning", "info")


@dataclasses.dataclass(frozen=True)
class Alert:
    """An alert of a host since a time (ISO 8601). `tenant` is empty if it concerns no tenant.

    `labels` distinguish it from others of its name; `value` is Prometheus' number.
    """

    host: str
    name: str
    since: str
    severity: str
    summary: str
    description: str = ""
    tenant: str = ""
    labels: str = ""
    value: str = ""

    @property
    def key(self) -> str:
        """The identity of the alert, unchanged as long as it fires."""
        return f"{self.host} {self.name} {self.labels} {self.since}"


@dataclasses.dataclass(frozen=True)
class Crossings:
    """The current alerts, and those that began or ended since the last run."""

    now: tuple[Alert, ...]
    begun: tuple[Alert, ...]
    ended: tuple[Alert, ...]

    @property
    def event(self) -> str:
        """The id of the event, the same if an interrupted run is repeated."""
        keys = "\n".join(sorted(f"+{one.key}" for one in self.begun) + sorted(f"-{one.key}" for one in self.ended))
        return f"alerts/operator/{hashlib.sha256(keys.encode()).hexdigest()[:32]}"


def _plain(text: object) -> str:
    return printable(str(text), 500).strip()


def _alert(host: str, found: Mapping[str, t.Any]) -> Alert:
    labels, words = dict(found["labels"]), found["annotations"]
    name, severity = labels.pop("alertname"), labels.pop("severity", "warning")
    return Alert(
        host,
        _plain(name),
        _plain(found["activeAt"]),
        severity if severity in SEVERITIES else "warning",
        _plain(words.get("summary", name)),
        _plain(words.get("description", "")),
        _plain(labels.get("tenant", "")),
        _plain(" ".join(f"{key}={value}" for key, value in sorted(labels.items()))),
        _plain(found.get("value", "")),
    )


def wrong(found: runner.Results, before: Iterable[Alert], now: datetime.datetime) -> tuple[Alert, ...]:
    """Return the alerts, by severity; for a host that does not answer, its earlier ones and PrometheusSilent.

    `found` are the results of read.yml with the tag alerts.
    """
    answers = found.get(TaskId.ALERTS, {})
    remembered = list(before)
    alerts: list[Alert] = []
    for host, said in found.get(TaskId.MONITORED, {}).items():
        if said["msg"] in (False, "False"):
            continue
        try:
            listed = answers[host]["json"]["data"]["alerts"]
            alerts += [_alert(host, one) for one in listed if one["state"] == "firing"]
        except (LookupError, TypeError, AttributeError):
            alerts += [one for one in remembered if one.host == host and one.name != SILENT]
            alerts.append(_silent(host, remembered, now))
    return tuple(sorted(alerts, key=lambda one: (SEVERITIES.index(one.severity), one.host, one.name, one.labels)))


def _silent(host: str, before: Iterable[Alert], now: datetime.datetime) -> Alert:
    known = (one for one in before if (one.host, one.name) == (host, SILENT))
    fresh = Alert(
        host,
        SILENT,
        now.isoformat(timespec="seconds"),
        "critical",
        f"{host} has no monitoring: it cannot be reached, or its Prometheus does not answer.",
        "Until it answers again, its problems cause no alerts; silo check examines the host.",
    )
    return next(known, fresh)


def crossings(before: Sequence[Alert], now: Sequence[Alert]) -> Crossings:
    """Return the alerts that began and ended between two runs."""
    earlier, later = {one.key for one in before}, {one.key for one in now}
    begun = tuple(one for one in now if one.key not in earlier)
    return Crossings(tuple(now), begun, tuple(one for one in before if one.key not in later))


def letter(found: Crossings) -> tuple[str, str]:
    """Return subject and text of the letter to the operator on all alerts that began or ended."""
    first = (found.begun or found.ended)[0]
    more = len(found.begun) + len(found.ended) - 1
    subject = ("" if found.begun else "Over: ") + first.summary + (f" And {more} more." if more else "")
    lines = [
        f"{one.severity}, {one.host}: {one.summary}\n  {one.description}\n  Since {one.since}." for one in found.begun
    ]
    lines += [f"over, {one.host}: {one.summary}" for one in found.ended]
    return subject, "\n\n".join(lines)


def quota_letters(found: Crossings, tenants: Mapping[str, Tenant]) -> list[tuple[str, Tenant, Quota]]:
    """Return event, tenant and letter for each customer whose usage crossed a threshold; the highest of several."""
    highest: dict[str, Alert] = {}
    for one in sorted((one for one in found.begun if one.name in OF_QUOTA), key=lambda one: OF_QUOTA.index(one.name)):
        highest[one.tenant] = one
    letters = []
    for name, one in sorted(highest.items()):
        if (tenant := tenants.get(name)) and tenant.state == "running":
            if (share := _share(one.value)) is None:
                continue  # the operator hears of it, and nobody knows a number
            used = min(tenant.quota, round(share * tenant.quota))
            event = f"quota/{name}/{one.name}@{one.since}"
            letters.append((event, tenant, Quota(name, f"https://{tenant.host_name}", used, tenant.quota)))
    return letters


def _share(value: str) -> float | None:
    """Return the part of a quota that is used, at most all of it; None for what is no such number, such as +Inf."""
    try:
        found = float(value)
    except ValueError:
        return None
    return min(found, 1.0) if math.isfinite(found) and found >= 0 else None


def remembered(path: Path) -> list[Alert]:
    """Return the alerts of the last run; empty if they cannot be read."""
    try:
        return [Alert(**one) for one in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError):
        return []


def look(service: TenantService, *, leaves_sign: bool = False) -> Crossings:
    """Read the alerts of all hosts; raises silo.ansible.runner.RunError.

    With `leaves_sign`, the same run leaves the controller's sign of life on the servers.
    """
    before, now = remembered(service.state.alerts), datetime.datetime.now(datetime.UTC)
    playbooks, more = [READ], []
    if leaves_sign:
        playbooks, more = [READ, sign.PLAYBOOK], [*sign.arguments(service.path, now, _outbox(service))]
    found = runner.results(playbooks, service.path, ["--tags", ReadTag.ALERTS, *more])
    return crossings(before, wrong(found, before, now))


def _outbox(service: TenantService) -> Outbox | None:
    """Return the outbox; None without a relay, or if it cannot be opened, as the sign of life must be left anyway."""
    with contextlib.suppress(LetterError, sqlite3.Error, OSError):
        return service.outbox
    return None


def notify(service: TenantService, found: Crossings) -> None:
    """Store the letters on alerts that began or ended, then the alerts as reported; raises LetterError.

    In this order, because after an interruption the next run finds them again, and stores each event's letter once.
    """
    outbox, operator = service.outbox, service.policy.letters.get(OPERATOR)
    if outbox is not None:
        kept = outbox.states()
        if (found.begun or found.ended) and operator and found.event not in kept:
            outbox.enqueue_for_operator(found.event, str(operator), *letter(found))
        for event, tenant, one in quota_letters(found, service.tenants()):
            if event not in kept:
                outbox.enqueue(event, tenant.email, one, tenant.settings["tenant_language"])
    state.write(service.state.alerts, [dataclasses.asdict(one) for one in found.now])
    if outbox is not None:
        outbox.deliver()

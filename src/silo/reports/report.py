"""The usage of each tenant over some days, from the ledgers of all servers and NAS, for invoices and prices."""

from __future__ import annotations

import calendar
import dataclasses
import datetime
import json
import re
import typing as t
from collections.abc import Mapping, Sequence
from pathlib import Path

from ansible_collections.swissphoto.silo.plugins.module_utils.usage.amounts import NAMES, WHOLE, Amounts

from silo.ansible import runner
from silo.ansible.contract import ReadTag, TaskId
from silo.ansible.results import ask
from silo.inventory import InventoryError
from silo.notifications import ZONE

HOUR = 3600
DAY = 24 * HOUR
KIB = 1024
GIGABYTE = 10**9
MICROSECONDS = 10**6
AGO = re.compile(r"([0-9]{1,6})d")
MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")


@dataclasses.dataclass(frozen=True)
class Period:
    """A period of days, including the first and the last."""

    first: datetime.date
    last: datetime.date


@dataclasses.dataclass(frozen=True)
class Line:
    """The usage of one tenant. GB are 10^9 bytes; a day of a state has 24 hours.

    `uptime` is the share of the observed time, in which it should run, during which all containers were healthy; None
    without such a time. `sent_bytes` and `received_bytes` are bodies of Traefik's requests, to and from the customer;
    `network_*` is the traffic of the containers, mostly between each other.
    """

    name: str
    storage_gb_hours: float
    storage_peak_bytes: int
    memory_gb_hours: float
    memory_peak_bytes: int
    database_gb_hours: float
    cpu_hours: float
    requests: int
    received_bytes: int
    sent_bytes: int
    network_received_bytes: int
    network_sent_bytes: int
    disk_read_bytes: int
    disk_written_bytes: int
    running_days: float
    stopped_days: float
    suspended_days: float
    uptime: float | None
    unseen_hours: float
    restarts: int
    oom_kills: int
    memory_limit_events: int


@dataclasses.dataclass(frozen=True)
class Report:
    """All tenants by name, and their sum; a sentence for each problem that makes the numbers incomplete.

    `amounts` are the integers of the ledgers, by tenant.
    """

    period: Period
    tenants: tuple[Line, ...]
    whole: Line
    amounts: Mapping[str, Amounts]
    problems: tuple[str, ...]


def today(now: datetime.datetime | None = None) -> datetime.date:
    """Return the current day of customers, regardless of the controller's time zone."""
    return (now or datetime.datetime.now(datetime.UTC)).astimezone(ZONE).date()


def month(text: str) -> Period:
    """Return the days of a month such as 2026-11; raises InventoryError."""
    if not MONTH.fullmatch(text) or text < "2000":
        raise InventoryError(f"month is {text!r}; it must be a year and a month such as 2026-11")
    year, number = int(text[:4]), int(text[5:])
    last = calendar.monthrange(year, number)[1]
    return Period(datetime.date(year, number, 1), datetime.date(year, number, last))


def since(text: str, today: datetime.date) -> Period:
    """Return the days from one such as 2026-11-20, or from so many days ago such as 7d; raises InventoryError."""
    ago = AGO.fullmatch(text)
    try:
        first = today - datetime.timedelta(days=int(ago[1])) if ago else datetime.date.fromisoformat(text)
    except (ValueError, OverflowError):
        first = datetime.date.max
    if first > today:
        raise InventoryError(f"since is {text!r}; it must be a day such as {today}, or days ago such as 7d")
    return Period(first, today)


def line(name: str, used: Amounts) -> Line:
    """Return the line of one tenant."""
    seen = used.running_seconds - min(used.running_seconds, used.unseen_seconds)
    return Line(
        name,
        storage_gb_hours=_gb_hours(used.storage_kib_seconds),
        storage_peak_bytes=used.storage_peak_bytes,
        memory_gb_hours=_gb_hours(used.memory_kib_seconds),
        memory_peak_bytes=used.memory_peak_bytes,
        database_gb_hours=_gb_hours(used.database_kib_seconds),
        cpu_hours=round(used.cpu_microseconds / MICROSECONDS / HOUR, 4),
        requests=used.requests,
        received_bytes=used.requests_bytes,
        sent_bytes=used.responses_bytes,
        network_received_bytes=used.network_received_bytes,
        network_sent_bytes=used.network_sent_bytes,
        disk_read_bytes=used.disk_read_bytes,
        disk_written_bytes=used.disk_written_bytes,
        running_days=round(used.running_seconds / DAY, 4),
        stopped_days=round(used.stopped_seconds / DAY, 4),
        suspended_days=round(used.suspended_seconds / DAY, 4),
        uptime=round(min(1.0, used.healthy_seconds / seen), 6) if seen else None,
        unseen_hours=round(used.unseen_seconds / HOUR, 4),
        restarts=used.restarts,
        oom_kills=used.oom_kills,
        memory_limit_events=used.memory_limit_events,
    )


def _gb_hours(kib_seconds: int) -> float:
    return round(kib_seconds * KIB / HOUR / GIGABYTE, 4)


def report(period: Period, ledgers: Mapping[str, Mapping[str, t.Any]], missing: Sequence[str] = ()) -> Report:
    """Return the usage in `period`; `ledgers`: host to the result of tenant_ledger_info.

    `missing` is a sentence for each host that did not answer.
    """
    problems = [*missing]
    amounts: dict[str, Amounts] = {}
    for host, found in sorted(ledgers.items()):
        used = _used(found["days"])
        problems += [f"{host}: {found['problem']}"] if found["problem"] else _checked(host, used)
        for name, one in used.items():
            # The peak of all tenants exists for one host only; those of several hosts were at different moments.
            amounts[name] = amounts.get(name, Amounts()) + one
    if not ledgers and not missing:
        problems.append("no host has a ledger; the role accounting creates it")
    whole = amounts.pop(WHOLE, Amounts())
    lines = tuple(line(name, used) for name, used in sorted(amounts.items()))
    return Report(period, lines, line("all", whole), amounts, tuple(problems))


def _used(days: Mapping[str, Mapping[str, Mapping[str, int]]]) -> dict[str, Amounts]:
    used: dict[str, Amounts] = {}
    for tenants in days.values():
        for name, amounts in tenants.items():
            used[name] = used.get(name, Amounts()) + Amounts(**amounts)
    return used


def _checked(host: str, used: Mapping[str, Amounts]) -> list[str]:
    """Return a sentence for each sum that differs from its parts, because the ledger is incomplete."""
    whole = used.get(WHOLE, Amounts())
    parts = sum((amounts for name, amounts in used.items() if name != WHOLE), Amounts())
    return [
        f"{host}: {name} of all tenants is {getattr(whole, name)} in the ledger, and their sum {getattr(parts, name)}"
        for name in NAMES
        if "_peak_" not in name and getattr(whole, name) != getattr(parts, name)
    ]


def arguments(period: Period, hours: int = 0) -> list[str]:
    """Return the arguments of read.yml with the tag ledger: the days, and the number of last hours in single steps."""
    days = {"ledger_first_day": str(period.first), "ledger_last_day": str(period.last)}
    return ["--extra-vars", json.dumps(days | {"ledger_course_hours": hours, "ledger_course_steps": max(1, hours)})]


def read(inventory: Path, period: Period) -> Report:
    """Read the usage in `period`; raises silo.ansible.runner.RunError."""
    found = ask(inventory, ReadTag.LEDGER, arguments=arguments(period))
    return report(period, found.results.get(TaskId.LEDGER, {}), tuple(found.missing.values()))


def course(found: runner.Results, hours: int) -> dict[str, list[float | None]]:
    """Return tenant to the CPU seconds of each of the last `hours`, None if unknown.

    `found` are the results of read.yml with the tag ledger; without a ledger, the result is empty.
    """
    tenants: dict[str, list[float | None]] = {}
    for ledger in found.get(TaskId.LEDGER, {}).values():
        for name, parts in ledger["course"].items():
            values = tenants.setdefault(name, [None] * hours)
            for step, amounts in parts.items():
                if int(step) < hours and "running_seconds" in amounts:
                    values[int(step)] = (values[int(step)] or 0) + amounts.get("cpu_microseconds", 0) / MICROSECONDS
    return {name: values for name, values in tenants.items() if name != WHOLE}

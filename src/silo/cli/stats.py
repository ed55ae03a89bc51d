"""silo stats and silo top: the usage now, or since a day; once, repeatedly, or as numbers for machines."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence

import click
from ansible_collections.swissphoto.silo.plugins.module_utils.common.sizes import rough

from silo.ansible.contract import ReadTag
from silo.ansible.results import ask
from silo.cli import output
from silo.cli.context import Context
from silo.cli.report import show_period
from silo.inventory import InventoryError
from silo.reports import report, usage

HOURS = 24
BARS = " ▁▂▃▄▅▆▇█"
COLUMNS = ("memory", "CPU now", "CPU time", "uploads", "disk", "database", "photos", "requests", "sent")
# By what a table can be sorted; all but the name from the most to the least.
KEYS: Mapping[str, str] = {
    "name": "name",
    "memory": "memory_bytes",
    "cpu": "cpu_cores",
    "storage": "storage_bytes",
    "disk": "space_bytes",
    "database": "database_bytes",
    "photos": "photos",
    "requests": "requests",
    "sent": "sent_bytes",
}
Course = Mapping[str, Sequence[float | None]]


@click.command(cls=output.Command)
@click.option("--sort", type=click.Choice(list(KEYS)), default="name", show_default=True, help="The column to sort by.")
@click.option(
    "--since", metavar="DAY", help="The usage since a day such as 2026-11-20, or since 7d ago, from the ledger."
)
@click.option(
    "--watch",
    type=click.FloatRange(1, 3600),
    is_flag=False,
    flag_value=5.0,
    help="Repeat every N seconds, 5 if not given.",
)
@click.option("--csv", "as_csv", is_flag=True, help="CSV with a header, and one line for each tenant.")
@output.json_option(
    "An object with 'tenants', 'totals', 'problems' and 'left_out'; sizes in bytes, null for what is unknown."
)
@click.pass_obj
def stats(context: Context, sort: str, since: str | None, watch: float | None, as_csv: bool, as_json: bool) -> None:
    """Show the usage of each tenant, and the totals: memory, CPU, disk, database, requests and bytes served.

    The bars show the CPU of the last day, one for each hour.
    """
    if since is not None:
        if watch is not None:
            raise InventoryError("--since and --watch exclude each other")
        show_period(context, report.since(since, report.today()), as_csv=as_csv, as_json=as_json)
    elif watch is not None:
        if as_csv or as_json:
            raise InventoryError("--watch shows a table; for numbers at intervals, run silo repeatedly")
        follow(lambda: _watched(context, KEYS[sort]), watch)
    elif as_json:
        used = usage.read(context.inventory)
        output.as_json(dataclasses.asdict(used))
        output.incomplete(used.left_out)
    elif as_csv:
        used = usage.read(context.inventory)
        write_csv(sorted_by(KEYS[sort], used.tenants))
        output.incomplete(used.left_out)
    else:
        today = report.today()
        given = report.arguments(report.Period(today, today), HOURS)
        found = ask(context.inventory, ReadTag.STATS, ReadTag.LEDGER, arguments=given)
        used = usage.of(found)
        output.show(_table(used, KEYS[sort], report.course(found.results, HOURS)))
        _print_notes(used)
        output.incomplete(used.left_out)


@click.command(cls=output.Command)
@click.argument("seconds", type=click.FloatRange(1, 3600), default=5.0)
@click.pass_obj
def top(context: Context, seconds: float) -> None:
    """Show the busiest tenants, and again every SECONDS (5 if not given), until Ctrl-C."""
    follow(lambda: _watched(context, KEYS["cpu"]), seconds)


def follow(look: Callable[[], output.Table], seconds: float, console: output.Console | None = None) -> None:
    """Show what `look` returns until it is interrupted: in place, or one below the other where nobody watches."""
    screen = console or output.console()
    with contextlib.suppress(KeyboardInterrupt):
        if not screen.is_terminal:
            while True:
                screen.print(output.fit(look(), screen))
                time.sleep(seconds)
        with output.live(output.fit(look(), screen), screen) as live:
            while True:
                time.sleep(seconds)
                live.update(output.fit(look(), screen), refresh=True)


def sorted_by(key: str, tenants: Sequence[usage.TenantUsage]) -> list[usage.TenantUsage]:
    """Return the tenants by a number, most first and the unknown last; by name where that is the key, or equal."""
    if key == "name":
        return sorted(tenants, key=lambda tenant: tenant.name)
    return sorted(tenants, key=lambda tenant: (-(getattr(tenant, key) or 0), tenant.name))


def write_csv(tenants: Sequence[usage.TenantUsage]) -> None:
    """Print a line each tenant; what is unknown is empty."""
    names = [field.name for field in dataclasses.fields(usage.TenantUsage)]
    # The name and the state first, since these are what a line is found by.
    names.sort(key=lambda name: name not in ("name", "server", "desired", "observed"))
    output.csv([names, *([getattr(tenant, name) for name in names] for tenant in tenants)])


def bars(values: Sequence[float | None]) -> str:
    """Return a line of bars, the highest of which is the highest value; a blank is unknown, a low bar is nothing."""
    most = max((value for value in values if value is not None), default=0.0)
    return "".join(BARS[0] if value is None else BARS[1 + int(value / most * 7) if most else 1] for value in values)


def _watched(context: Context, key: str) -> output.Table:
    """Return the table of this moment, with what is missing below it."""
    used = usage.read(context.inventory)
    table = _table(used, key, {})
    table.caption = output.plain(" ".join(used.left_out)) if used.left_out else None
    return table


def _table(used: usage.Usage, key: str, course: Course) -> output.Table:
    table = output.table("tenant", *COLUMNS, *(["last day"] if course else []))
    for tenant in sorted_by(key, used.tenants):
        cells = [f"{tenant.name}, orphan" if tenant.orphan else tenant.name, *_numbers(tenant)]
        table.add_row(*cells, *([bars(course.get(tenant.name, ()))] if course else []))
    table.add_section()
    table.add_row(f"all {used.totals.tenants}", *_numbers(used.totals), *([""] if course else []))
    return table


def _print_notes(used: usage.Usage) -> None:
    if since := sorted({tenant.since for tenant in used.tenants if tenant.since}):
        output.line(f"Requests and bytes sent since {since[0]}, when Traefik started.")
    for problem in used.problems:
        output.line(problem, err=True)


def _numbers(found: usage.Numbers) -> list[str]:
    """Return one cell for each number; empty for what is unknown."""
    photos = None if found.photos is None else found.photos + (found.videos or 0)
    return [
        _memory(found),
        "" if found.cpu_cores is None else f"{found.cpu_cores:.0%}",
        "" if found.cpu_seconds is None else _duration(found.cpu_seconds),
        _share(found.storage_bytes, found.storage_limit_bytes),
        _share(found.space_bytes, found.space_limit_bytes),
        "" if found.database_bytes is None else rough(found.database_bytes),
        *("" if number is None else str(number) for number in (photos, found.requests)),
        "" if found.sent_bytes is None else rough(found.sent_bytes),
    ]


def _memory(found: usage.Numbers) -> str:
    """Return the memory, its share of the promised limit, and what is lent beyond it."""
    burst = found.memory_burst_bytes or 0
    limit = None if found.memory_limit_bytes is None else found.memory_limit_bytes - burst
    return _share(found.memory_bytes, limit) + (f", {rough(burst)} burst" if burst else "")


def _share(used: int | None, limit: int | None) -> str:
    """Return a size, and how much of its limit it is."""
    if used is None:
        return ""
    return f"{rough(used)}, {used / limit:.0%} of {rough(limit)}" if limit else rough(used)


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 3600:.1f} h"

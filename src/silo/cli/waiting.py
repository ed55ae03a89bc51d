"""silo billing waiting: everything that waits, and for what."""

from __future__ import annotations

import dataclasses
import datetime
from pathlib import Path

import click

from silo.billing import waiting as everything
from silo.cli import output
from silo.cli.billing import inbox_option, opened
from silo.cli.context import Context
from silo.notifications import ZONE


@click.command(cls=output.Command)
@inbox_option
@output.json_option(
    "An object with 'waiting' (number, kind, tenant, cause, since, ends, again, step) and 'problems', sources that "
    "cannot be read; times are in UTC, or null."
)
@click.pass_obj
def waiting(context: Context, inbox: Path, as_json: bool) -> None:
    """Show all that waits, each with its number, cause, since when, until when, and what to do; the oldest first.

    These are events, orders, interrupted changes and deletions, decisions, letters and links. Silo goes on by itself
    once the cause is gone. A source that cannot be read is named below, and the others are shown.
    """
    found = everything.read(context.service, lambda: opened(inbox) if inbox.exists() else None)
    if as_json:
        listed = [
            {**dataclasses.asdict(one), "since": _utc(one.since), "again": _utc(one.again)} for one in found.waiting
        ]
        output.as_json({"waiting": listed, "problems": list(found.problems)})
        return
    for one in found.waiting:
        whom = f", {one.tenant}" if one.tenant else ""
        output.line(f"{one.number} ({one.kind}{whom})")
        told = {
            "since": _local(one.since),
            "cause": one.cause,
            "until": one.ends,
            "next try": _local(one.again),
            "to do": one.step,
        }
        for label, text in told.items():
            if text:
                output.line(f"  {label + ':':9} {' '.join(text.split())}")
    if not found.waiting and not found.problems:
        output.line("Nothing waits.")
    for problem in found.problems:
        output.line(f"Incomplete: {' '.join(problem.split())}", err=True)


def _utc(at: datetime.datetime | None) -> str | None:
    return at.astimezone(datetime.UTC).isoformat(timespec="seconds") if at else None


def _local(at: datetime.datetime | None) -> str:
    return at.astimezone(ZONE).strftime("%Y-%m-%d %H:%M:%S") if at else ""

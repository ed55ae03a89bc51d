# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a server has recorded of one tenant: its birth, its settings, its containers, and what silo-recovery did."""

from __future__ import annotations

import dataclasses
import datetime
import os
import typing as t
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ..common import bounded_json, process, tenant_env
from ..common.text import printable
from . import engine
from .stack import Container, StackError

UNIT = "silo-recovery"
JOURNAL_SECONDS = 30
JOURNAL_LINES = 5000
JOURNAL_BYTES = 8 * 1024**2
STARTED = "started "
LARGEST = 64 * 1024
LONGEST = 300
# What Docker says for "never".
NEVER = "0001-01-01"
# The files of a tenant whose date says when something was done last.
DONE = {".login": "the login was set", ".app-quota": "the app quota was set"}


class RecordsError(Exception):
    """Records of a server cannot be read; the text says why."""


@dataclasses.dataclass(frozen=True)
class Record:
    """What happened at a time, in seconds since 1970; `why` may be empty."""

    at: float
    what: str
    why: str = ""


def _journal() -> str:
    command = ("journalctl", f"--unit={UNIT}", "--output=json", "--quiet", "--no-pager", f"--lines={JOURNAL_LINES}")
    try:
        # The newest lines are the last ones.
        said = process.run(command, seconds=JOURNAL_SECONDS, environment=os.environ, largest=JOURNAL_BYTES, tail=True)
    except OSError as error:
        raise RecordsError(f"the journal cannot be read: {error.strerror}") from error
    if said.stopped or said.rc:
        reason = said.stopped or f"it ends with code {said.rc}: {printable(' '.join(said.err.split()))}"
        raise RecordsError(f"the journal cannot be read: {reason}")
    return said.out


@dataclasses.dataclass(frozen=True)
class RecordTools:
    """The operations on the server; tests replace them."""

    containers: Callable[[str], Sequence[Container]] = lambda name: engine.containers(tenant=name)
    inspect: Callable[[Container], t.Any] = engine.inspect
    journal: Callable[[], str] = _journal


def read(directory: Path, name: str, tools: RecordTools) -> tuple[list[Record], list[str]]:
    """Return the records of the tenant `name`, the oldest first, and a sentence for each part that cannot be read."""
    found: list[Record] = []
    problems: list[str] = []
    parts: tuple[Callable[[], Iterator[Record]], ...] = (
        lambda: _files(directory / name),
        lambda: _containers(name, tools),
        lambda: recovered(name, tools.journal()),
    )
    for part in parts:
        try:
            found += part()
        except (StackError, RecordsError, OSError, LookupError, TypeError, ValueError) as error:
            problems.append(printable(str(error), LONGEST))
    return sorted(found, key=lambda record: (record.at, record.what)), problems


def _files(folder: Path) -> Iterator[Record]:
    if (marker := folder / tenant_env.SET_UP).is_file():
        yield Record(marker.stat().st_mtime, "it was born", _origin(marker))
    for file, what in DONE.items():
        if (path := folder / file).is_file():
            yield Record(path.stat().st_mtime, what)


def _origin(marker: Path) -> str:
    """Return of what an instance was born; empty for one that silo has adopted."""
    try:
        with marker.open("rb") as file:
            return printable(str(bounded_json.parse(file.read(LARGEST))["from"]), LONGEST)
    except (ValueError, LookupError, TypeError):
        return ""


def _containers(name: str, tools: RecordTools) -> Iterator[Record]:
    for container in tools.containers(name):
        details = tools.inspect(container)
        state, service = details["State"], container.service
        if at := _time(details["Created"]):
            yield Record(at, f"container {service} was made", f"of {printable(str(details['Config']['Image']))}")
        if at := _time(state["StartedAt"]):
            times = int(details.get("RestartCount") or 0)
            yield Record(at, f"container {service} started", f"the engine restarted it {times} times" if times else "")
        if (at := _time(state["FinishedAt"])) and not state["Running"]:
            killed = ", as its memory was full" if state.get("OOMKilled") else ""
            yield Record(at, f"container {service} ended", f"with code {int(state['ExitCode'])}{killed}")


def _time(text: object) -> float | None:
    """Return the seconds since 1970 of a time of Docker's, which has nanoseconds; None for never."""
    if not isinstance(text, str) or text.startswith(NEVER):
        return None
    return datetime.datetime.fromisoformat(f"{text[:19]}+00:00").timestamp()


def recovered(name: str, journal: str) -> Iterator[Record]:
    """Yield what silo-recovery said of a tenant, from its lines in the journal, each an object in JSON."""
    for line in journal.splitlines():
        try:
            entry = bounded_json.parse(line)
            at, said = int(entry["__REALTIME_TIMESTAMP"]) / 1e6, entry["MESSAGE"]
        except (ValueError, LookupError, TypeError):  # the first line may be cut
            continue
        if not isinstance(said, str):
            continue
        if said.startswith(STARTED) and name in said.removeprefix(STARTED).split(", "):
            yield Record(at, f"{UNIT} started it")
        elif said.startswith(f"{name}: "):
            yield Record(at, f"{UNIT} could not start it", printable(said.removeprefix(f"{name}: "), LONGEST))

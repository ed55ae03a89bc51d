# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Queries to a tenant's database with the psql in its own container: no password, no open port."""

from __future__ import annotations

import os
import typing as t
from collections.abc import Mapping, Sequence

from . import process
from .compose import container
from .process import Completed
from .text import printable

SECONDS = 60
LARGEST = 64 * 1024
# Within the time of the whole question.
READY_SECONDS = 50
WHEN_READY = 'until pg_isready -q -U immich -d immich; do sleep 0.05; done; exec "$@"'

Feeder = t.Callable[[Sequence[str], str], Completed]


class PsqlError(Exception):
    """The statement failed; the text says why."""


def feed(command: Sequence[str], text: str) -> Completed:
    """Run a command with `text` as its input; raises PsqlError if it is late, or says more than LARGEST bytes."""
    try:
        result = process.run(command, seconds=SECONDS, environment=os.environ, text=text, largest=LARGEST)
    except OSError as error:
        raise PsqlError(f"{command[0]} cannot be started: {error.strerror}") from error
    if result.stopped:
        raise PsqlError(f"the database does not answer within {SECONDS} s, or with more than {LARGEST} bytes")
    return result


def command(
    tenant: str, *arguments: str, options: str = "", within_seconds: int = 0, when_ready: bool = False
) -> tuple[str, ...]:
    """Return the command that reads SQL from its input and prints bare values.

    `options` are of the session. `within_seconds` ends psql inside of the container too, since the end of
    `docker exec` ends nothing there. With `when_ready`, it waits in the container for a database that only starts.
    """
    environment = ("--env", f"PGOPTIONS={options}") if options else ()
    bounded = ("timeout", "--signal=KILL", str(within_seconds)) if within_seconds else ()
    waiting = ("sh", "-c", WHEN_READY, "sh") if when_ready else ()
    return (
        *("docker", "exec", "--interactive", *environment, container(tenant, "database")),
        *(*bounded, *waiting, "psql", "-XqAt", *arguments, "-U", "immich", "-d", "immich"),
    )


def ask(tenant: str, statement: str, values: Mapping[str, object], answer: Feeder = feed) -> str:
    """Return the output of the statement. psql quotes `values` where the statement has :'name'. Raises PsqlError."""
    return _answer(tenant, command(tenant, *_given(values)), statement, answer)


def ask_when_ready(tenant: str, statement: str, values: Mapping[str, object], answer: Feeder = feed) -> str:
    """Do the same as `ask` as soon as a database answers whose container has just started. Raises PsqlError."""
    waiting = command(tenant, *_given(values), within_seconds=READY_SECONDS, when_ready=True)
    return _answer(tenant, waiting, statement, answer)


def _given(values: Mapping[str, object]) -> list[str]:
    return ["-v", "ON_ERROR_STOP=1", *(part for name, value in values.items() for part in ("-v", f"{name}={value}"))]


def _answer(tenant: str, command: Sequence[str], statement: str, answer: Feeder) -> str:
    result = answer(command, statement)
    if result.rc:
        reason = printable(" ".join(result.err.split())) or "no message"
        raise PsqlError(f"{container(tenant, 'database')} ends with code {result.rc}: {reason}")
    return result.out.strip()

# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A tenant's database, asked by the psql in its own container: no password, and no port that is open."""

from __future__ import annotations

import subprocess
import typing as t
from collections.abc import Mapping, Sequence

from .compose import container

SECONDS = 60

Feeder = t.Callable[[Sequence[str], str], "subprocess.CompletedProcess[str]"]


class PsqlError(Exception):
    """The database did not do what it was asked; the text says why."""


def feed(command: Sequence[str], text: str) -> subprocess.CompletedProcess[str]:
    """Run a command with `text` as its input; raises PsqlError where it does not end within SECONDS."""
    try:
        return subprocess.run(list(command), input=text, capture_output=True, text=True, check=False, timeout=SECONDS)
    except subprocess.TimeoutExpired as error:
        raise PsqlError(f"the database does not answer within {SECONDS} s") from error


def command(tenant: str, *arguments: str, options: str = "", within_seconds: int = 0) -> tuple[str, ...]:
    """Return the command that reads SQL from its input and prints bare values.

    `options` are of the session. `within_seconds` ends psql inside of the container too, since the end of
    `docker exec` ends nothing there.
    """
    environment = ("--env", f"PGOPTIONS={options}") if options else ()
    bounded = ("timeout", "--signal=KILL", str(within_seconds)) if within_seconds else ()
    return (
        *("docker", "exec", "--interactive", *environment, container(tenant, "database")),
        *(*bounded, "psql", "-XqAt", *arguments, "-U", "immich", "-d", "immich"),
    )


def ask(tenant: str, statement: str, values: Mapping[str, object], answer: Feeder = feed) -> str:
    """Return what the statement prints. `values` are psql's to quote, as :'name'. Raises PsqlError."""
    given = [part for name, value in values.items() for part in ("-v", f"{name}={value}")]
    result = answer(command(tenant, "-v", "ON_ERROR_STOP=1", *given), statement)
    if result.returncode:
        reason = " ".join(result.stderr.split()) or "it says nothing"
        raise PsqlError(f"{container(tenant, 'database')} ends with code {result.returncode}: {reason[:200]}")
    return result.stdout.strip()

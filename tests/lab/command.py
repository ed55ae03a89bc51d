"""How the lab runs commands on this machine: one small door, which the unit tests replace."""

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

MAX_SHOWN = 200  # characters of a command in an error
MAX_LINES = 8  # lines of its stderr


class LabError(Exception):
    """What went wrong, as one sentence for the person who called `make lab`."""


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str


class Machine(Protocol):
    """What the lab needs of the machine on which it runs."""

    def run(self, *argv: str, stdin: bytes = b"", env: Mapping[str, str] | None = None, check: bool = True) -> Result:
        """Run a command to its end; with `check`, an exit code other than 0 is a LabError."""

    def pipe(self, source: Sequence[str], sink: Sequence[str]) -> str:
        """Feed the output of `source` to `sink`; the output of `sink`. LabError where one of them fails."""

    def start(self, argv: Sequence[str], log: Path) -> None:
        """Start a daemon that outlives this program."""


def failure(argv: Sequence[str], result: Result) -> LabError:
    """The error of a command: what was called, how it ended and its last words."""
    command = shlex.join(argv).replace("\n", " ")
    shown = command if len(command) <= MAX_SHOWN else command[:MAX_SHOWN] + " ..."
    said = (result.stderr.strip() or result.stdout.strip()).splitlines()[-MAX_LINES:]
    return LabError("\n".join([f"`{shown}` ended with code {result.code}:", *(f"  {line}" for line in said)]))


class LocalMachine:
    """The machine itself."""

    def run(self, *argv: str, stdin: bytes = b"", env: Mapping[str, str] | None = None, check: bool = True) -> Result:
        """Run a command to its end; with `check`, an exit code other than 0 is a LabError."""
        try:
            ended = subprocess.run(argv, input=stdin, env=_environment(env), capture_output=True, check=False)
        except FileNotFoundError:
            result = Result(127, "", f"{argv[0]}: not installed")
        else:
            result = Result(
                ended.returncode, ended.stdout.decode(errors="replace"), ended.stderr.decode(errors="replace")
            )
        if check and result.code != 0:
            raise failure(argv, result)
        return result

    def pipe(self, source: Sequence[str], sink: Sequence[str]) -> str:
        """Feed the output of `source` to `sink`; the output of `sink`. LabError where one of them fails."""
        with subprocess.Popen(source, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=_environment(None)) as first:
            last = subprocess.run(sink, stdin=first.stdout, env=_environment(None), capture_output=True, check=False)
            if first.stdout:
                first.stdout.close()  # a source whose sink is gone must not wait for a reader
            words = first.stderr.read().decode(errors="replace") if first.stderr else ""
        if last.returncode != 0:
            raise failure(sink, Result(last.returncode, "", last.stderr.decode(errors="replace")))
        if first.returncode != 0:
            raise failure(source, Result(first.returncode, "", words))
        return last.stdout.decode()

    def start(self, argv: Sequence[str], log: Path) -> None:
        """Start a daemon that outlives this program."""
        with log.open("ab") as output:
            # A session of its own: the Ctrl-C that ends make does not end the daemon.
            subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)


def _environment(extra: Mapping[str, str] | None) -> dict[str, str]:
    # Messages are read in one language; the classic builder needs no plug-in of the Docker client.
    return {**os.environ, "LC_ALL": "C.UTF-8", "DOCKER_BUILDKIT": "0", **(extra or {})}

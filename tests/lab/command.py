"""Runs the lab's commands on this machine; unit tests replace this interface."""

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
    """An error of the lab, as a sentence for the caller of `make lab`."""


@dataclass(frozen=True)
class Result:
    """The result of a command."""

    code: int
    stdout: str
    stderr: str


class Machine(Protocol):
    """The operations that the lab needs of its machine."""

    def run(self, *argv: str, stdin: bytes = b"", env: Mapping[str, str] | None = None, check: bool = True) -> Result:
        """Run a command to its end; with `check`, an exit code other than 0 is a LabError."""

    def pipe(self, source: Sequence[str], sink: Sequence[str]) -> str:
        """Feed the output of `source` to `sink`; the output of `sink`. LabError where one of them fails."""

    def start(self, argv: Sequence[str], log: Path) -> None:
        """Start a daemon that outlives this program."""


def failure(argv: Sequence[str], result: Result) -> LabError:
    """Return the error of a command: its arguments, its exit code and the end of its output."""
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
            # A session of its own, so that Ctrl-C in make does not end the daemon.
            subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)


def _environment(extra: Mapping[str, str] | None) -> dict[str, str]:
    # English messages, because the lab parses them; the classic builder needs no plug-in of the Docker client.
    return {**os.environ, "LC_ALL": "C.UTF-8", "DOCKER_BUILDKIT": "0", **(extra or {})}

# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Docker Compose, run in the directory of one tenant."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
import typing as t
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from ..common.compose import container
from . import health
from .stack import StackError

LOG_LINES = 200
UP = ("up", "--detach", "--quiet-pull", "--remove-orphans")

Runner = t.Callable[[Sequence[str], Mapping[str, str]], "subprocess.CompletedProcess[str]"]
# Waits for so many seconds until all containers of a tenant are healthy, or those of some services; whether they are.
Well = t.Callable[[str, float, Collection[str]], bool]


def run_command(
    command: Sequence[str], environment: Mapping[str, str], seconds: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `command` with a minimal environment plus `environment`; raises StackError after `seconds`."""
    # Not the caller's environment: a variable of its shell would take precedence over the tenant's .env.
    plain = {key: value for key, value in os.environ.items() if key in ("PATH", "HOME", "DOCKER_CONFIG", "DOCKER_HOST")}
    everything = {**plain, "LC_ALL": "C", **environment}
    try:
        return subprocess.run(
            list(command), env=everything, capture_output=True, text=True, check=False, timeout=seconds
        )
    except subprocess.TimeoutExpired as error:
        raise StackError(f"'{shlex.join(command)}' did not end within {seconds} s") from error


class Compose:
    """The project of one tenant; each method runs Compose once and raises StackError with its last line of output."""

    def __init__(
        self,
        directory: Path,
        wait_seconds: int,
        run: Runner = run_command,
        well: Well = health.wait,
        name: str = "",
        *,
        stays: bool = True,
    ) -> None:
        """Take the directory with compose.yaml and .env, and how long a start may take, in seconds.

        `name` is the tenant's; without it, it is that of the directory. What `stays` is there to be looked at when
        something has failed.
        """
        self._directory = directory
        self._wait_seconds = wait_seconds
        self._run = run
        self._well = well
        self._name = name or directory.name
        self._hint = f"; see more by 'docker compose logs' in {directory}" if stays else ""

    def up(self) -> None:
        """Make and start what is missing, stopped or changed, and wait until all is healthy."""
        start = time.monotonic()
        self._compose(UP)
        self._await(start, ())

    def create(self) -> None:
        """Make what is missing or changed, and start nothing."""
        # Older versions of `create` cannot be quiet.
        self._compose(("up", "--no-start", "--quiet-pull", "--remove-orphans"))

    def start(self, services: Collection[str]) -> None:
        """Start containers that are there, whatever they depend on, and wait until they are healthy."""
        start = time.monotonic()
        self._call(("docker", "start", *(container(self._name, service) for service in services)))
        self._await(start, services)

    def _await(self, start: float, services: Collection[str]) -> None:
        if self._well(self._name, self._wait_seconds, services):
            return
        # Compose says which of them is not, and why.
        left = max(1, round(start + self._wait_seconds - time.monotonic()))
        only = ("--no-deps", *services) if services else ()
        self._compose((*UP, "--wait", "--wait-timeout", str(left), *only))

    def resume(self) -> None:
        """Create and start missing or stopped containers from images on this server; change no existing one."""
        self._compose(("up", "--detach", "--no-recreate", "--pull", "never"))

    def remove(self, containers: Sequence[str]) -> None:
        """Remove single containers, by id."""
        self._call(("docker", "rm", "--force", *containers))

    def restart(self, services: Sequence[str]) -> None:
        """Restart `services` as they are."""
        self._compose(("restart", *services))

    def stop(self, services: Sequence[str] = ()) -> None:
        """Stop all containers, or those of some services; they stay, and stay stopped after a reboot."""
        self._compose(("stop", *services))

    def down(self) -> None:
        """Remove containers and network; no volume, no file."""
        self._compose(("down", "--remove-orphans"))

    def last_words(self, service: str) -> str:
        """Return the last line that a service has written into its log; empty where there is none."""
        command = self._project(("logs", "--no-color", "--no-log-prefix", "--tail", str(LOG_LINES), service))
        said = self._run(command, {})
        lines = (said.stdout + said.stderr).split("\n")
        return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "")

    def _project(self, arguments: Sequence[str]) -> tuple[str, ...]:
        return ("docker", "compose", "--project-directory", str(self._directory), *arguments)

    def _compose(self, arguments: Sequence[str]) -> None:
        self._call(self._project(arguments))

    def _call(self, command: Sequence[str]) -> None:
        result = self._run(command, {})
        if result.returncode:
            lines = result.stderr.split("\n")
            reason = next((line.strip() for line in reversed(lines) if line.strip()), "no message")
            verb = "compose " + command[4] if command[1] == "compose" else command[1]
            raise StackError(f"docker {verb} failed with code {result.returncode}: {reason}{self._hint}")

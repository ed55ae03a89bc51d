# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Docker Compose, run in the directory of one tenant."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
import typing as t
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from . import health
from .stack import StackError

# In the environment of one run; these take precedence over those in .env.
OPEN_SETUP: Mapping[str, str] = {"IMMICH_ALLOW_SETUP": "true", "SERVER_DIGEST": "setup"}

Runner = t.Callable[[Sequence[str], Mapping[str, str]], "subprocess.CompletedProcess[str]"]


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
        well: Callable[[str, float], bool] = health.wait,
    ) -> None:
        """Take the directory with compose.yaml and .env, and how long a start may take, in seconds.

        `well` waits up to so many seconds until all containers of a tenant are healthy, and returns whether they are.
        """
        self._directory = directory
        self._wait_seconds = wait_seconds
        self._run = run
        self._well = well

    def up(self, environment: Mapping[str, str] | None = None, *, only: str = "") -> None:
        """Create and start missing, stopped or changed containers, and wait until all are healthy.

        If all others are as they should be, `only` names the service to change, and Compose checks no other.
        """
        start = time.monotonic()
        up = ("up", "--detach", "--quiet-pull", "--remove-orphans")
        self._compose((*up, "--no-deps", only) if only else up, environment)
        if not self._well(self._directory.name, self._wait_seconds):
            # Compose reports which container is not healthy, and why.
            left = max(1, round(start + self._wait_seconds - time.monotonic()))
            self._compose((*up, "--wait", "--wait-timeout", str(left)), environment)

    def resume(self) -> None:
        """Create and start missing or stopped containers from images on this server; change no existing one."""
        self._compose(("up", "--detach", "--no-recreate", "--pull", "never"))

    def remove(self, containers: Sequence[str]) -> None:
        """Remove single containers, by id."""
        self._call(("docker", "rm", "--force", *containers), {})

    def restart(self, services: Sequence[str]) -> None:
        """Restart `services` as they are."""
        self._compose(("restart", *services))

    def stop(self) -> None:
        """Stop all containers without removing them; they do not start after a reboot."""
        self._compose(("stop",))

    def down(self) -> None:
        """Remove containers and network; no volume, no file."""
        self._compose(("down", "--remove-orphans"))

    def _compose(self, arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self._call(("docker", "compose", "--project-directory", str(self._directory), *arguments), environment or {})

    def _call(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        result = self._run(command, environment)
        if result.returncode:
            lines = result.stderr.split("\n")
            reason = next((line.strip() for line in reversed(lines) if line.strip()), "no message")
            verb = "compose " + command[4] if command[1] == "compose" else command[1]
            raise StackError(
                f"docker {verb} failed with code {result.returncode}: {reason}; "
                f"'docker compose logs' in {self._directory} shows more"
            )

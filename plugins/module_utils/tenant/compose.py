# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Docker Compose, run in the directory of one tenant."""

from __future__ import annotations

import os
import shlex
import typing as t
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from ..common import process, tenant_env
from ..common.compose import container
from ..common.process import Completed
from ..common.text import printable
from . import engine, health
from .stack import StackError

LOG_LINES = 200
LONGEST_LINE = 300
# Of each command: images of many gigabytes may have to come first.
SECONDS = 3600
UP = ("up", "--detach", "--quiet-pull", "--remove-orphans")

Runner = t.Callable[[Sequence[str], Mapping[str, str]], Completed]
# Waits for so many seconds until all containers of a tenant work, or those of some services; why they do not.
Well = t.Callable[[str, float, Collection[str]], str]
Starter = t.Callable[[str], None]


def run_command(command: Sequence[str], environment: Mapping[str, str], seconds: float = SECONDS) -> Completed:
    """Run `command` with a minimal environment plus `environment`, and return the end of what it says.

    Raises StackError after `seconds`, and if it cannot be started.
    """
    # Not the caller's environment: a variable of its shell would take precedence over the tenant's .env.
    plain = {key: value for key, value in os.environ.items() if key in ("PATH", "HOME", "DOCKER_CONFIG", "DOCKER_HOST")}
    everything = {**plain, "LC_ALL": "C", **environment}
    try:
        result = process.run(command, seconds=seconds, environment=everything, tail=True)
    except OSError as error:
        raise StackError(f"'{shlex.join(command)}' cannot be started: {error.strerror}") from error
    if result.stopped:
        raise StackError(f"'{shlex.join(command)}' {result.stopped}")
    return result


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
        begin: Starter = engine.start,
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
        self._begin = begin
        self._name = name or directory.name
        self._hint = f"; see more by 'docker compose logs' in {directory}" if stays else ""

    def up(self, services: Collection[str] = ()) -> None:
        """Make and start what is missing, stopped or changed; of some services, only those.

        Then Compose does not wait for what they depend on: it would wait for the engine's next probe.
        """
        self._compose((*UP, *(("--no-deps", *services) if services else ())))

    def wait(self, services: Collection[str] = ()) -> None:
        """Wait until all services work, or some of them."""
        if problem := self._well(self._name, self._wait_seconds, services):
            raise StackError(f"{problem}{self._hint}")

    def create(self, services: Collection[str] = ()) -> None:
        """Make what is missing or changed, and start nothing; of some services, only those."""
        # Older versions of `create` cannot be quiet.
        alone = ("--no-deps", *services) if services else ()
        self._compose(("up", "--no-start", "--quiet-pull", "--remove-orphans", *alone))

    def start(self, services: Collection[str]) -> None:
        """Start containers that are there, whatever they depend on; `wait` waits for them."""
        for service in services:
            try:
                self._begin(container(self._name, service))
            except StackError as error:
                raise StackError(f"the {service} cannot be started: {error}{self._hint}") from error

    def resume(self) -> None:
        """Create and start missing or stopped containers from images on this server; change no existing one.

        What runs is not waited for.
        """
        label, form = f"label={engine.TENANT}={self._name}", f'{{{{.Label "{engine.LABEL}.service"}}}}'
        running = set(self._run(("docker", "ps", "--filter", label, "--format", form), {}).out.split())
        variables = tenant_env.read(self._directory / tenant_env.FILE)
        services = [key.removesuffix("_DIGEST").lower() for key in variables if key.endswith("_DIGEST")]
        alone = ("--no-deps", *(service for service in services if service not in running)) if running else ()
        self._compose(("up", "--detach", "--no-recreate", "--pull", "never", *alone))

    def remove(self, containers: Sequence[str]) -> None:
        """Remove single containers, by id."""
        self._call(("docker", "rm", "--force", *containers))

    def kill(self, containers: Sequence[str]) -> None:
        """End single containers, by id, at once; of one that is paused, nothing is executed any more."""
        self._call(("docker", "kill", *containers))

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
        return _last_line(said.out + said.err)

    def _project(self, arguments: Sequence[str]) -> tuple[str, ...]:
        return ("docker", "compose", "--project-directory", str(self._directory), *arguments)

    def _compose(self, arguments: Sequence[str]) -> None:
        self._call(self._project(arguments))

    def _call(self, command: Sequence[str]) -> None:
        result = self._run(command, {})
        if result.rc:
            reason = _last_line(result.err) or "no message"
            verb = "compose " + command[4] if command[1] == "compose" else command[1]
            raise StackError(f"docker {verb} failed with code {result.rc}: {reason}{self._hint}")


def _last_line(text: str) -> str:
    lines = (printable(line.strip(), LONGEST_LINE) for line in reversed(text.split("\n")))
    return next(filter(None, lines), "")

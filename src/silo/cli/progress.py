"""The progress of Ansible: one line for each task, with its duration of the last run."""

from __future__ import annotations

import time
import typing as t
from collections.abc import Mapping

from silo.ansible.contract import is_quiet, sentence
from silo.ansible.runner import Event, host_results
from silo.cli.output import Console, error_console, plain

if t.TYPE_CHECKING:
    from silo.cli.output import Status

SHORTEST_SECONDS = 0.5


class Progress:
    """Prints Ansible's events: on a terminal the running task, elsewhere a line for each finished task."""

    def __init__(self, durations: Mapping[str, float], console: Console | None = None) -> None:
        """Know how long each task took last time, in seconds."""
        self.console = console or error_console()
        self.seconds: dict[str, float] = {}
        self._last = durations
        self._task, self._since = "", 0.0
        self._hosts: list[str] = []
        self._changed = False
        self._status: Status | None = None

    def __call__(self, event: Event) -> None:
        """Take one event."""
        kind = event.get("_event", "")
        if kind in ("v2_playbook_on_task_start", "v2_playbook_on_handler_task_start"):
            self._end()
            self._begin(str(event["task"]["name"]))
        elif kind.startswith("v2_runner_") and kind != "v2_runner_on_start":
            self._hear(kind, host_results(event))
        elif kind == "v2_playbook_on_stats":
            self.close()

    def wait(self, text: str) -> None:
        """Tell that there is something to wait for."""
        self.console.print(plain(text), soft_wrap=True)

    def close(self) -> None:
        """Tell how the last task ended, and leave the terminal clean."""
        self._end()
        if self._status:
            self._status.stop()
            self._status = None

    def _begin(self, name: str) -> None:
        self._task, self._since = name, time.monotonic()
        self._hosts, self._changed = [], False
        if self.console.is_terminal and not is_quiet(name):
            last = self._last.get(name)
            text = f"{sentence(name)} ..." + (f" (last time {last:.0f} s)" if last and last >= 1 else "")
            if self._status is None:
                self._status = self.console.status(plain(text))
                self._status.start()
            self._status.update(plain(text))

    def _hear(self, kind: str, results: Mapping[str, Mapping[str, t.Any]]) -> None:
        self._hosts += [host for host in results if host not in self._hosts]
        self._changed = self._changed or any(result.get("changed") for result in results.values())

    def _end(self) -> None:
        name, self._task = self._task, ""
        if not name:
            return
        took = self.seconds[name] = round(time.monotonic() - self._since, 2)
        if is_quiet(name) or not (self._changed or took >= SHORTEST_SECONDS):
            return
        last = self._last.get(name)
        compared = f", last time {last:.1f} s" if last is not None else ""
        where = f" on {', '.join(self._hosts)}" if self._hosts else ""
        self.console.print(
            plain(f"{'changed' if self._changed else 'ok':7}  {sentence(name)}{where} ({took:.1f} s{compared})"),
            soft_wrap=True,
        )

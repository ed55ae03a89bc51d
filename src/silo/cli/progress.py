"""The progress of Ansible: one line for each task, with its duration of the last run."""

from __future__ import annotations

import time
import typing as t
from collections.abc import Mapping, Sequence

from silo.ansible.contract import is_quiet, sentence
from silo.ansible.runner import Event, host_results
from silo.cli.output import Console, error_console, plain

if t.TYPE_CHECKING:
    from silo.cli.output import Status

SHORTEST_SECONDS = 0.5
# Of the tenants for whom a task works, how many are named.
MOST_NAMES = 5
# What a call says of a tenant for which it did something, or could not.
SIGNS_OF_WORK = ("changes", "changed", "error", "failed")


class Progress:
    """Prints Ansible's events: on a terminal the running task, elsewhere a line for each finished task."""

    def __init__(
        self, durations: Mapping[str, float], console: Console | None = None, *, rehearses: bool = False
    ) -> None:
        """Know how long each task took last time, in seconds; a run that `rehearses` changes nothing."""
        self.console = console or error_console()
        self.seconds: dict[str, float] = {}
        self._last = durations
        self._task, self._since = "", 0.0
        self._words = ("would change", "as it is") if rehearses else ("changed", "ok")
        self._hosts: list[str] = []
        self._tenants: list[str] = []
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
        self._hosts, self._tenants, self._changed = [], [], False
        if self.console.is_terminal and not is_quiet(name):
            last = self._last.get(name)
            text = f"{sentence(name)} ..." + (f" (last time {last:.0f} s)" if last and last >= 1 else "")
            if self._status is None:
                self._status = self.console.status(plain(text))
                self._status.start()
            self._status.update(plain(text))

    def _hear(self, kind: str, results: Mapping[str, Mapping[str, t.Any]]) -> None:
        for host, result in results.items():
            self._tenants += [name for name in worked_for(result) if name not in self._tenants]
            # One call for all tenants of a machine is delegated by one of them, for which it may do nothing.
            if host not in self._hosts and not isinstance(result.get("tenants"), Mapping):
                self._hosts.append(host)
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
        whom = f" for {_named(self._tenants)}" if self._tenants else ""
        where = f" on {', '.join(self._hosts)}" if self._hosts else ""
        word = self._words[0 if self._changed else 1].ljust(max(map(len, self._words)))
        self.console.print(plain(f"{word}  {sentence(name)}{whom}{where} ({took:.1f} s{compared})"), soft_wrap=True)


def worked_for(result: Mapping[str, t.Any]) -> list[str]:
    """Return the tenants for whom a call did something, of its result; if for none, all of them."""
    said = result.get("tenants")
    if isinstance(said, Mapping):
        each = {str(name): one for name, one in said.items() if isinstance(one, Mapping)}
    elif isinstance(said, Sequence) and not isinstance(said, str):
        each = {str(one["name"]): one for one in said if isinstance(one, Mapping) and "name" in one}
    else:
        return []
    busy = [name for name, one in each.items() if any(one.get(key) for key in SIGNS_OF_WORK)]
    return sorted(busy or each)


def _named(tenants: Sequence[str]) -> str:
    more = len(tenants) - MOST_NAMES
    return ", ".join(tenants[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")

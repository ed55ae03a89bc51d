"""The one way to run Ansible: ansible-playbook as a separate process, whose events are read line by line."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import typing as t
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from silo.ansible.contract import PARTS, TaskId, task_id
from silo.ansible.pruned_json import pruned
from silo.repository import root

Event = dict[str, t.Any]
Results = dict[TaskId, dict[str, Mapping[str, t.Any]]]
# A process that is not needed may still be loading or packing a module.
SECONDS_TO_END = 2.0
# The modules that the runs of a command call on machines: it checks, before the last one changes something.
CHECKING = ("diagnostics_info",)
CHANGING = ("tenant_stacks", "diagnostics_info", "access_link")


class RunError(Exception):
    """A run of Ansible failed; the text is Ansible's message."""


def _environment() -> dict[str, str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    settings = {"ANSIBLE_CONFIG": str(root() / "ansible.cfg"), "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.jsonl"}
    return {**os.environ, "PATH": path, **settings}


class _Process:
    """An ansible-playbook that loads its modules, which takes half a second, and then waits for its arguments."""

    def __init__(self, modules: Sequence[str] = ()) -> None:
        """Start it; it packs `modules` as long as it waits."""
        self._mouth, ear = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ear:
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(Path(__file__).with_name("playbook_process.py")), *modules],
                cwd=root(),
                env=_environment(),
                stdin=ear.fileno(),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )

    def run(self, command: Sequence[str], lock: int | None) -> Iterator[str]:
        """Send the arguments, and yield its lines of output."""
        # A process that failed has ended already, and its output says why.
        with self._mouth, contextlib.suppress(ConnectionError):
            socket.send_fds(self._mouth, [json.dumps(command).encode()], [] if lock is None else [lock])
        yield from self._process.stdout or ()

    def wait(self) -> int:
        """Wait for its end, and return its code."""
        return self._process.wait()

    def drop(self) -> None:
        """End a process that got no arguments: it does that by itself, with what it has put into files."""
        self._mouth.close()
        try:
            self._process.communicate(timeout=SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()


class _Ahead:
    """The processes of the next runs; one loads its modules while the previous one runs."""

    def __init__(self, runs: int) -> None:
        """Start the first."""
        self._left = runs
        self._next: _Process | None = None
        self._start()

    def take(self) -> _Process:
        """Return the process of the next run."""
        taken, self._next = self._next or _Process(), None
        self._start()
        return taken

    def end(self) -> None:
        """End processes that were not used."""
        if self._next:
            self._next.drop()

    def _start(self) -> None:
        if self._left:
            self._left -= 1
            self._next = _Process(CHECKING if self._left else CHANGING)


_ahead = _Ahead(0)


@contextlib.contextmanager
def ahead(runs: int = 1) -> Iterator[None]:
    """Start the process of each of the next runs early, so that it loads and packs modules in the meantime.

    The last one is to change machines, those before only check them.
    """
    global _ahead  # noqa: PLW0603  # the caller that knows the number of runs is far from the code that starts them
    before, _ahead = _ahead, _Ahead(runs)
    try:
        yield
    finally:
        _ahead.end()
        _ahead = before


def events(
    playbooks: str | Sequence[str], inventory: Path, arguments: Sequence[str] = (), lock: int | None = None
) -> Iterator[Event]:
    """Run playbooks of this repository, one after the other in one process, and yield their events as they come.

    `lock` is a descriptor that the process keeps open until it ends, even if silo ends before it. Raises RunError with
    Ansible's messages if it ends with a code other than 0.
    """
    names = [playbooks] if isinstance(playbooks, str) else playbooks
    command = ["ansible-playbook", "-i", str(inventory), *arguments]
    command += [str(root() / "playbooks" / name) for name in names]
    process = _ahead.take()
    said: list[str] = []
    for line in process.run(command, lock):
        if (event := _event(line)) is None:
            said.append(line.strip())
            continue
        ended = (result for result in host_results(event).values() if result.get("failed") or result.get("unreachable"))
        said += [str(result["msg"]) for result in ended]
        yield event
    if process.wait():
        raise RunError("\n".join(filter(None, said)))


def _event(line: str) -> Event | None:
    """Return the event of a line of output, None where it is none; what a tenant nested too deeply is left out."""
    try:
        return dict(pruned(line)) if line.startswith("{") else None
    except ValueError:
        return None


def host_results(event: Event) -> Mapping[str, Mapping[str, t.Any]]:
    """Return host to result, of an event that has results."""
    return t.cast("Mapping[str, Mapping[str, t.Any]]", event.get("hosts", {}))


def task_results(event: Event) -> Iterator[tuple[TaskId, str, Mapping[str, t.Any]]]:
    """Yield task, host and result of an event, except those of a task without an id.

    A call that does the work of other tasks as well has their results as `parts`, by their ids.
    """
    if "task" not in event:
        return
    own = task_id(event["task"]["name"])
    for host, values in host_results(event).items():
        if own:
            yield own, host, values
        for part, result in values.get("parts", {}).items():
            if part in PARTS:
                yield PARTS[part], host, result


def collect(event: Event, found: Results) -> None:
    """Add the results of an event to `found`: task to host to result.

    Tasks without an id, and failed or skipped results, are left out.
    """
    if event.get("_event") in ("v2_runner_on_ok", "v2_runner_item_on_ok"):
        for task, host, values in task_results(event):
            if not values.get("failed"):
                found.setdefault(task, {})[host] = values


def results(playbooks: str | Sequence[str], inventory: Path, arguments: Sequence[str] = ()) -> Results:
    """Run playbooks that only read, in one process; return task to host to result."""
    found: Results = {}
    for event in events(playbooks, inventory, arguments):
        collect(event, found)
    return found

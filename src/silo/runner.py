"""The one place that runs Ansible: ansible-playbook as a process of its own, its events read line by line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

Event = dict[str, t.Any]
Results = dict[str, dict[str, Mapping[str, t.Any]]]


def _root() -> Path:
    """Return the folder with playbooks and roles; ends with a sentence where there is none.

    It is that of $SILO_HOME; that in which this file lies; that in which, or below which, silo is called.
    """
    given = os.environ.get("SILO_HOME")
    places = [Path(given)] if given else [Path(__file__).parents[2], Path.cwd(), *Path.cwd().parents]
    for place in places:
        if (place / "playbooks" / "site.yml").is_file() and (place / "ansible.cfg").is_file():
            return place.resolve()
    sys.exit("silo: its playbooks are not here; call it in its repository, or set SILO_HOME to where that lies")


ROOT = _root()


class RunError(Exception):
    """A run of Ansible that failed; the text is what Ansible says of it."""


def _environment() -> dict[str, str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    settings = {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.jsonl"}
    return {**os.environ, "PATH": path, **settings}


def events(
    playbooks: str | Sequence[str], inventory: Path, arguments: Sequence[str] = (), lock: int | None = None
) -> Iterator[Event]:
    """Run playbooks of this repository, one after the other in one process, and yield their events as they come.

    `lock` is a descriptor that the process holds open until it ends, also where we end before it. Raises RunError with
    what Ansible said where it ends with a code other than 0.
    """
    names = [playbooks] if isinstance(playbooks, str) else playbooks
    command = ["ansible-playbook", "-i", str(inventory), *arguments]
    command += [str(ROOT / "playbooks" / name) for name in names]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        pass_fds=() if lock is None else (lock,),
    )
    said: list[str] = []
    for line in process.stdout or ():
        if not line.startswith("{"):
            said.append(line.strip())
            continue
        event = json.loads(line)
        ended = (result for result in host_results(event).values() if result.get("failed") or result.get("unreachable"))
        said += [str(result["msg"]) for result in ended]
        yield event
    if process.wait():
        raise RunError("\n".join(filter(None, said)))


def host_results(event: Event) -> Mapping[str, Mapping[str, t.Any]]:
    """Return host to result, of an event that has results."""
    return t.cast("Mapping[str, Mapping[str, t.Any]]", event.get("hosts", {}))


def collect(event: Event, found: Results) -> None:
    """Add the results of an event to `found`: task name to host to result; what failed or was skipped has none."""
    if event.get("_event") in ("v2_runner_on_ok", "v2_runner_item_on_ok"):
        name = event["task"]["name"].rsplit(" : ", 1)[-1]
        found.setdefault(name, {}).update(host_results(event))


def results(playbooks: str | Sequence[str], inventory: Path, arguments: Sequence[str] = ()) -> Results:
    """Run playbooks that only read, in one process; return task name to host to result."""
    found: Results = {}
    for event in events(playbooks, inventory, arguments):
        collect(event, found)
    return found

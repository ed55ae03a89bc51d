"""The one place that runs Ansible: ansible-playbook as a process of its own, its events read line by line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]

Event = dict[str, t.Any]


class RunError(Exception):
    """A run of Ansible that failed; the text is what Ansible says of it."""


def _environment() -> dict[str, str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    settings = {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.jsonl"}
    return {**os.environ, "PATH": path, **settings}


def events(playbook: str, inventory: Path, arguments: Sequence[str] = ()) -> Iterator[Event]:
    """Run a playbook of this repository and yield its events as they come.

    Raises RunError with what Ansible said where it ends with a code other than 0.
    """
    command = ["ansible-playbook", "-i", str(inventory), str(ROOT / "playbooks" / playbook), *arguments]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said: list[str] = []
    for line in process.stdout or ():
        if not line.startswith("{"):
            said.append(line.strip())
            continue
        event = json.loads(line)
        said += [str(result["msg"]) for result in host_results(event).values() if result.get("failed")]
        yield event
    if process.wait():
        raise RunError("\n".join(filter(None, said)))


def host_results(event: Event) -> Mapping[str, Mapping[str, t.Any]]:
    """Return host to result, of an event that has results."""
    return t.cast("Mapping[str, Mapping[str, t.Any]]", event.get("hosts", {}))


def results(playbook: str, inventory: Path) -> dict[str, dict[str, Mapping[str, t.Any]]]:
    """Run a playbook that only reads; return task name to host to result."""
    found: dict[str, dict[str, Mapping[str, t.Any]]] = {}
    for event in events(playbook, inventory):
        if event.get("_event") in ("v2_runner_on_ok", "v2_runner_item_on_ok"):
            name = event["task"]["name"].rsplit(" : ", 1)[-1]
            found.setdefault(name, {}).update(host_results(event))
    return found

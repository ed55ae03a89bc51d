"""Two servers and two NAS that are none: real runs of Ansible, and stand-ins of what works on the machines."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import typing as t
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import yaml

from silo.ansible import runner
from silo.ansible.contract import TaskId

from . import modules, stand_ins

ROOT = Path(__file__).parents[2]
COLLECTION = Path("ansible_collections", "swissphoto", "silo")
# A tenant's server and NAS.
TENANTS = {
    "anna": ("silo1", "nas1"),
    "bruno": ("silo1", "nas1"),
    "clara": ("silo2", "nas2"),
    "david": ("silo2", "nas2"),
}
SERVERS, STORAGES = ("silo1", "silo2"), ("nas1", "nas2")
# What only the second NAS says of itself.
STORAGE_OF_NAS2 = {"silo_storage_backend": "zfs", "silo_storage_overcommit": 1.5}
# Ansible puts what it is called with into the text of a module of this kind, which needs nothing else of Ansible.
MODULE = """#!/usr/bin/python
# <<INCLUDE_ANSIBLE_MODULE_JSON_ARGS>>
import sys

sys.path.insert(0, {folder!r})
import stand_ins

stand_ins.main({name!r}, "<<INCLUDE_ANSIBLE_MODULE_COMPLEX_ARGS>>")
"""
# Who is called is told by whose Python it is. It starts without what it does not need: that is most of the time.
INTERPRETER = """#!/bin/sh
export CONTRACT_HOST={host} CONTRACT_PLACE={place}
exec {python} -I -S "$@"
"""

Values = Mapping[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Call:
    """A call of a module on a host, and what it answered."""

    module: str
    host: str
    check: bool
    parameters: Values
    answer: Values

    def of_part(self, part: str) -> tuple[str, Values]:
        """Return the module that would do a part of the call, and its parameters."""
        if self.module == "diagnostics_info":
            return "storage_quota_info", self.parameters["file_systems"][part]
        return "storage_quota", self.parameters[part]

    @property
    def names(self) -> list[str]:
        """The tenants that it was called for."""
        return [one["name"] for one in self.parameters.get("expected", self.parameters).get("tenants", ())]


@dataclasses.dataclass(frozen=True)
class Run:
    """How a run ended: its code, its events, the calls that it made."""

    code: int
    events: Sequence[runner.Event] = dataclasses.field(repr=False)
    calls: Sequence[Call] = dataclasses.field(repr=False)
    text: str = dataclasses.field(repr=False)

    @property
    def results(self) -> runner.Results:
        """Task to host to result, as silo reads them."""
        found: runner.Results = {}
        for event in self.events:
            runner.collect(event, found)
        return found

    @property
    def failures(self) -> dict[str, str]:
        """Host to the sentence with which it failed, of those that ended the run as failed."""
        failed = {
            host
            for event in self.events
            for host, count in event.get("stats", {}).items()
            if count["failures"] or count["unreachable"]
        }
        said = {
            host: str(result["msg"])
            for event in self.events
            for host, result in runner.host_results(event).items()
            if result.get("failed") or result.get("unreachable")
        }
        return {host: said[host] for host in failed}

    def told(self, task: TaskId) -> str:
        """Return what a task showed; empty where it showed nothing."""
        said = [result["msg"] for result in self.results.get(task, {}).values()]
        return "\n".join(line for one in said for line in ([one] if isinstance(one, str) else one))

    def made(self, module: str) -> list[tuple[str, list[str]]]:
        """Return the hosts on which a module was called, each with the tenants that it was called for."""
        return sorted((call.host, call.names) for call in self.calls if call.module == module)

    def given(self, part: str) -> list[tuple[str, list[str]]]:
        """Return the hosts whose call of the stacks did `part` first, each with the tenants of it."""
        stacks = [call for call in self.calls if call.module == "tenant_stacks" and call.parameters.get(part)]
        return sorted((call.host, [one["name"] for one in call.parameters[part]["tenants"]]) for call in stacks)


def collection(place: Path) -> None:
    """Make a copy of the collection in `place`, of links to what is real and of stand-ins."""
    copy = place / COLLECTION
    plugins = copy / "plugins"
    plugins.mkdir(parents=True)
    for entry in ("galaxy.yml", "meta", "roles"):
        (copy / entry).symlink_to(ROOT / entry)
    for kind in (ROOT / "plugins").iterdir():
        if kind.name != "modules":
            (plugins / kind.name).symlink_to(kind)
    folder = plugins / "modules"
    folder.mkdir()
    for module in (ROOT / "plugins" / "modules").iterdir():
        if module.stem not in stand_ins.ANSWERS:
            (folder / module.name).symlink_to(module)
    for name in stand_ins.ANSWERS:
        (folder / f"{name}.py").write_text(MODULE.format(name=name, folder=str(Path(__file__).parent)))


class World:
    """An inventory in a directory, and runs on it."""

    def __init__(self, place: Path) -> None:
        """Make it in `place`, which is empty."""
        self.place, self.inventory = place, place / "inventory"
        collection(place / "collections")
        self.write("vault-password", "secret")
        self.tell()
        self._hosts()
        # Nobody has committed anything yet.
        subprocess.run(("git", "init", "--quiet", str(self.inventory)), check=True)
        self.write("inventory/host_vars/nas2/storage.yml", STORAGE_OF_NAS2)
        for index, (name, (server, nas)) in enumerate(TENANTS.items(), start=1):
            self.tenant(name, index, server, nas)

    def write(self, path: str, content: str | Values) -> Path:
        """Write a file below the world's directory."""
        file = self.place / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content if isinstance(content, str) else yaml.safe_dump(dict(content), explicit_start=True))
        return file

    def tell(self, **scenario: Values) -> None:
        """Say how the machines are; what is not said is well."""
        here = {host: [name for name, places in TENANTS.items() if host in places] for host in SERVERS + STORAGES}
        others = ("away", "broken", "frozen", "orphans", "stopped", "unlike", "unserved")
        usual = {"tenants": here, "ids": {name: index for index, name in enumerate(TENANTS, start=1)}}
        self.write("scenario.json", json.dumps(usual | dict.fromkeys(others, {}) | scenario))

    def vaults(self) -> list[str]:
        """Return the tenants that have secrets."""
        return sorted(path.parent.name for path in self.inventory.glob("host_vars/*/vault.yml"))

    def committed(self) -> list[str]:
        """Return the files of the inventory that some commit has."""
        command = ("git", "-C", str(self.inventory), "log", "--name-only", "--format=", "--all")
        return sorted(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())

    def tenant(self, name: str, index: int, server: str, nas: str, **more: t.Any) -> None:
        """Write a tenant into the inventory."""
        settings = {"tenant_email": f"{name}@example.ch", "tenant_index": index, "tenant_plan": "small"}
        places = {"tenant_server": server, "tenant_nas": nas}
        self.write(f"inventory/host_vars/{name}/tenant.yml", settings | places | more)

    @contextlib.contextmanager
    def unreachable(self, host: str) -> Iterator[None]:
        """Have nobody reach a host, as long as this is open."""
        nobody = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
        file = self.write(f"inventory/host_vars/{host}/unreachable.yml", nobody)
        try:
            yield
        finally:
            file.unlink()

    def run(self, *playbooks: str, arguments: Sequence[str] = ()) -> Run:
        """Run playbooks of the repository, one after the other in one process."""
        calls = self.place / "calls.jsonl"
        calls.write_text("")
        ansible = str(Path(sys.executable).with_name("ansible-playbook"))
        paths = [str(ROOT / "playbooks" / name) for name in playbooks]
        process = subprocess.run(
            [ansible, "-i", str(self.inventory), *arguments, *paths],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        lines = process.stdout.splitlines()
        events = [json.loads(line) for line in lines if line.startswith("{")]
        made = [Call(**json.loads(line)) for line in calls.read_text().splitlines()]
        for call in made:
            # A stand-in that takes or gives what its module does not would prove nothing.
            assert list(modules.problems(call.module, call.parameters, call.answer)) == [], (call.module, call.host)
            for part, result in call.answer.get("parts", {}).items():
                module, given = call.of_part(part)
                assert list(modules.problems(module, given, result)) == [], (call.module, part, call.host)
        return Run(process.returncode, events, made, process.stdout + process.stderr)

    @property
    def environment(self) -> dict[str, str]:
        """What a run of Ansible is to know of this world."""
        settings = {
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(self.place / "collections"),
            "ANSIBLE_HOME": str(self.place / "ansible"),
            "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.jsonl",
            "ANSIBLE_VAULT_PASSWORD_FILE": str(self.place / "vault-password"),
            "PYTHONPATH": str(ROOT / "src"),
        }
        return {**os.environ, **settings}

    def _hosts(self) -> None:
        groups = {"servers": SERVERS, "nas": STORAGES}
        self.write(
            "inventory/hosts.yml", {group: {"hosts": dict.fromkeys(names, {})} for group, names in groups.items()}
        )
        self.write("inventory/tenants.yml", {"plugin": "swissphoto.silo.tenants"})
        for host in SERVERS + STORAGES:
            python = self.write(
                f"hosts/{host}/python", INTERPRETER.format(host=host, place=self.place, python=sys.executable)
            )
            python.chmod(0o755)
            connection = {
                "ansible_connection": "local",
                "ansible_pipelining": True,
                "ansible_python_interpreter": str(python),
                # Where silo itself asks what a customer would, and nobody answers.
                "ansible_host": "127.0.0.1",
            }
            self.write(f"inventory/host_vars/{host}/connection.yml", connection)

"""The two machines as an operator has them: prepared by playbooks, looked at over SSH."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.failures.ansible_errors import errors
from tests.failures.record import LOG, command_line
from tests.lab.command import LocalMachine, Result, failure
from tests.lab.lab import REPOSITORY
from tests.lab.vm.machines import Machines

HERE = Path(__file__).parent
LOADS = "silo-loads"
# The machine's own tools as an image of Docker: there is no registry here, and its containers only load the machine.
MAKE_LOADS = rf"""
systemctl start docker
cd /
programs=$(for name in cat dd sh sha256sum sleep tail timeout; do command -v "$name"; done)
libraries=$(ldd $programs | grep -o '/[^ )]*' | grep -v ':' | sort -u)
tar --create --dereference $programs $libraries | docker import --change 'ENV PATH=/usr/bin:/bin' - {LOADS} >/dev/null
"""
TENANT = {"name": "hans", "id": 1, "uid": 200001, "gid": 200000, "limit": "200M"}


@dataclasses.dataclass(frozen=True)
class Run:
    """How a run of Ansible ended."""

    code: int
    output: str


class RecordedMachine(LocalMachine):
    """This machine, which records its commands, and those that it runs on virtual machines by SSH."""

    def run(self, *argv: str, stdin: bytes = b"", env: Mapping[str, str] | None = None, check: bool = True) -> Result:
        actor, shown = _shown(argv)
        with LOG.action(actor, command_line(shown)) as action:
            result = super().run(*argv, stdin=stdin, env=env, check=False)
            action.end(result.code, result.stdout, result.stderr)
        if check and result.code != 0:
            raise failure(argv, result)
        return result


def _shown(argv: Sequence[str]) -> tuple[str, Sequence[str]]:
    """Return the machine of a command, which has its SSH key in its folder, and the command without options of SSH."""
    if argv[0] != "ssh":
        return "this machine", argv
    key = argv.index("-i") + 1
    return Path(argv[key]).parent.name, argv[key + 2 :]


# An emulated machine that shares two cores with all other tests takes minutes for a playbook.
SECONDS = 1800


class Storage:
    """Runs Ansible on both machines, with the inventory beside this file."""

    def __init__(self, machines: Machines) -> None:
        self.machines = machines

    def try_run(self, *command: str, seconds: int = SECONDS) -> Run:
        settings = {
            "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"),
            "ANSIBLE_FORCE_COLOR": "0",
            "ANSIBLE_NOCOLOR": "1",
            "SILO_VM_DIRECTORY": str(self.machines.guest("nas").directory.parent),
        }
        tool = Path(sys.executable).with_name(command[0])
        with LOG.action(command[0], command_line(command[1:])) as action:
            done = subprocess.run(
                [str(tool), "-i", str(HERE / "inventory"), *command[1:]],
                cwd=REPOSITORY,
                env=os.environ | settings,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=seconds,
            )
            action.end(done.returncode, done.stdout, note="; ".join(errors(done.stdout)) if done.returncode else "")
        return Run(done.returncode, done.stdout)

    def run(self, *command: str, seconds: int = SECONDS) -> str:
        done = self.try_run(*command, seconds=seconds)
        if done.code:
            pytest.fail(f"{command_line(command)} ended with {done.code}:\n{done.output}")
        return done.output

    def playbook(self, *arguments: str) -> str:
        return self.run("ansible-playbook", str(HERE / "storage.yml"), *arguments)

    def prepare(self) -> None:
        self.playbook()
        self.quota()

    def quota(self, **changes: str) -> str:
        values = {"root": "/instances", "mount_points": ["backups"], "tenants": [TENANT | changes]}
        return self.run("ansible", "nas", "-m", "swissphoto.silo.storage_quota", "-a", json.dumps(values))

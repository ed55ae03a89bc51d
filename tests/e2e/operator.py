"""The operator: edits an inventory and runs Ansible, as a person at a terminal does."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.failures.ansible_errors import errors
from tests.failures.record import LOG, Action, command_line

from .vaults import Vaults

ROOT = Path(__file__).parents[2]


@dataclasses.dataclass(frozen=True)
class Run:
    """How a run of Ansible ended."""

    code: int
    output: str

    @property
    def changed(self) -> dict[str, int]:
        """Host to the number of changed tasks, from the recap."""
        return {
            name: int(number) for name, number in re.findall(r"^(\S+)\s+: ok=\d+\s+changed=(\d+)", self.output, re.M)
        }


def _run(process: subprocess.Popen[str], action: Action, seconds: int) -> Run:
    """Wait for the end of a run, and record its result."""
    output, _errors = process.communicate(timeout=seconds)
    action.end(process.returncode, output, note="; ".join(errors(output)) if process.returncode else "")
    # The run may have created a vault that is deleted before a report is written.
    LOG.learn()
    return Run(process.returncode, output)


class Operator:
    """An inventory, and the vault password that belongs to it."""

    def __init__(self, inventory: Path, vault_password: Path) -> None:
        self.inventory, self.vault_password = inventory, vault_password
        self.vaults = Vaults(inventory, vault_password)
        LOG.hide(self.vaults.secrets)

    def command(self, playbook: str, *arguments: str) -> list[str]:
        return ["ansible-playbook", "-i", str(self.inventory), str(ROOT / "playbooks" / playbook), *arguments]

    def start(self, playbook: str, *arguments: str) -> subprocess.Popen[str]:
        """Start a run in a process group of its own."""
        with LOG.action("ansible-playbook", command_line((playbook, *arguments))) as action:
            action.end("started")
            return self._start(playbook, *arguments)

    def _start(self, playbook: str, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(playbook, *arguments),
            cwd=ROOT,
            env={**os.environ, "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def try_run(self, playbook: str, *arguments: str) -> Run:
        with LOG.action("ansible-playbook", command_line((playbook, *arguments))) as action:
            return _run(self._start(playbook, *arguments), action, 900)

    def run(self, playbook: str, *arguments: str) -> Run:
        result = self.try_run(playbook, *arguments)
        if result.code:
            pytest.fail(f"{command_line((playbook, *arguments))} ended with {result.code}:\n{result.output}")
        return result

    def apply(self, *arguments: str) -> Run:
        return self.run("apply.yml", *arguments)

    def folder(self, name: str) -> Path:
        return self.inventory / "host_vars" / name

    def write(self, name: str, **settings: object) -> None:
        """Write a tenant's file; names without their prefix."""
        self.folder(name).mkdir(exist_ok=True)
        values = {f"tenant_{key}": value for key, value in settings.items()}
        (self.folder(name) / "tenant.yml").write_text(yaml.safe_dump(values, explicit_start=True))

    def settings(self, name: str) -> dict:
        return yaml.safe_load((self.folder(name) / "tenant.yml").read_text())

    def edit(self, name: str, **settings: object) -> None:
        """Change some settings of a tenant's file; None takes one away."""
        values = {**self.settings(name), **{f"tenant_{key}": value for key, value in settings.items()}}
        values = {key: value for key, value in values.items() if value is not None}
        (self.folder(name) / "tenant.yml").write_text(yaml.safe_dump(values, explicit_start=True))

    def secrets(self, name: str) -> dict[str, str]:
        return self.vaults.open(self.folder(name) / "vault.yml")

    def forget(self, name: str) -> None:
        """Take a tenant's folder out of the inventory."""
        shutil.rmtree(self.folder(name))


class Silo:
    """The command line, as a person types it."""

    def __init__(self, inventory: Path) -> None:
        self.inventory = inventory

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        with LOG.action("silo", command_line(arguments)) as action:
            action.end("started")
            return self._start(*arguments)

    def _start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["silo", "-i", self.inventory, *arguments],
            cwd=ROOT,
            env={**os.environ, "COLUMNS": "200"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def try_run(self, *arguments: str) -> Run:
        with LOG.action("silo", command_line(arguments)) as action:
            return _run(self._start(*arguments), action, 600)

    def run(self, *arguments: str) -> str:
        result = self.try_run(*arguments)
        if result.code:
            pytest.fail(f"silo {command_line(arguments)} ended with {result.code}:\n{result.output}")
        return result.output

    def json(self, *arguments: str) -> dict:
        command = ["silo", "-i", self.inventory, *arguments, "--json"]
        with LOG.action("silo", command_line((*arguments, "--json"))) as action:
            result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
            action.end(result.returncode, result.stdout, result.stderr)
        result.check_returncode()
        return json.loads(result.stdout)

"""Forks with Ansible's modules: its commands, and what silo asks it about an inventory."""

from __future__ import annotations

import functools
import importlib.util
import os
import warnings
from pathlib import Path
from types import ModuleType

from ansible import constants
from ansible.cli.adhoc import AdHocCLI
from ansible.cli.inventory import InventoryCLI
from ansible.utils.vars import load_options_vars

from tests.unit.forks import ROOT, Target, serve

PROGRAMS = {
    "merge": ROOT / "src" / "silo" / "inventory" / "_reader.py",
    "vault": ROOT / "src" / "silo" / "diagnostics" / "_vault.py",
    "playbook": ROOT / "src" / "silo" / "ansible" / "playbook_process.py",
}


def _program(path: Path) -> ModuleType:
    """Load a program of ours without running it."""
    found = importlib.util.spec_from_file_location(path.stem, path)
    assert found
    assert found.loader
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def _run(program: ModuleType, _command: list[str]) -> None:
    program.main()


def _anew(run: Target) -> Target:
    """Have it read what another environment sets, which Ansible reads with its modules."""
    before = dict(os.environ)

    def target(command: list[str]) -> None:
        for name, setting in constants.config.get_configuration_definitions().items():
            variables = [variable["name"] for variable in setting.get("env", ())]
            if any(os.environ.get(variable) != before.get(variable) for variable in variables):
                setattr(constants, name, constants.config.get_config_value(name))
        # The command line of the example, which Ansible keeps for all that follow.
        vars(load_options_vars).clear()
        run(command)

    return target


def main() -> None:
    """Read the modules, and fork."""
    warnings.filterwarnings("ignore", "AnsibleCollectionFinder has already been configured")
    programs = {name: _program(path) for name, path in PROGRAMS.items()}
    # Once for all, so that a fork finds the plugins read.
    example = {"inventory": str(ROOT / "tests" / "inventory"), "tenants": {}, "policy": ["silo_domain"]}
    programs["merge"].merge(example, None)
    targets: dict[str, Target] = {"ansible": AdHocCLI.cli_executor, "ansible-inventory": InventoryCLI.cli_executor}
    targets |= {name: functools.partial(_run, program) for name, program in programs.items()}
    serve({name: _anew(run) for name, run in targets.items()})


if __name__ == "__main__":
    main()

"""One suite of behaviours for each kind of file system, on the machine that has it.

SILO_QUOTA_HOST names it: `container:<name>` for btrfs in a lab, `vm:<directory>` for XFS in a virtual machine.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.failures.plugin import pytest_runtest_makereport, pytest_runtest_setup

from .machine import KINDS, Machine

__all__ = ["pytest_runtest_makereport", "pytest_runtest_setup"]

VARIABLE = "SILO_QUOTA_HOST"


@pytest.fixture(scope="session")
def machine() -> Iterator[Machine]:
    """The machine, with the modules on it."""
    machine = named()
    machine.bring()
    yield machine
    machine.leave()


def named() -> Machine:
    where, _, name = os.environ.get(VARIABLE, "").partition(":")
    if where == "container":
        return Machine(KINDS["btrfs"], ("docker", "exec", "-i", name, "sh", "-c"), False)
    if where == "vm":
        return virtual(Path(name))
    pytest.exit(f"{VARIABLE} names no machine; `make test` sets it", returncode=2)


def virtual(directory: Path) -> Machine:
    known = json.loads((directory / "vm.json").read_text())
    options = ("-o", f"UserKnownHostsFile={known['known_hosts']}", "-o", "StrictHostKeyChecking=yes")
    master = ("-o", "ControlMaster=auto", "-o", "ControlPersist=60", "-o", f"ControlPath={directory}/ssh")
    ssh = ("ssh", "-F", "none", *options, *master, "-i", known["ssh_key"], f"root@{known['address']}", "sh", "-c")
    return Machine(KINDS["xfs"], ssh, True)


@pytest.fixture
def nas(machine: Machine) -> Iterator[Machine]:
    """A fresh file system for each test."""
    machine.make()
    yield machine
    machine.release()


@pytest.fixture(autouse=True)
def of_this_kind(machine: Machine, request: pytest.FixtureRequest) -> None:
    """Skip what another kind alone does, and what has run or will run on the machine of that kind."""
    marker = request.node.get_closest_marker("kind")
    if marker and machine.kind.name not in marker.args:
        pytest.skip(f"of {' and '.join(marker.args)}, and this is {machine.kind.name}")

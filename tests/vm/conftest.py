"""A NAS and a server that mounts it, both virtual machines of the lab that SILO_LAB names."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.failures.plugin import pytest_runtest_makereport, pytest_runtest_setup
from tests.lab.lab import REPOSITORY
from tests.lab.state import Directory
from tests.lab.vm.guest import Guest
from tests.lab.vm.machines import Machines

from .storage import MAKE_LOADS, RecordedMachine, Storage

__all__ = ["pytest_runtest_makereport", "pytest_runtest_setup"]


@pytest.fixture(scope="session")
def machines() -> Machines:
    if "SILO_LAB" not in os.environ:
        pytest.exit("these tests need the virtual machines of a lab: run them by `make test`", returncode=2)
    directory = Directory(REPOSITORY / ".lab", os.environ["SILO_LAB"])
    return Machines(RecordedMachine(), directory, REPOSITORY / ".cache")


@pytest.fixture(scope="session")
def storage(machines: Machines) -> Storage:
    """Both as the roles make them, with one tenant of 200 MiB."""
    storage = Storage(machines)
    storage.prepare()
    return storage


@pytest.fixture
def nas(storage: Storage, machines: Machines) -> Iterator[Guest]:
    """The NAS, which runs again afterwards, whatever was done to it."""
    yield machines.guest("nas")
    machines.guest("nas").resume()
    machines.up(["nas"])


@pytest.fixture
def server(storage: Storage, machines: Machines) -> Guest:
    return machines.guest("server")


@pytest.fixture(scope="session")
def loads(storage: Storage, machines: Machines) -> Guest:
    """The server, with Docker and an image for containers that load it."""
    server = machines.guest("server")
    server.ssh(MAKE_LOADS)
    return server

"""One lab and one inventory for all tests here; tests/molecule/lab makes both."""

import itertools
import os
from pathlib import Path

import pytest

from .cloud import Cloud
from .lab import Lab
from .operator import Operator

MISSING = "these tests need a lab: run them by `make test`"


def pytest_collection_modifyitems(items):
    for item in items:
        item.add_marker(pytest.mark.needs_lab)


@pytest.fixture(scope="session")
def lab():
    if "SILO_LAB_FILE" not in os.environ:
        pytest.exit(MISSING, returncode=2)
    return Lab.load(Path(os.environ["SILO_LAB_FILE"]))


@pytest.fixture(scope="session")
def operator(lab):
    return Operator(Path(os.environ["SILO_INVENTORY"]), Path(os.environ["SILO_VAULT_PASSWORD_FILE"]))


@pytest.fixture
def customer(lab, operator):
    """A customer who is logged in."""

    def of(name):
        cloud = Cloud(lab, name)
        email = operator.settings(name)["tenant_email"]
        answer = cloud.login(email, operator.secrets(name)["admin_password"])
        assert answer.status == 201, answer
        return cloud

    return of


# An index is given once and never again, in tests as in life.
_indexes = itertools.count(100)


# What only the delete command of a person may do: remove a tenant's data.
CLEAN = """
rm -rf /srv/silo/tenants/{name}
if [ -d /instances/{name} ]; then btrfs --quiet subvolume delete --commit-after /instances/{name}; fi
btrfs qgroup destroy 1/{index} /instances 2>/dev/null || ! btrfs qgroup show /instances | grep -q '^1/{index} '
"""


@pytest.fixture
def newcomer(lab, operator):
    """Adds a tenant of the test's own; it is gone afterwards."""
    names = []

    def add(name, **settings):
        standard = {"email": f"{name}@example.ch", "plan": "small", "index": next(_indexes), "language": "de"}
        operator.write(name, **{**standard, **settings})
        names.append(name)
        return name

    yield add
    for name in names:
        index = operator.settings(name)["tenant_index"]
        operator.forget(name)
        lab.shell(CLEAN.format(name=name, index=index))

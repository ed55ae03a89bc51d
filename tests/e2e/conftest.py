"""One lab and one inventory for all tests here; tests/molecule/lab makes both."""

import contextlib
import itertools
import json
import os
from pathlib import Path

import pytest

from tests.failures.plugin import pytest_runtest_makereport, pytest_runtest_setup

from . import properties
from .cloud import Cloud
from .lab import Lab
from .operator import Operator, Silo
from .relay import Relay

__all__ = ["pytest_runtest_makereport", "pytest_runtest_setup"]

MISSING = "these tests need a lab: run them by `make test`"


def pytest_collection_modifyitems(items):
    for item in items:
        item.add_marker(pytest.mark.needs_lab)
    properties.skip(items)


@pytest.fixture(scope="session")
def lab():
    if "SILO_LAB_FILE" not in os.environ:
        pytest.exit(MISSING, returncode=2)
    return Lab.load(Path(os.environ["SILO_LAB_FILE"]))


@pytest.fixture(scope="session")
def operator(lab):
    return Operator(Path(os.environ["SILO_INVENTORY"]), Path(os.environ["SILO_VAULT_PASSWORD_FILE"]))


@pytest.fixture(scope="session")
def silo(operator):
    return Silo(operator.inventory)


@pytest.fixture(scope="module")
def relay(operator, tmp_path_factory):
    """Settings of the inventory that lead to a relay of the tests' own."""
    relay = Relay(tmp_path_factory.mktemp("relay"))
    settings = operator.inventory / "group_vars" / "all" / "letters.yml"
    # The lab's memory is that of three tenants; those that these tests add are more, and idle.
    relay.write_variables(settings, silo_memory_overcommit=4.0)
    yield relay
    settings.unlink()
    relay.stop()
    for file in (operator.inventory / ".silo").glob("outbox.db*"):
        file.unlink()


@pytest.fixture(scope="session")
def sessions():
    """Of each tenant the password and the session of its customer, used again as a phone does: logins are counted."""
    return {}


@pytest.fixture
def customer(lab, operator, sessions):
    """A customer who is logged in."""

    def of(name):
        cloud, password = Cloud(lab, name), operator.secrets(name)["admin_password"]
        known, cloud.token = sessions.get(name, ("", ""))
        if known != password or cloud.get("/api/users/me").status != 200:
            cloud.token = ""
            answer = cloud.login(operator.settings(name)["tenant_email"], password)
            assert answer.status == 201, answer
        sessions[name] = password, cloud.token
        return cloud

    return of


@pytest.fixture(scope="session")
def indexes(lab):
    """An index is given once and never again, in tests as in life."""
    groups = json.loads(lab.run("btrfs", "--format", "json", "qgroup", "show", "/instances"))["qgroup-show"]
    used = [int(group["qgroupid"].removeprefix("1/")) for group in groups if group["qgroupid"].startswith("1/")]
    return itertools.count(max(100, *used) + 1)


# All of a tenant, faster than the commands that are tested elsewhere; first what says that it should run.
CLEAN = """
rm -rf /srv/silo/tenants/{name} /srv/silo/traefik/routes/tenant-{name}.yml
label=label=ch.swissphoto.silo.tenant={name}
docker ps --all --quiet --filter $label | xargs --no-run-if-empty docker rm --force >/dev/null
docker network ls --quiet --filter $label | xargs --no-run-if-empty docker network rm >/dev/null
for place in /instances/{name} /databases/{name}; do
    if [ -d $place ]; then btrfs --quiet subvolume delete --commit-after $place; fi
done
"""


def take_away(lab, operator, silo, name):
    """Take away a tenant that a test has created by the commands of the operator, with all that is kept of it."""
    if (operator.folder(name) / "tenant.yml").exists():
        silo.run("delete", name, "--confirm", name)
    if any(deletion.name.endswith(f"-{name}.yml") for deletion in (operator.inventory / "retired").glob("*.yml")):
        silo.try_run("purge", name, "--confirm", name, "--yes")
        silo.try_run("names", "--free", name, "--yes")
    lab.shell(CLEAN.format(name=name))


@contextlib.contextmanager
def newcomers(lab, operator, indexes):
    """Gives what adds a tenant of a test's own; they are gone afterwards."""
    names = []

    def add(name, **settings):
        standard = {"email": f"{name}@example.ch", "plan": "small", "index": next(indexes), "language": "de"}
        operator.write(name, **{**standard, **settings})
        names.append(name)
        return name

    try:
        yield add
    finally:
        for name in names:
            operator.forget(name)
            lab.shell(CLEAN.format(name=name))


@pytest.fixture
def newcomer(lab, operator, indexes):
    """Adds a tenant of the test's own; it is gone afterwards."""
    with newcomers(lab, operator, indexes) as add:
        yield add

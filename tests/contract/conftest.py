"""The world of these tests: made once for each file that asks, since to run Ansible costs seconds."""

import pytest

from .world import SERVERS, STORAGES, World


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A world whose first server is the NAS of its tenants."""
    made = World(tmp_path_factory.mktemp("own"))
    groups = {"servers": SERVERS, "nas": ("silo1", *STORAGES)}
    hosts = {group: {"hosts": dict.fromkeys(names, {})} for group, names in groups.items()}
    made.write("inventory/hosts.yml", hosts)
    for index, name in enumerate(("anna", "bruno"), start=1):
        made.tenant(name, index, "silo1", "silo1")
    return made

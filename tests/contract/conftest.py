"""The world of these tests: made once for each file that asks, since to run Ansible costs seconds."""

import pytest

from .world import World


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("world"))

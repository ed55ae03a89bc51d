"""What several unit tests start from."""

import os

import pytest
from hypothesis import settings

from tests import templates
from tests.unit.examples import examples
from tests.unit.forks import ROOT, Forks

# How long an example takes is the machine's affair.
settings.register_profile("silo", examples(40, 100), deadline=None)
settings.load_profile("silo")

MEMORY = "/dev/shm"
ENOUGH_BYTES = 1 << 30


def serves(place):
    """Whether files can be written and programs run there."""
    if not os.access(place, os.W_OK):
        return False
    found = os.statvfs(place)
    return found.f_bavail * found.f_frsize > ENOUGH_BYTES and not found.f_flag & os.ST_NOEXEC


def pytest_configure():
    # No unit test cuts the power, so none has to wait for a disk.
    if serves(MEMORY):
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", MEMORY)


@pytest.fixture(scope="session")
def tenant_values():
    """The settings of hans as an inventory gives them: what is required, and nothing else."""
    return templates.HANS


@pytest.fixture(scope="session")
def ansible():
    """Ansible for many questions; a fork answers each."""
    settings = {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
    with Forks("tests.unit.ansible_forks", settings) as forks:
        yield forks

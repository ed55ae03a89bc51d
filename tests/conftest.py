"""For all tests: what is slow waits, faults are known by their number, and it is written down how each test went."""

from tests.faults import plugin as faults
from tests.tiers import results, slow


def pytest_addoption(pluginmanager):
    # Not by `pytest_plugins`, which only a conftest at the top of the repository may name.
    for plugin in (slow, faults, results):
        pluginmanager.register(plugin)

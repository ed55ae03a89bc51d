"""A plugin of pytest that skips tests by the tier that runs them.

`@pytest.mark.slow(why)` marks what only `make test-all` runs, by `--slow`; `@pytest.mark.long(why)` what `make check`
leaves to `make test`, by `--quick`.
"""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options --slow and --quick."""
    group = parser.getgroup("silo")
    group.addoption("--slow", action="store_true", help="run the tests that are marked slow as well")
    group.addoption("--quick", action="store_true", help="skip the tests that are marked long")


# Last, because other plugins mark tests, too.
@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip tests of another tier, with their reason."""
    for item in items:
        if marker := item.get_closest_marker("slow"):
            (why,) = marker.args
            item.user_properties.append(("slow", why))
            if not config.getoption("--slow"):
                item.add_marker(pytest.mark.skip(reason=f"slow: {why}; make test-all runs it"))
        elif (marker := item.get_closest_marker("long")) and config.getoption("--quick"):
            (why,) = marker.args
            item.add_marker(pytest.mark.skip(reason=f"long: {why}; make test runs it"))

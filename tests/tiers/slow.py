"""A plugin of pytest that skips slow tests: `@pytest.mark.slow(why)` marks them, `--slow` runs them."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option --slow."""
    parser.getgroup("silo").addoption("--slow", action="store_true", help="run the tests that are marked slow as well")


# Last, because other plugins mark tests, too.
@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip slow tests, with their reason."""
    for item in items:
        marker = item.get_closest_marker("slow")
        if marker is None:
            continue
        (why,) = marker.args
        item.user_properties.append(("slow", why))
        if not config.getoption("--slow"):
            item.add_marker(pytest.mark.skip(reason=f"slow: {why}; make test-all runs it"))

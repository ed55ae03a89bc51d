"""Of pytest: what takes minutes waits for `make test-all`. `@pytest.mark.slow(why)` marks it, `--slow` runs it too."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ours."""
    parser.getgroup("silo").addoption("--slow", action="store_true", help="run the tests that are marked slow as well")


# Last, since other plugins mark tests as well.
@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is slow, with its reason."""
    for item in items:
        marker = item.get_closest_marker("slow")
        if marker is None:
            continue
        (why,) = marker.args
        item.user_properties.append(("slow", why))
        if not config.getoption("--slow"):
            item.add_marker(pytest.mark.skip(reason=f"slow: {why}; make test-all runs it"))

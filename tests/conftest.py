"""For all tests: those of the catalogue are known by their marker, slow ones are left out, failures are told last."""

from tests.failures import pytest_sessionfinish
from tests.faults.plugin import (
    pytest_addoption,
    pytest_collection_modifyitems,
    pytest_configure,
    pytest_terminal_summary,
    seen,
)

__all__ = [
    "pytest_addoption",
    "pytest_collection_modifyitems",
    "pytest_configure",
    "pytest_sessionfinish",
    "pytest_terminal_summary",
    "seen",
]

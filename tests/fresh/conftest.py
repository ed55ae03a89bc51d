"""The same lab and operator as those of tests/e2e."""

from tests.e2e.conftest import lab, operator, pytest_collection_modifyitems
from tests.failures.plugin import pytest_runtest_makereport, pytest_runtest_setup

__all__ = ["lab", "operator", "pytest_collection_modifyitems", "pytest_runtest_makereport", "pytest_runtest_setup"]

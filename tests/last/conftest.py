"""The same lab and operator as those of tests/e2e."""

from tests.e2e.conftest import lab, operator, pytest_collection_modifyitems, silo

__all__ = ["lab", "operator", "pytest_collection_modifyitems", "silo"]

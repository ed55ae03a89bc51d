"""What several unit tests start from."""

import pytest
from hypothesis import settings

from tests import templates

# How long an example takes is the machine's affair.
settings.register_profile("silo", deadline=None)
settings.load_profile("silo")


@pytest.fixture(scope="session")
def tenant_values():
    """The settings of hans as an inventory gives them: what is required, and nothing else."""
    return templates.HANS

"""Templates of roles, rendered with Ansible's filters and without a server."""

import pytest

from tests import templates


@pytest.fixture(scope="session")
def render():
    """Gives a function: role, template and changed variables to the text, with the role's own variables else."""
    return templates.render

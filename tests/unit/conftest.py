"""What several unit tests start from."""

import pytest
from hypothesis import settings

# How long an example takes is the machine's affair.
settings.register_profile("silo", deadline=None)
settings.load_profile("silo")


@pytest.fixture(scope="session")
def tenant_values():
    """The settings of hans as an inventory gives them: what is required, and nothing else."""
    return {
        "tenant_email": "hans@example.ch",
        "tenant_index": 1,
        "tenant_quota": "100G",
        "tenant_server": "silo1",
        "tenant_nas": "silo1",
        "tenant_domain": "swissphoto.ch",
        "tenant_routes_directory": "/srv/silo/traefik/routes",
        "tenant_storage_root": "/instances",
        "tenant_storage_sentinel": "/instances/.silo-nas",
        "tenant_machine_learning_port": 3003,
        "tenant_images": {"server": "server:1", "database": "database:1", "cache": "cache:1"},
    }

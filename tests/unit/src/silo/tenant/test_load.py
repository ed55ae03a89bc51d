"""Tenants are read from hosts, and all that is wrong with all of them is told at once."""

import pytest

from silo.tenant import load
from silo.tenant.schema import TenantError


def test_only_the_settings_of_a_tenant_are_read(tenant_values):
    host = {**tenant_values, "ansible_host": "192.0.2.10", "silo_domain": "swissphoto.ch"}
    assert load.read("hans", {"hans": host}).host_name == "hans.swissphoto.ch"


def test_what_is_wrong_with_each_and_with_all_is_told_at_once(tenant_values):
    hostvars = {
        "hans": tenant_values,
        "maria": tenant_values,
        "peter": {**tenant_values, "tenant_index": 3, "tenant_quota": "lots"},
    }
    with pytest.raises(TenantError) as caught:
        load.read_all(hostvars, hostvars)
    assert caught.value.problems == (
        "peter: tenant_quota is 'lots'; it must be a size such as 512M, 100G or 1T",
        "maria: tenant_index is 1, which is hans's; choose a free one",
    )

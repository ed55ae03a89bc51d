"""A tenant's numbers derive from its index, and two tenants never share one."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from silo.tenant import model
from silo.tenant.schema import TenantError


@pytest.fixture(scope="session")
def tenant(tenant_values):
    def make(name="hans", **changes):
        return model.derive(name, {**tenant_values, **changes})

    return make


def test_the_tenant_of_the_mission(tenant):
    hans = tenant(tenant_index=2)
    assert hans.host_name == "hans.swissphoto.ch"
    assert hans.quota == 100 * 1024**3
    assert hans.app_quota == 85 * 1024**3
    assert hans.memory_bytes == 2.5 * 1024**3
    assert (hans.burst, hans.burst_bytes) == ({"server": 1024**3 // 2, "database": 0, "cache": 0}, 1024**3 // 2)
    assert hans.uid == 200002
    assert hans.network == model.Network(
        subnet="10.83.0.32/28",
        gateway="10.83.0.33",
        addresses={"server": "10.83.0.34", "database": "10.83.0.35", "cache": "10.83.0.36"},
        range="10.83.0.40/29",
        bridge="im-2",
    )


@given(st.sets(st.integers(1, 4095), min_size=2, max_size=8))
def test_indexes_give_networks_that_do_not_touch(tenant, indexes):
    networks = [ipaddress.ip_network(tenant(tenant_index=index).network.subnet) for index in indexes]
    assert not any(one.overlaps(other) for one in networks for other in networks if one is not other)
    assert all(network.subnet_of(ipaddress.ip_network("10.83.0.0/16")) for network in networks)


@pytest.mark.parametrize("index", [0, -1, 4096])
def test_an_index_outside_of_the_pool_is_refused(tenant, index):
    with pytest.raises(TenantError, match=f"hans: tenant_index is {index}; it must be 1 to 4095 in the pool 10.83"):
        tenant(tenant_index=index)


@pytest.mark.parametrize("quota", ["lots", "-1G", "0", "", "100 X"])
def test_a_quota_that_is_no_size_is_refused(tenant, quota):
    with pytest.raises(
        TenantError, match=f"hans: tenant_quota is '{quota}'; it must be a size such as 512M, 100G or 1T"
    ):
        tenant(tenant_quota=quota)


def test_the_part_of_a_servers_disk(tenant):
    hans = tenant(tenant_disk_root="/mnt/fast", tenant_disk="40G", tenant_disk_inodes=0)
    assert (hans.disk, hans.disk_quota, hans.disk_inodes) == ("/mnt/fast/hans", 40 * 1024**3, 0)
    assert (tenant().disk, tenant().disk_quota, tenant().disk_inodes) == ("/databases/hans", 20 * 1024**3, 100_000)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"tenant_disk": "lots"}, "hans: tenant_disk is 'lots'; it must be a size such as 512M, 100G or 1T"),
        ({"tenant_disk": "0"}, "hans: tenant_disk is '0'; it must be a size such as 512M, 100G or 1T"),
        (
            {"tenant_disk_inodes": -1},
            "hans: tenant_disk_inodes is -1; it must be 0 for no limit, or a number of files such as 100000",
        ),
    ],
)
def test_a_part_of_the_disk_that_cannot_be_is_refused(tenant, values, sentence):
    with pytest.raises(TenantError, match=sentence):
        tenant(**values)


def test_a_burst_may_be_nothing(tenant):
    assert (tenant(tenant_server_burst="0").burst_bytes, tenant(tenant_server_burst=0).burst_bytes) == (0, 0)


@pytest.mark.parametrize("burst", ["lots", "-1G", ""])
def test_a_burst_that_is_no_size_is_refused(tenant, burst):
    right = f"hans: tenant_server_burst is '{burst}'; it must be 0, or a size such as 512M"
    with pytest.raises(TenantError, match=right):
        tenant(tenant_server_burst=burst)


@pytest.mark.parametrize("subnet", ["10.83.0.0/24", "10.83.0.5/28", "fd00::/28", "near"])
def test_a_subnet_of_another_form_is_refused(tenant, subnet):
    with pytest.raises(TenantError, match="hans: tenant_subnet is .*; it must be a network such as 10.83.200.16/28"):
        tenant(tenant_subnet=subnet)


def test_two_tenants_with_one_index_are_refused(tenant):
    with pytest.raises(TenantError, match="^maria: tenant_index is 1, which is hans's; choose a free one$"):
        model.check_fleet([tenant("hans"), tenant("maria")])


def test_two_tenants_with_one_subnet_are_refused(tenant):
    maria = tenant("maria", tenant_index=2, tenant_subnet="10.83.0.16/28")
    with pytest.raises(TenantError, match="^maria: its subnet 10.83.0.16/28 is also hans's"):
        model.check_fleet([tenant("hans"), maria])


def test_tenants_that_differ_are_a_fleet(tenant):
    model.check_fleet([tenant("hans"), tenant("maria", tenant_index=2), tenant("peter", tenant_index=3)])


@given(st.integers(2**20, 2**50), st.floats(0.001, 1))
def test_the_app_quota_is_never_beyond_the_wall(tenant, quota, share):
    made = tenant(tenant_quota=str(quota), tenant_app_quota_share=share)
    assert 0 <= made.app_quota <= made.quota


@pytest.mark.parametrize("share", [0, -0.5, 1.01, float("nan"), float("inf")])
def test_a_share_that_is_none_is_refused(tenant, share):
    with pytest.raises(
        TenantError, match=r"hans: tenant_app_quota_share is .*; it must be a number above 0 and up to 1"
    ):
        tenant(tenant_app_quota_share=share)

"""Tenants are read from hosts; what is wrong with one is told, and keeps nobody else away."""

from silo.tenant import load


def test_only_the_settings_of_a_tenant_are_read(tenant_values):
    host = {**tenant_values, "ansible_host": "192.0.2.10", "silo_domain": "swissphoto.ch"}
    assert load.read("hans", {"hans": host}).host_name == "hans.swissphoto.ch"


def test_what_is_wrong_with_one_or_between_two_is_told_by_their_names(tenant_values):
    hostvars = {
        "hans": tenant_values,
        "maria": tenant_values,
        "peter": {**tenant_values, "tenant_index": 3, "tenant_quota": "lots"},
    }
    hostvars |= {"rosa": {**tenant_values, "tenant_index": 4}, "anna": {load.PROBLEMS: ["anna: not read"]}}
    found = load.read_all(hostvars, hostvars)
    both = ("maria: tenant_index is 1, which is hans's; choose a free one",)
    assert found.problems == {
        "hans": both,
        "maria": both,
        "peter": ("peter: tenant_quota is 'lots'; it must be a size such as 512M, 100G or 1T",),
        "anna": ("anna: not read",),
    }
    assert [tenant.name for tenant in found.tenants] == ["hans", "maria", "rosa"]
    assert [tenant.name for tenant in found.sound] == ["rosa"]


def test_a_tenant_with_the_secrets_of_another_is_told_and_the_other_is_left_in_peace(tenant_values):
    secrets = {"database_password": "a", "cache_password": "b", "admin_password": "c"}
    other = {**tenant_values, "tenant_index": 2, "tenant_secrets": {**secrets, "cache_password": "d"}}
    hostvars = {"anna": other, "hans": {**tenant_values, "tenant_secrets": secrets}}
    (problem,) = load.read_all(hostvars, hostvars).problems["anna"]
    assert problem.startswith("anna: its vault.yml has the secrets of hans; if anna is new, remove that file")
    assert list(load.read_all(hostvars, hostvars).problems) == ["anna"]

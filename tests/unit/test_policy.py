"""The policy of group_vars/ holds everywhere, and an inventory overrides any of it."""

import json
from pathlib import Path

import pytest
import yaml

from silo.brand import DEFAULTS

ROOT = Path(__file__).parents[2]
HOSTS = {group: {"hosts": {"silo1": {"ansible_connection": "local"}}} for group in ("servers", "nas")}

# Of what a server lends: what is left of it.
MEMORY = {"total": "128G", "reserve": "10G", "machine_learning": "24G", "traefik": "512M", "template": "3G"}

BRAND = {**DEFAULTS, "support_email": "ops@swissphoto.ch"}


@pytest.fixture
def inventory(tmp_path):
    def write(path, **values):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(yaml.safe_dump(values))

    write("hosts.yml", **HOSTS)
    write("tenants.yml", plugin="swissphoto.silo.tenants")
    write("host_vars/hans/tenant.yml", tenant_email="hans@example.ch", tenant_plan="small", tenant_index=1)
    return write


@pytest.fixture
def value(tmp_path, ansible, monkeypatch):
    """What a play of playbooks/ would find."""
    monkeypatch.setenv("ANSIBLE_STDOUT_CALLBACK", "json")
    monkeypatch.setenv("ANSIBLE_LOAD_CALLBACK_PLUGINS", "1")

    def of(host, name):
        command = ["ansible", "-i", str(tmp_path), "--playbook-dir", str(ROOT / "playbooks"), host]
        result = ansible.run([*command, "-m", "debug", "-a", f"var={name}"])
        result.check_returncode()
        return json.loads(result.stdout)["plays"][0]["tasks"][0]["hosts"][host][name]

    return of


@pytest.mark.parametrize(
    ("host", "name", "expected"),
    [
        ("silo1", "traefik_memory", "512M"),
        ("silo1", "host_firewall_tenant_ports", [3003]),
        ("silo1", "traefik_billing_url", ""),
        ("silo1", "traefik_checkout_url", ""),
        ("silo1", "silo_payment_url", "https://swissphoto.ch/pay"),
        ("silo1", "accounting_memory", MEMORY),
        ("silo1", "access_brand", BRAND),
        ("hans", "letters_brand", BRAND),
        ("hans", "letters_reply_to", ""),
        ("silo1", "access_networks", ["10.83.0.0/16"]),
        ("silo1", "catch_up_networks", ["10.83.0.0/16"]),
        ("silo1", "catch_up_machine_learning_url", "http://127.0.0.1:8087"),
        ("silo1", "traefik_machine_learning_url", "http://127.0.0.1:8086"),
        ("silo1", "host_firewall_owned_bridges", [{"name": "silo-ml", "uid": 65528}]),
        ("hans", "tenant_domain", "swissphoto.ch"),
        ("hans", "tenant_quota", "100G"),
    ],
)
def test_the_policy_holds_for_an_inventory_anywhere(inventory, value, host, name, expected):
    assert value(host, name) == expected


@pytest.mark.parametrize(
    ("file", "setting", "host", "name", "expected"),
    [
        ("group_vars/all/policy.yml", {"silo_domain": "photos.example"}, "hans", "tenant_domain", "photos.example"),
        ("group_vars/all.yml", {"silo_memory_traefik": "1G"}, "silo1", "traefik_memory", "1G"),
        ("group_vars/servers.yml", {"silo_memory_traefik": "2G"}, "silo1", "traefik_memory", "2G"),
        (
            "host_vars/silo1.yml",
            {"silo_memory_of_server": "64G"},
            "silo1",
            "accounting_memory",
            MEMORY | {"total": "64G"},
        ),
        ("group_vars/plan_small.yml", {"tenant_quota": "50G"}, "hans", "tenant_quota", "50G"),
        ("group_vars/tenants.yml", {"tenant_time_zone": "Europe/Rome"}, "hans", "tenant_time_zone", "Europe/Rome"),
        ("group_vars/all/b.yml", {"billing_enabled": True}, "silo1", "traefik_billing_url", "http://127.0.0.1:8085"),
        ("group_vars/all/b.yml", {"billing_enabled": True}, "silo1", "monitoring_billing_target", "127.0.0.1:8085"),
        (
            "group_vars/all/b.yml",
            {"billing_enabled": True, "billing_checkout_enabled": True},
            "silo1",
            "traefik_checkout_url",
            "http://127.0.0.1:8088",
        ),
        (
            "group_vars/all/b.yml",
            {"billing_enabled": True, "billing_checkout_enabled": True},
            "silo1",
            "silo_payment_url",
            "https://billing.swissphoto.ch/pay",
        ),
        ("group_vars/all/brand.yml", {"silo_brand_name": "Foto"}, "silo1", "pages_brand", BRAND | {"name": "Foto"}),
        ("group_vars/all/brand.yml", {"silo_brand_name": "Foto"}, "hans", "letters_sender_name", "Foto"),
        (
            "group_vars/all/brand.yml",
            {"silo_brand_support_email": "h@foto.example"},
            "hans",
            "letters_reply_to",
            "h@foto.example",
        ),
        ("host_vars/hans/overrides.yml", {"tenant_quota": "7T"}, "hans", "tenant_quota", "7T"),
    ],
)
def test_an_inventory_overrides_it(inventory, value, file, setting, host, name, expected):
    inventory(file, **setting)
    assert value(host, name) == expected


def test_the_closest_group_of_an_inventory_wins(inventory, value):
    inventory("group_vars/all.yml", silo_memory_traefik="1G")
    inventory("group_vars/servers.yml", silo_memory_traefik="2G")
    assert value("silo1", "traefik_memory") == "2G"


def test_the_limits_that_verify_asks_for_are_those_of_the_roles():
    """They stand in the policy, where verify reads them, and in the roles, which another playbook may use alone."""
    policy = yaml.safe_load((ROOT / "playbooks" / "group_vars" / "all" / "limits.yml").read_text())
    roles = [
        yaml.safe_load((ROOT / "roles" / role / "defaults" / "main.yml").read_text()) for role in ("host", "traefik")
    ]
    assert policy == {name: (roles[0] | roles[1])[name] for name in policy}

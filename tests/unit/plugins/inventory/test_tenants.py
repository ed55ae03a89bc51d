"""A folder with a tenant.yml is a tenant; what it cannot be stops the run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret

ROOT = Path(__file__).parents[4]
HOSTS = "servers:\n  hosts:\n    silo1:\nnas:\n  hosts:\n    nas1:\n"


@pytest.fixture
def inventory(tmp_path):
    (tmp_path / "hosts.yml").write_text(HOSTS)
    (tmp_path / "tenants.yml").write_text("plugin: swissphoto.silo.tenants\n")

    def add(name, text):
        folder = tmp_path / "host_vars" / name
        folder.mkdir(parents=True)
        (folder / "tenant.yml").write_text(text)
        return tmp_path

    (tmp_path / "host_vars" / "silo1").mkdir(parents=True)
    (tmp_path / "host_vars" / "silo1" / "connection.yml").write_text("ansible_host: 192.0.2.10\n")
    return add


@pytest.fixture
def read(ansible):
    return lambda path: ansible.run(["ansible-inventory", "-i", str(path), "--list"])


def test_a_folder_is_all_that_a_tenant_needs(inventory, read):
    listed = json.loads(read(inventory("hans", "tenant_index: 1\ntenant_plan: small\n")).stdout)
    assert listed["tenants"]["hosts"] == ["hans"]
    assert listed["plan_small"]["hosts"] == ["hans"]
    assert listed["on_silo1"]["hosts"] == ["hans"]
    assert listed["stored_on_nas1"]["hosts"] == ["hans"]
    hans = listed["_meta"]["hostvars"]["hans"]
    assert hans["tenant_quota"] == "100G"


def test_a_tenant_may_name_its_server(inventory, read):
    path = inventory("hans", "tenant_server: silo2\n")
    (path / "hosts.yml").write_text(HOSTS.replace("    silo1:\n", "    silo1:\n    silo2:\n"))
    assert json.loads(read(path).stdout)["on_silo2"]["hosts"] == ["hans"]


def test_with_several_servers_a_tenant_that_names_none_is_on_none(inventory, read):
    path = inventory("hans", "tenant_index: 1\n")
    (path / "hosts.yml").write_text(HOSTS.replace("    silo1:\n", "    silo1:\n    silo2:\n"))
    assert "tenant_server" not in json.loads(read(path).stdout)["_meta"]["hostvars"]["hans"]


@pytest.mark.parametrize("text", ["just a sentence\n", "tenant_index: [1\n", "- tenant_index\n"])
def test_a_file_that_holds_no_settings_stops_everything(inventory, read, text):
    result = read(inventory("hans", text))
    assert result.returncode != 0
    assert "hans/tenant.yml" in result.stderr


def test_the_policy_is_loaded_and_an_inventory_overrides_all_of_it(inventory, read):
    path = inventory("hans", "tenant_plan: small\n")
    assert json.loads(read(path).stdout)["_meta"]["hostvars"]["hans"]["silo_domain"] == "swissphoto.ch"
    (path / "group_vars").mkdir()
    (path / "group_vars" / "all.yml").write_text("silo_domain: photos.example\ntenant_quota: 7G\n")
    hans = json.loads(read(path).stdout)["_meta"]["hostvars"]["hans"]
    assert (hans["silo_domain"], hans["tenant_quota"]) == ("photos.example", "7G")


def test_the_demo_and_the_example_are_read(read):
    for path, tenants in (("inventory/demo", ["hans", "maria", "peter"]), ("tests/inventory", ["anna"])):
        assert json.loads(read(ROOT / path).stdout)["tenants"]["hosts"] == tenants
    # Somebody copies it, and a first run would create whoever is in it.
    assert "tenants" not in json.loads(read(ROOT / "inventory" / "example").stdout)


# What ansible-playbook does before its first task, in a process of its own, as it keeps much of what it read.
OPEN_VAULTS = """
import json, sys
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible.plugins.loader import init_plugin_loader
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager

decrypt, opened = VaultLib.decrypt_and_get_vault_id, []
VaultLib.decrypt_and_get_vault_id = lambda *given, **more: opened.append(given) or decrypt(*given, **more)
init_plugin_loader()
loader = DataLoader()
loader.set_vault_secrets([("default", VaultSecret(b"key"))])
inventory = InventoryManager(loader=loader, sources=[sys.argv[1]])
before = len(opened)
hostvars = HostVars(inventory, VariableManager(loader=loader, inventory=inventory), loader)
secrets = [str(hostvars[name]["tenant_secrets"]["of"]) for name in sys.argv[2:]]
print(json.dumps([list(inventory.hosts), before, len(opened), secrets]))
"""


def open_vaults(path, *names):
    command = [sys.executable, "-c", OPEN_VAULTS, str(path), *names]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    return json.loads(subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True).stdout)


def test_vaults_are_opened_once_for_all_processes_of_a_run(inventory, tmp_path_factory):
    """By the path by which Ansible's own reading of host_vars asks for them."""
    vault = VaultLib([("default", VaultSecret(b"key"))])
    for name in ("hans", "maria"):
        path = inventory(name, "tenant_index: 1\n")
        (path / "host_vars" / name / "vault.yml").write_bytes(vault.encrypt(f"tenant_secrets: {{of: {name}}}\n"))
    (link := tmp_path_factory.mktemp("elsewhere") / "link").symlink_to(path)
    _hosts, before, after, secrets = open_vaults(link, "hans", "maria")
    assert (before, after, secrets) == (2, 2, ["hans", "maria"])


def test_a_vault_that_nobody_can_open_is_no_affair_of_the_list(inventory):
    path = inventory("hans", "tenant_index: 1\n")
    other = VaultLib([("default", VaultSecret(b"another key"))])
    (path / "host_vars" / "hans" / "vault.yml").write_bytes(other.encrypt("tenant_secrets: {}\n"))
    assert "hans" in open_vaults(path)[0]

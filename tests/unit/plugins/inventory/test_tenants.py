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


def said(listed, host, variable):
    """What the plugin says is a text, in which no template counts."""
    return [one["__ansible_unsafe"] for one in listed["_meta"]["hostvars"][host][variable]]


@pytest.mark.parametrize("file", ["tenant.yml", "overrides.yml"])
@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("just a sentence\n", "it holds 'just a sentence'"),
        ("tenant_index: [1\n", "line 2 cannot be read"),
        ("- tenant_index\n", "it holds ['tenant_index']"),
        ("tenant_index: 1\n\ttenant_plan: small\n", "line 2 begins with a tab; write spaces"),
        ("tenant_plan: small\ntenant_plan: large\n", "line 2 has 'tenant_plan' once more"),
        ("tenant_index: 1\n<<<<<<< HEAD\na: 1\n=======\na: 2\n>>>>>>> b\n", "line 2 is the mark of a conflict of git"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_by_its_line_and_keeps_nobody_away(inventory, read, file, text, sentence):
    inventory("maria", "tenant_plan: large\n")
    path = inventory("hans", "tenant_plan: small\n")
    (path / "host_vars" / "hans" / file).write_text(text)
    listed = json.loads(read(path).stdout)
    assert listed["tenants"]["hosts"] == ["hans", "maria"]
    (problem,) = said(listed, "hans", "__tenant_problems")
    assert problem.startswith(f"host_vars/hans/{file}: {sentence}")
    # Nothing of it counts, also where the other files could be read.
    assert "tenant_plan" not in listed["_meta"]["hostvars"]["hans"]
    assert listed["_meta"]["hostvars"]["maria"]["tenant_quota"] == "1T"
    assert "__tenant_problems" not in listed["_meta"]["hostvars"]["maria"]


def test_what_is_no_utf_8_is_told_by_its_line(inventory, read):
    path = inventory("hans", "tenant_plan: small\n")
    (path / "host_vars" / "hans" / "overrides.yml").write_bytes("---\n# für später\n".encode("latin-1"))
    (problem,) = said(json.loads(read(path).stdout), "hans", "__tenant_problems")
    assert problem.startswith("host_vars/hans/overrides.yml: line 2 has a byte that is no UTF-8")


def test_a_tenant_whose_file_has_another_name_is_told(inventory, read):
    path = inventory("maria", "tenant_plan: large\n")
    (path / "host_vars" / "hans").mkdir()
    (path / "host_vars" / "hans" / "tenant.yaml").write_text("tenant_plan: small\n")
    assert said(json.loads(read(path).stdout), "hans", "__tenant_problems") == [
        "host_vars/hans/tenant.yaml: a tenant's file is called tenant.yml; rename it"
    ]


def test_a_setting_of_the_platform_that_there_is_not_is_told_to_every_play(inventory, read):
    path = inventory("hans", "tenant_plan: small\n")
    (path / "group_vars").mkdir()
    (path / "group_vars" / "all.yml").write_text("silo_domian: photos.example\n")
    assert said(json.loads(read(path).stdout), "hans", "__silo_mistakes") == [
        "group_vars/all.yml: unknown setting 'silo_domian'. Did you mean 'silo_domain'?"
    ]


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

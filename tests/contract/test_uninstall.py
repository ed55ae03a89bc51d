"""The removal of a server refuses what somebody would miss; tried in check mode, in which it removes nothing."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from .world import ROOT

HOST = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}


@pytest.fixture
def uninstall(tmp_path):
    """Runs the playbook on an inventory in which silo1 has hans, and silo2 nobody."""
    inventory, places = tmp_path / "inventory", {}
    for server in ("silo1", "silo2"):
        folders = {name: tmp_path / server / name for name in ("silo", "databases", "instances")}
        for folder in folders.values():
            (folder / ".trash" / "1-hans").mkdir(parents=True)
        places[server] = {
            "silo_directory": str(folders["silo"]),
            "silo_disk_root": str(folders["databases"]),
            "silo_storage_root": str(folders["instances"]),
        }
    hosts = {name: HOST | where for name, where in places.items()}
    tenant = {"tenant_index": 1, "tenant_email": "hans@example.ch", "tenant_quota": "1G", "tenant_server": "silo1"}
    written = {
        "hosts.yml": {"servers": {"hosts": hosts}, "nas": {"hosts": {"silo1": {}}}},
        "tenants.yml": {"plugin": "swissphoto.silo.tenants"},
        "host_vars/hans/tenant.yml": tenant,
    }
    for path, value in written.items():
        (inventory / path).parent.mkdir(parents=True, exist_ok=True)
        (inventory / path).write_text(yaml.safe_dump(value))

    def run(server, confirm):
        program = Path(sys.executable).with_name("ansible-playbook")
        command = [str(program), "-i", str(inventory), str(ROOT / "playbooks" / "uninstall.yml"), "--check"]
        for key, value in (("server", server), ("confirm", confirm)):
            command += ["-e", f"{key}={value}"] if value else []
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
        return done.returncode, " ".join((done.stdout + done.stderr).split())

    return run


@pytest.mark.parametrize("confirm", ["", "silo1", "silo"])
def test_the_name_is_typed_twice(uninstall, confirm):
    code, said = uninstall("silo2", confirm)
    assert (code, "This is silo2. Nothing was removed; name the machine twice" in said) == (2, True)


def test_without_a_name_nothing_is_removed(uninstall):
    code, said = uninstall("", "")
    assert (code, "Nothing was removed; name the machine twice" in said) == (2, True)


def test_a_server_with_tenants_stays(uninstall):
    code, said = uninstall("silo1", "silo1")
    assert (code, "silo1 has tenants: hans. Nothing was removed" in said) == (2, True)


def test_data_that_no_inventory_knows_keeps_a_server(uninstall, tmp_path):
    """The trash beside it does not, nor what a file system has of its own, and is not named."""
    (tmp_path / "silo2" / "databases" / "lost+found").mkdir()
    (tmp_path / "silo2" / "databases" / "maria").mkdir()
    code, said = uninstall("silo2", "silo2")
    assert (code, f"silo2 has data of tenants: {tmp_path}/silo2/databases/maria. Nothing was removed" in said) == (
        2,
        True,
    )


def test_a_server_goes_although_the_nas_that_it_mounts_has_tenants_of_others(uninstall, tmp_path):
    (tmp_path / "silo2" / "instances" / "hans").mkdir()
    _code, said = uninstall("silo2", "silo2")
    assert ("has data of tenants" in said, "Look for the shared services" in said) == (False, True)

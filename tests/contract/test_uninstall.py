"""The removal of a server refuses what somebody would miss; tried in check mode, in which it removes nothing."""

import json
import os
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

    def run(server, confirm, *more, programs=""):
        program = Path(sys.executable).with_name("ansible-playbook")
        command = [str(program), "-i", str(inventory), str(ROOT / "playbooks" / "uninstall.yml"), "--check"]
        for key, value in (("server", server), ("confirm", confirm)):
            command += ["-e", f"{key}={value}"] if value else []
        environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"} if programs else None
        done = subprocess.run(
            [*command, *more], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
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


# A docker that writes down how it is called, and knows one container and one network.
DOCKER = """#!/bin/sh
echo "$*" >>{log}
echo "id-of-$1"
"""


def test_what_a_killed_template_left_goes_and_so_do_exports_users_and_authorities(uninstall, tmp_path):
    programs, authorities = tmp_path / "programs", tmp_path / "ca-certificates"
    for folder in (programs, authorities, tmp_path / "silo2" / "silo" / "template"):
        folder.mkdir()
    for name, text in {
        "docker": DOCKER.format(log=tmp_path / "called"),
        "exportfs": "",
        "update-ca-certificates": "",
    }.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    for path in (authorities / "silo-lab.crt", authorities / "mine.crt", tmp_path / "exports"):
        path.write_text("")
    facts = {
        "__uninstall_programs": str(programs),
        "__uninstall_authorities": str(authorities),
        "__uninstall_exports": str(tmp_path / "exports"),
        "__uninstall_users": ["nobody"],
    }
    code, said = uninstall("silo2", "silo2", "-e", json.dumps(facts), programs=programs)
    assert code == 0, said
    for item in (f"{tmp_path}/exports", f"{authorities}/silo-lab.crt", "nobody"):
        assert f"changed: [silo2] => (item={item})" in said, said
    # Ansible tries no command in check mode, and says of which it would not.
    assert all(f"skipping: [silo2] => (item={kind})" in said for kind in ("container", "network"))
    assert "mine.crt" not in said
    for task in ("Remove its files", "Export only what others export", "Trust only the authorities that are left"):
        assert "changed: [silo2]" in said.partition(f"{task}] ")[2].partition("TASK")[0], task
    # Check mode looks, and removes nothing.
    label = "--quiet --filter label=ch.swissphoto.silo.template"
    assert (tmp_path / "called").read_text().splitlines() == [f"container ls --all {label}", f"network ls {label}"]
    assert (tmp_path / "silo2" / "silo" / "template").exists()


def test_a_machine_with_nothing_of_it_loses_nothing(uninstall, tmp_path):
    facts = {"__uninstall_programs": str(tmp_path), "__uninstall_authorities": str(tmp_path / "none")}
    code, said = uninstall("silo2", "silo2", "-e", json.dumps(facts))
    assert code == 0, said
    assert "changed: [silo2]" not in said.partition("Let systemd read its units again")[2]

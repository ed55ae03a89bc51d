"""The files of a new inventory: those of inventory/example, none of a tenant, and all of them readable for Ansible."""

import dataclasses
import os
import subprocess
from pathlib import Path

import pytest
import yaml

from silo.setup import texts
from silo.setup.answers import STAGING, Machine, Place, Relay
from silo.setup.machine import Listener
from silo.setup.target import Target

from .answered import ANSWERS, KEY, OTHER, SERVER, with_server

ROOT = Path(__file__).parents[5]
EXAMPLE = ROOT / "inventory" / "example"
NAS = Machine("nas1", Target("2001:db8::20", "admin", 2222), OTHER, uploads=Place(device="/dev/sdb"))
RELAY = Relay("smtp.example.ch", 465, "photos@swissphoto.ch", "photos: me", "~/.silo-relay-password")


def read(answers):
    """Each file of YAML as its values."""
    return {path: yaml.safe_load(text) for path, text in texts.files(answers).items() if path.endswith(".yml")}


def test_the_example_is_what_init_writes():
    """Where this fails, the example is stale: write there what `silo.setup.texts` makes of these answers now."""
    there = {str(path.relative_to(EXAMPLE)): path.read_text() for path in EXAMPLE.rglob("*") if path.is_file()}
    assert there == dict(texts.files(ANSWERS))


def test_no_tenant_is_in_it():
    assert not [path for path in texts.files(ANSWERS) if path.endswith("tenant.yml")]
    assert not list(EXAMPLE.rglob("tenant.yml")), "a first run would create it"


def test_both_directories_of_certificates_are_named():
    live, staging = texts.files(ANSWERS), texts.files(dataclasses.replace(ANSWERS, acme="staging"))
    path = "group_vars/all/policy.yml"
    assert STAGING in live[path]
    assert yaml.safe_load(staging[path])["traefik_acme_directory_url"] == STAGING
    assert "acme-v02" in staging[path]


def test_a_nas_of_its_own_exports_and_the_server_mounts():
    server = dataclasses.replace(SERVER, uploads=None)
    found = read(dataclasses.replace(ANSWERS, server=server, nas=NAS, ssh_key="/root/my key"))
    assert found["hosts.yml"]["nas"]["hosts"] == {
        "nas1": {"ansible_host": "2001:db8::20", "ansible_user": "admin", "ansible_port": 2222, "ansible_become": True}
    }
    assert found["host_vars/nas1/machine.yml"] == {"nas_device": "/dev/sdb", "nas_nfs_clients": ["192.0.2.10"]}
    assert found["host_vars/silo1/machine.yml"]["host_storage_source"] == "[2001:db8::20]:/instances"
    assert "nas_device" not in found["host_vars/silo1/machine.yml"]
    assert found["group_vars/all/connection.yml"]["ansible_ssh_private_key_file"] == "/root/my key"
    known = texts.files(dataclasses.replace(ANSWERS, nas=NAS))[texts.KNOWN_HOSTS]
    assert known.splitlines() == [KEY.line(SERVER.target), OTHER.line(NAS.target)]
    assert known.splitlines()[1].startswith("[2001:db8::20]:2222 ssh-rsa ")


def test_image_files_in_place_of_disks_and_open_ports():
    ports = (Listener("tcp", 9100, "x"), Listener("udp", 51820, ""))
    found = read(with_server(uploads=Place(size="150G"), databases=Place(size="100G"), ports=ports))
    machine = found["host_vars/silo1/machine.yml"]
    assert (machine["nas_image_path"], machine["nas_image_size"]) == ("/var/lib/silo/nas.img", "150G")
    assert (machine["silo_disk_image_path"], machine["silo_disk_image_size"]) == ("/var/lib/silo/disk.img", "100G")
    assert machine["host_open_ports"] == [{"port": 9100}, {"port": 51820, "protocol": "udp"}]


def test_relay_and_billing_are_files_only_where_they_are_wanted():
    assert not {"group_vars/all/letters.yml", "group_vars/all/billing.yml"} & set(texts.files(ANSWERS))
    found = read(dataclasses.replace(ANSWERS, relay=RELAY, billing=True, payment_url=""))
    assert found["group_vars/all/letters.yml"] == {
        "letters_relay_host": "smtp.example.ch",
        "letters_relay_port": 465,
        "letters_relay_security": "tls",
        "letters_relay_user": "photos: me",
        "letters_relay_password_file": "~/.silo-relay-password",
        "letters_sender": "photos@swissphoto.ch",
    }
    assert found["group_vars/all/billing.yml"]["billing_enabled"] is True
    assert "silo_payment_url" not in found["group_vars/all/policy.yml"], "that of the checkout counts"


@pytest.mark.parametrize("value", ["yes", "012", "null", "a: b", "# c", "-", "0x10"])
def test_a_text_stays_a_text(value):
    relay = dataclasses.replace(RELAY, user=value)
    assert read(dataclasses.replace(ANSWERS, relay=relay))["group_vars/all/letters.yml"]["letters_relay_user"] == value


def test_ansible_reads_no_host_from_the_other_files(tmp_path):
    inventory, password = tmp_path / "inventory", tmp_path / "password"
    for path, text in texts.files(dataclasses.replace(ANSWERS, nas=NAS)).items():
        (inventory / path).parent.mkdir(parents=True, exist_ok=True)
        (inventory / path).write_text(text)
    password.write_text("x\n")
    settings = {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "SILO_VAULT_PASSWORD_FILE": str(password)}
    command = ("ansible-inventory", "-i", str(inventory), "--list")
    done = subprocess.run(command, cwd=ROOT, env=os.environ | settings, capture_output=True, text=True, check=True)
    found = yaml.safe_load(done.stdout)
    assert set(found["_meta"]["hostvars"]) == {"silo1", "nas1"}
    assert (found["servers"]["hosts"], found["nas"]["hosts"], found.get("tenants")) == (["silo1"], ["nas1"], None)

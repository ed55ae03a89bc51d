import json
import stat

import pytest

from tests.lab.command import LabError
from tests.lab.state import Directory, Lab


def a_lab(**changes):
    values = {
        "name": "silo-lab",
        "container": "silo-lab",
        "address": "172.29.0.2",
        "domain": "swissphoto.test",
        "ca_file": "/lab/ca.pem",
        "lab_ca_file": "/lab/lab-ca.pem",
        "registry": "registry.swissphoto.test:5000",
        "acme_directory": "https://acme.swissphoto.test:14000/dir",
        "resolver": "172.29.0.3",
        "ssh_key": "/lab/id_ed25519",
        "known_hosts": "/lab/known_hosts",
        "images": {"postgres": "registry.swissphoto.test:5000/postgres@sha256:1"},
        "properties": ["models"],
    }
    return Lab(**{**values, **changes})


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_what_is_saved_is_loaded(directory):
    assert directory.load() is None
    assert directory.save(a_lab())
    assert directory.load() == a_lab()
    assert json.loads(directory.lab_json.read_text())["images"] == a_lab().images


def test_saving_the_same_again_writes_nothing(directory):
    directory.save(a_lab())
    before = directory.lab_json.stat().st_ino
    assert not directory.save(a_lab())
    assert directory.lab_json.stat().st_ino == before


def test_the_directory_and_its_files_are_its_owners_alone(directory):
    directory.save(a_lab())
    assert mode_of(directory.path) == 0o700
    assert mode_of(directory.lab_json) == 0o600


def test_a_file_that_a_container_reads_is_readable_there(directory):
    directory.write(directory.resolv_conf, "nameserver 172.29.0.3\n")
    directory.write(directory.resolv_conf, "nameserver 172.29.0.3\n", mode=0o644)
    assert mode_of(directory.resolv_conf) == 0o644


def test_the_default_lab_leaves_what_others_keep_beside_it(directory):
    other = Directory(directory.root, "silo-lab-b")
    other.make()
    other.save(a_lab(name="silo-lab-b"))
    (directory.path / "vault-password").write_text("secret")
    directory.save(a_lab())
    directory.write(directory.ssh_key, "key")
    directory.write(directory.ssh_key.with_suffix(".pub"), "key")
    directory.remove()
    assert sorted(path.name for path in directory.path.iterdir()) == ["silo-lab-b", "vault-password"]
    assert other.load() is not None


def test_another_lab_is_removed_whole_and_twice(directory):
    other = Directory(directory.root, "silo-lab-b")
    other.make()
    other.save(a_lab(name="silo-lab-b"))
    directory.save(a_lab())
    other.remove()
    other.remove()
    assert not other.path.exists()
    assert directory.load() == a_lab()


@pytest.mark.parametrize("name", ["", "Lab", "../x", "a--b", "a-", "1a", "x" * 41, "silo-lab-internet", "a b", "a\n"])
def test_a_name_that_no_container_can_have_is_refused(tmp_path, name):
    with pytest.raises(LabError, match="cannot be the name of a lab"):
        Directory(tmp_path, name)

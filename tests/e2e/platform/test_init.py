"""`silo init` against a real server gives an inventory with which everything else works."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml

from ..operator import Operator, Silo

# What the lab has and a rented server has not: its registry, its authorities and a disk in a file of another kind.
OF_THE_LAB = ("silo_images", "silo_ca_file", "silo_check_resolver", "traefik_acme_ca_files", "traefik_open_files")
OF_ITS_SERVER = ("host_trusted_ca_files", "host_sysctl", "silo_disk_filesystem", "silo_disk_image_sparse")
# Of a server that was set up for another inventory, these are what differs on purpose.
LIMITS = ("silo_memory_of_server", "silo_memory_reserve", "silo_memory_machine_learning")


@pytest.fixture(scope="module")
def facts():
    return json.loads(Path(os.environ["SILO_LAB_FILE"]).read_text())


@pytest.fixture(scope="module")
def fingerprint(facts):
    """That of the server's key, from the file that the lab wrote when it made the server."""
    _host, _kind, blob = Path(facts["known_hosts"]).read_text().split()[:3]
    return f"SHA256:{base64.b64encode(hashlib.sha256(base64.b64decode(blob)).digest()).decode().rstrip('=')}"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def options(facts, fingerprint, home):
    """All answers: a lab is a container, whose disks are those of its machine."""
    return (
        *("--domain", facts["domain"], "--contact", f"ops@{facts['domain']}"),
        *("--server", f"root@{facts['address']}", "--fingerprint", fingerprint, "--ssh-key", facts["ssh_key"]),
        *("--uploads", "4T", "--databases", "2T", "--vault-password-file", str(home / "vault-password")),
        "--yes",
    )


@pytest.fixture(scope="module")
def made(operator, options, home):
    """The inventory, and what the run said."""
    folder = home / "inventory"
    return folder, Silo(operator.inventory).run("init", str(folder), *options)


@pytest.fixture(scope="module")
def owner(made, operator, facts, home):
    """Who works with the new inventory, to which the lab's own settings are added as a colleague would."""
    folder, _said = made
    demo = yaml.safe_load((operator.inventory / "group_vars" / "all" / "policy.yml").read_text())
    lab = {"lab": facts, "traefik_acme_directory_url": facts["acme_directory"], "tenant_slice": False}
    lab |= {key: demo[key] for key in (*OF_THE_LAB, *LIMITS)}
    (folder / "group_vars" / "all" / "zz-lab.yml").write_text(yaml.safe_dump(lab))
    # What the server says for itself counts more than what all say.
    server = {key: demo[key] for key in (*OF_ITS_SERVER, *LIMITS)}
    (folder / "host_vars" / "silo1" / "zz-lab.yml").write_text(yaml.safe_dump(server))
    return Operator(folder, home / "vault-password")


def git(folder, *arguments):
    return subprocess.run(("git", "-C", str(folder), *arguments), capture_output=True, text=True, check=True).stdout


def test_it_says_what_it_saw_and_what_to_do_next(made, facts):
    folder, said = made
    for word in ("Debian 13", "of memory", f"*.{facts['domain']} A {facts['address']}", f"ANSIBLE_INVENTORY={folder}"):
        assert word in said
    assert git(folder, "log", "--format=%s") == "Create the inventory\n"
    assert not list(folder.rglob("tenant.yml"))


def test_a_second_run_changes_nothing(made, operator, options):
    folder, _said = made
    before = git(folder, "rev-parse", "HEAD")
    assert "nothing was changed" in Silo(operator.inventory).run("init", str(folder), *options)
    assert git(folder, "rev-parse", "HEAD") == before


def test_a_wrong_fingerprint_is_refused_and_nothing_is_written(operator, options, home):
    wrong = ["SHA256:" + "a" * 43 if option.startswith("SHA256:") else option for option in options]
    run = Silo(operator.inventory).try_run("init", str(home / "other"), *wrong)
    assert run.code == 1
    assert "it offers SHA256:" in run.output
    assert not (home / "other").exists()


@pytest.fixture
def its_password(monkeypatch, home):
    """The variables that the run has told to export."""
    monkeypatch.setenv("SILO_VAULT_PASSWORD_FILE", str(home / "vault-password"))


def test_silo_check_works_with_it(owner, its_password):
    """All is well on a server that was set up, but for what the check has no tenant to look at."""
    found = Silo(owner.inventory).json("check")["findings"]
    assert {one["id"] for one in found} >= {"dns", "clock", "vault"}
    wrong = [one for one in found if one["state"] in ("wrong", "unknown")]
    assert wrong == []


def test_a_check_of_the_whole_playbook_works_with_it(owner, its_password, lab):
    """The lab's tenants, which this inventory does not know, go on."""
    before = lab.running()
    run = owner.run("site.yml", "--check")
    assert "unreachable=0" in run.output
    assert lab.running() == before

"""A vault that is lost, made again from what the tenant's own server has; a real run of Ansible, with local servers."""

import json
import sys

import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret

from silo.ansible import runner
from silo.controller import vaults
from silo.controller.errors import ControllerError
from silo.state import State
from silo.tenant import secrets

PASSWORD = "the vault password of this test"
HOST = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
TENANTS = {"hans": "silo1", "maria": "silo2"}


@pytest.fixture(scope="module")
def kept():
    """The passwords of each tenant."""
    return {name: secrets.make() for name in TENANTS}


@pytest.fixture
def inventory(tmp_path, monkeypatch, kept):
    """An inventory without vaults, and two servers that have the passwords of their tenants."""
    monkeypatch.delenv("ANSIBLE_VAULT_PASSWORD_FILE", raising=False)
    password = tmp_path / "vault-password"
    password.write_text(PASSWORD)
    monkeypatch.setenv("SILO_VAULT_PASSWORD_FILE", str(password))
    folder = tmp_path / "inventory"
    servers = {name: HOST | {"silo_directory": str(tmp_path / name)} for name in TENANTS.values()}
    files = {"hosts.yml": {"servers": {"hosts": servers}, "nas": {"hosts": {"silo1": {}}}}}
    files["tenants.yml"] = {"plugin": "swissphoto.silo.tenants"}
    for index, (name, server) in enumerate(TENANTS.items(), start=1):
        settings = {"index": index, "email": f"{name}@example.ch", "server": server, "quota": "1G"}
        files[f"host_vars/{name}/tenant.yml"] = {f"tenant_{key}": value for key, value in settings.items()}
        place = tmp_path / server / "tenants" / name / "secrets"
        place.mkdir(parents=True)
        for key in ("database_password", "cache_password"):
            (place / key).write_text(kept[name][key])
    for path, value in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(yaml.safe_dump(value))
    return folder


def lib(password=PASSWORD):
    return VaultLib([("default", VaultSecret(password.encode()))])


def vault(inventory, name):
    return inventory / "host_vars" / name / "vault.yml"


def test_the_vaults_of_tenants_on_two_servers_come_back(inventory, kept, monkeypatch):
    seen, real = [], runner.events

    def events(*arguments, **options):
        for event in real(*arguments, **options):
            seen.append(json.dumps(event))
            yield event

    monkeypatch.setattr(runner, "events", events)
    vault(inventory, "maria").write_bytes(lib("another one").encrypt(b"lost"))
    (lost,) = vaults.rebuild(inventory, State(inventory), list(TENANTS))
    for name in TENANTS:
        path = vault(inventory, name)
        found = yaml.safe_load(lib().decrypt(path.read_bytes()))["tenant_secrets"]
        assert path.stat().st_mode & 0o777 == 0o600
        assert set(found) == set(secrets.NAMES)
        for key in ("database_password", "cache_password"):
            assert found[key] == kept[name][key]
            assert not any(kept[name][key] in event for event in seen)
    assert (lost.parent, lib("another one").decrypt(lost.read_bytes())) == (
        inventory / ".silo" / "lost-vaults",
        b"lost",
    )


def test_a_vault_that_can_be_opened_stays(inventory):
    content = lib().encrypt(b"tenant_secrets: {}")
    vault(inventory, "hans").write_bytes(content)
    with pytest.raises(ControllerError, match="so there is nothing to make again"):
        vaults.rebuild(inventory, State(inventory), ["hans", "maria"])
    assert vault(inventory, "hans").read_bytes() == content
    assert not vault(inventory, "maria").exists()


def test_what_is_no_password_of_silo_does_not_become_one(inventory, tmp_path):
    (tmp_path / "silo1" / "tenants" / "hans" / "secrets" / "cache_password").write_text("x'; DROP TABLE\n")
    with pytest.raises(runner.RunError, match="hans: .*/cache_password on its server is no password of silo"):
        vaults.rebuild(inventory, State(inventory), ["hans"])
    assert not vault(inventory, "hans").exists()


def test_without_a_vault_password_nothing_is_touched(inventory, monkeypatch, tmp_path):
    content = lib("another one").encrypt(b"lost")
    vault(inventory, "hans").write_bytes(content)
    (tmp_path / "no").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "no").chmod(0o700)
    monkeypatch.setenv("ANSIBLE_VAULT_PASSWORD_FILE", str(tmp_path / "no"))
    with pytest.raises(ControllerError, match="there is no vault password"):
        vaults.rebuild(inventory, State(inventory), ["hans"])
    assert vault(inventory, "hans").read_bytes() == content

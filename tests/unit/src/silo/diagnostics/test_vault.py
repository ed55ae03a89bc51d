"""Which vaults open, tried with Ansible's own password and files."""

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret

from silo.diagnostics import vault

PASSWORD = "a password of the test's own"
TEXT = b"tenant_secrets:\n  admin_password: not-for-anybody\n"


@pytest.fixture(autouse=True)
def password(tmp_path, monkeypatch):
    path = tmp_path / "password"
    path.write_text(PASSWORD + "\n")
    path.chmod(0o600)
    monkeypatch.delenv("ANSIBLE_VAULT_PASSWORD_FILE", raising=False)
    monkeypatch.delenv("ANSIBLE_VAULT_IDENTITY_LIST", raising=False)
    monkeypatch.setenv("SILO_VAULT_PASSWORD_FILE", str(path))
    return path


@pytest.fixture
def inventory(tmp_path):
    return tmp_path / "inventory"


def write(inventory, name, content=TEXT, password=PASSWORD, mode=0o600, place="host_vars"):
    path = inventory / place / name / "vault.yml"
    path.parent.mkdir(parents=True)
    lib = VaultLib([("default", VaultSecret(password.encode()))])
    path.write_bytes(lib.encrypt(content) if password else content)
    path.chmod(mode)
    return path


def test_vaults_that_open(inventory):
    write(inventory, "hans", mode=0o644)
    write(inventory, "1-peter", place="retired")
    (finding,) = vault.check_vaults(inventory)
    assert (finding.id, finding.subject, finding.state, finding.fix) == ("vault", "controller", "ok", "")
    assert finding.message == "the vault password decrypts 2 files"


def test_a_vault_of_another_password(inventory):
    write(inventory, "hans")
    path = write(inventory, "maria", password="another one")
    good, bad = vault.check_vaults(inventory)
    assert good.message == "the vault password decrypts 1 file"
    assert (bad.subject, bad.state) == ("maria", "wrong")
    assert bad.message.startswith(f"the vault password cannot decrypt {path}: ")
    assert "SILO_VAULT_PASSWORD_FILE" in bad.fix


def test_a_vault_that_is_cut_off(inventory):
    path = write(inventory, "hans")
    path.write_bytes(path.read_bytes()[:200])
    (finding,) = vault.check_vaults(inventory)
    assert (finding.subject, finding.state) == ("hans", "wrong")


@pytest.mark.parametrize(("mode", "state"), [(0o644, "wrong"), (0o640, "wrong"), (0o600, "warning")])
def test_secrets_in_plain_text(inventory, mode, state):
    path = write(inventory, "hans", password="", mode=mode)
    (finding,) = vault.check_vaults(inventory)
    assert (finding.subject, finding.state) == ("hans", state)
    assert finding.message.startswith(f"{path} is in plain text")
    assert ("others" in finding.message) == (state == "wrong")
    assert finding.fix == f"chmod 600 {path}; ansible-vault encrypt {path}"


def test_no_password(inventory, password):
    write(inventory, "hans")
    password.write_text("")
    (finding,) = vault.check_vaults(inventory)
    assert (finding.subject, finding.state) == ("controller", "wrong")
    assert finding.message.startswith("there is no vault password: ")
    assert "SILO_VAULT_PASSWORD_FILE" in finding.fix


def test_a_folder_in_place_of_a_vault(inventory):
    (inventory / "host_vars" / "hans" / "vault.yml").mkdir(parents=True)
    (finding,) = vault.check_vaults(inventory)
    assert (finding.subject, finding.state) == ("hans", "wrong")
    assert "Is a directory" in finding.message


def test_no_secret_is_ever_told(inventory):
    write(inventory, "hans", password="")
    write(inventory, "maria", password="another one")
    told = "".join(finding.message + finding.fix for finding in vault.check_vaults(inventory))
    assert "not-for-anybody" not in told
    assert PASSWORD not in told


def test_an_inventory_without_tenants(inventory):
    (finding,) = vault.check_vaults(inventory)
    assert (finding.state, finding.message) == ("ok", "the vault password decrypts 0 files")

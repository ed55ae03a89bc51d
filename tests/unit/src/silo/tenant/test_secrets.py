"""Secrets are made once, kept encrypted, and never written over."""

import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret

from silo.tenant import secrets
from silo.tenant.schema import TenantError

VAULT = VaultLib([("default", VaultSecret(b"the operator's password"))])


def test_every_secret_is_new_and_of_letters_and_digits():
    one, other = secrets.make(), secrets.make()
    values = [*one.values(), *other.values()]
    assert len(set(values)) == 6
    assert all(len(value) == 32 and value.isalnum() and value.isascii() for value in values)


def test_they_are_kept_encrypted_and_for_the_operator_alone(tmp_path):
    path = secrets.vault_file(str(tmp_path / "tenant.yml"))
    values = secrets.make()
    secrets.write(path, values, VAULT)
    assert path.read_bytes().startswith(b"$ANSIBLE_VAULT;1.1;AES256\n")
    assert path.stat().st_mode & 0o777 == 0o600
    assert yaml.safe_load(VAULT.decrypt(path.read_bytes())) == {"tenant_secrets": values}


def test_a_file_that_is_there_is_never_replaced(tmp_path):
    path = tmp_path / "vault.yml"
    path.write_text("the only key to a customer's photos")
    with pytest.raises(TenantError, match="another run has just created it"):
        secrets.write(path, secrets.make(), VAULT)
    assert [entry.name for entry in tmp_path.iterdir()] == ["vault.yml"]
    assert path.read_text() == "the only key to a customer's photos"


def test_without_a_vault_password_nothing_is_written(tmp_path):
    with pytest.raises(TenantError, match="cannot be written without a vault password"):
        secrets.write(tmp_path / "vault.yml", secrets.make(), VaultLib())
    assert list(tmp_path.iterdir()) == []

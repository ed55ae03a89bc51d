"""tools/vault-password prints the password that is named, or none: never another one in its place."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture
def clone(tmp_path):
    """A clone with a lab, and an operator's file beside it."""
    (tmp_path / "clone" / "tools").mkdir(parents=True)
    shutil.copy(ROOT / "tools" / "vault-password", tmp_path / "clone" / "tools")
    (tmp_path / "clone" / ".lab" / "inventory").mkdir(parents=True)
    (tmp_path / "clone" / ".lab" / "vault-password").write_text("of the lab\n")
    (tmp_path / "mine").write_text("mine\n")
    return tmp_path / "clone"


def printed(clone, **environment):
    """What it prints, or the sentence with which it ends."""
    settings = {"PATH": "/usr/bin:/bin", "HOME": str(clone.parent), **{key: str(it) for key, it in environment.items()}}
    done = subprocess.run(
        [clone / "tools" / "vault-password"], cwd=clone, env=settings, capture_output=True, text=True, check=False
    )
    assert bool(done.returncode) == bool(done.stderr)
    return done.stdout or done.stderr


def test_the_named_file_counts(clone):
    assert printed(clone, SILO_VAULT_PASSWORD_FILE=clone.parent / "mine") == "mine\n"
    assert printed(clone, SILO_VAULT_PASSWORD_FILE="~/mine") == "mine\n"
    assert printed(clone, SILO_VAULT_PASSWORD_FILE=clone.parent / "mine", ANSIBLE_INVENTORY="/x") == "mine\n"


@pytest.mark.parametrize(("name", "sentence"), [("gone", "there is no such file"), ("empty", "and it is empty")])
def test_a_named_file_that_is_none_ends_it(clone, name, sentence):
    (clone.parent / "empty").touch()
    said = printed(clone, SILO_VAULT_PASSWORD_FILE=clone.parent / name)
    assert f"SILO_VAULT_PASSWORD_FILE is {clone.parent / name}" in said
    assert sentence in said
    assert "of the lab" not in said


def test_the_labs_password_is_for_its_own_inventories(clone):
    assert printed(clone) == "of the lab\n"
    for inventory in (clone / ".lab" / "inventory", ".lab/inventory", clone / "inventory" / "demo"):
        assert printed(clone, ANSIBLE_INVENTORY=inventory) == "of the lab\n"
    for name in ("ANSIBLE_INVENTORY", "SILO_INVENTORY"):
        said = printed(clone, **{name: clone.parent / "inventory"})
        assert said.startswith(
            f"no vault password: the inventory is {clone.parent / 'inventory'}; name the file of its"
        )


def test_a_services_credential_is_first(clone):
    credentials = clone.parent / "credentials"
    credentials.mkdir()
    assert printed(clone, CREDENTIALS_DIRECTORY=credentials) == "of the lab\n", "a service with other credentials"
    (credentials / "vault-password").write_text("sealed\n")
    named = {"SILO_VAULT_PASSWORD_FILE": "/gone"}
    assert printed(clone, CREDENTIALS_DIRECTORY=credentials, **named) == "sealed\n"


def test_without_any_the_sentence_says_what_to_name(clone):
    (clone / ".lab" / "vault-password").unlink()
    assert "name its file in SILO_VAULT_PASSWORD_FILE" in printed(clone)

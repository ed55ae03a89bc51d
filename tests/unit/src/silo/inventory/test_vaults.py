"""Vaults come into the history as an apply makes them: encrypted, new ones alone, never into the product's clone."""

import shutil
import subprocess
from pathlib import Path

import pytest

from silo.inventory import InventoryError, vaults

ROOT = Path(__file__).parents[5]
SEALED = "$ANSIBLE_VAULT;1.1;AES256\n3132\n"


@pytest.fixture
def inventory(tmp_path, monkeypatch):
    for name, value in (("GIT_CONFIG_GLOBAL", "/dev/null"), ("SILO_AUTHOR", "Maria <maria@example.ch>")):
        monkeypatch.setenv(name, value)
    folder = tmp_path / "inventory"
    shutil.copytree(ROOT / "tests" / "inventory", folder)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, *("-c", "user.name=x", "-c", "user.email=x@example.ch", "commit", "--quiet", "--message", "Begin"))
    return folder


def git(folder, *arguments):
    command = ("git", "-C", str(folder), *arguments)
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def vault(folder, name, text=SEALED):
    path = folder / "host_vars" / name / "vault.yml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def subjects(folder):
    return git(folder, "log", "--format=%an: %s").splitlines()


def test_new_vaults_are_one_commit_and_nothing_else_is_in_it(inventory):
    files = [vault(inventory, "anna"), vault(inventory, "hans")]
    (inventory / "hosts.yml").write_text("---\n# somebody works here\n")
    (inventory / "notes.txt").touch()
    assert vaults.commit(files)
    assert subjects(inventory)[0] == "Maria: Add the encrypted secrets of anna, hans"
    changed = git(inventory, "show", "--name-only", "--format=").splitlines()
    assert changed == ["host_vars/anna/vault.yml", "host_vars/hans/vault.yml"]
    assert git(inventory, "status", "--porcelain").splitlines() == [" M hosts.yml", "?? notes.txt"]
    assert vaults.commit(files) is None
    assert len(subjects(inventory)) == 2


def test_what_a_killed_run_left_is_committed_by_the_next(inventory):
    left = vault(inventory, "hans")
    assert vaults.commit([inventory / "host_vars" / "anna" / "vault.yml", left])
    assert "hans" in subjects(inventory)[0]


def test_a_vault_that_somebody_edits_stays_theirs(inventory):
    file = vault(inventory, "anna")
    vaults.commit([file])
    file.write_text(f"{SEALED}33\n")
    assert vaults.commit([file]) is None
    assert git(inventory, "status", "--porcelain") == " M host_vars/anna/vault.yml\n"


def test_a_vault_in_plain_text_is_never_committed(inventory):
    assert vaults.commit([vault(inventory, "anna", "tenant_secrets: {}\n")]) is None
    assert len(subjects(inventory)) == 1


def test_where_git_ignores_them_or_is_not_there_nothing_happens(inventory, tmp_path):
    (inventory / ".gitignore").write_text("vault.yml\n")
    assert vaults.commit([vault(inventory, "anna")]) is None
    shutil.rmtree(inventory / ".git")
    assert vaults.commit([vault(inventory, "anna")]) is None
    assert vaults.commit([]) is None


def test_none_is_committed_into_the_products_clone(inventory):
    shutil.copy(ROOT / "galaxy.yml", inventory)
    assert vaults.commit([vault(inventory, "anna")]) is None
    assert len(subjects(inventory)) == 1


def test_a_git_that_refuses_is_a_sentence_and_no_end(inventory, monkeypatch):
    hook = inventory / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho not today >&2\nexit 1\n")
    hook.chmod(0o755)
    file = vault(inventory, "anna")
    with pytest.raises(InventoryError, match="not today"):
        vaults.commit([file])
    assert vaults.problem([file]).startswith("New vaults are not committed, and the next apply tries again: ")
    hook.unlink()
    assert vaults.problem([file], "Peter <peter@example.ch>") == ""
    assert subjects(inventory)[0] == "Peter: Add the encrypted secrets of anna"

"""A new inventory is whole or not there, outside of every clone of the product, and its passwords lie beside it."""

import shutil
import subprocess
from pathlib import Path

import pytest

from silo.inventory import InventoryError
from silo.inventory.history import Author
from silo.setup import repository, texts

from .answered import ANSWERS

ROOT = Path(__file__).parents[5]
MARIA = Author("Maria", "maria@example.ch")
FILES = texts.files(ANSWERS)


@pytest.fixture(autouse=True)
def nobodys_git(monkeypatch):
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


def git(folder, *arguments):
    command = ("git", "-C", str(folder), *arguments)
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_an_inventory_is_made_with_its_first_commit(tmp_path):
    folder = tmp_path / "below" / "inventory"
    repository.make(folder, FILES, MARIA)
    assert git(folder, "log", "--format=%an %s") == "Maria Create the inventory"
    assert git(folder, "status", "--porcelain") == ""
    assert set(git(folder, "ls-files").splitlines()) == set(FILES)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in folder.parent.iterdir()] == ["inventory"]
    repository.check_place(folder)
    repository.check_complete(folder)


def test_who_has_not_told_git_a_name_commits_as_the_user(tmp_path):
    repository.make(tmp_path / "inventory", FILES, None)
    assert "@" in git(tmp_path / "inventory", "log", "--format=%ae")


@pytest.mark.parametrize("step", ["write", "commit", "move"])
def test_a_killed_run_is_completed_by_the_next(tmp_path, monkeypatch, step):
    folder = tmp_path / "inventory"

    class Killed(BaseException):
        pass

    def killed(*_arguments, **_options):
        raise Killed

    with monkeypatch.context() as patch:
        if step == "commit":
            patch.setattr(repository.History, "commit", killed)
        else:
            patch.setattr(repository.files, step, killed)
        with pytest.raises(Killed):
            repository.make(folder, FILES, MARIA)
    assert not folder.exists()
    repository.check_place(folder)
    repository.make(folder, FILES, MARIA)
    assert git(folder, "log", "--format=%s") == "Create the inventory"
    assert [path.name for path in tmp_path.iterdir()] == ["inventory"]


def test_a_git_that_refuses_leaves_nothing_in_its_place(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "commit.gpgsign")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "true")
    monkeypatch.setenv("GNUPGHOME", str(tmp_path / "none"))
    with pytest.raises(InventoryError, match="git refused, so nothing is changed"):
        repository.make(tmp_path / "inventory", FILES, MARIA)
    assert not (tmp_path / "inventory").exists()


@pytest.mark.parametrize("place", ["inventory/production", "new", "docs/../x/y"])
def test_no_inventory_is_made_in_the_products_clone(place):
    with pytest.raises(InventoryError, match="it is in a clone of SwissPhoto Silo .* Name a place outside"):
        repository.check_place(ROOT / place)


def test_nor_in_another_clone_nor_through_a_link(tmp_path):
    shutil.copy(ROOT / "galaxy.yml", tmp_path)
    (tmp_path / "link").symlink_to(ROOT)
    for place in (tmp_path / "inventory", tmp_path / "link" / "inventory"):
        with pytest.raises(InventoryError, match="it is in a clone of SwissPhoto Silo"):
            repository.check_place(place)


def test_other_files_are_left_alone(tmp_path):
    (tmp_path / "empty").mkdir()
    repository.check_place(tmp_path / "empty")
    (tmp_path / "empty" / "letter.odt").touch()
    with pytest.raises(InventoryError, match="it has other files in it"):
        repository.check_place(tmp_path / "empty")
    (tmp_path / "file").touch()
    with pytest.raises(InventoryError, match="it is no folder"):
        repository.check_place(tmp_path / "file")


def test_an_inventory_without_a_history_is_told_how_to_get_one(tmp_path):
    for name in ("hosts.yml", "tenants.yml"):
        (tmp_path / name).touch()
    repository.check_place(tmp_path)
    with pytest.raises(InventoryError, match="without a git repository of its own; make one: git -C .* init"):
        repository.check_complete(tmp_path)


def test_the_password_is_made_once_and_read_by_its_owner_alone(tmp_path):
    path, folder = tmp_path / "secrets" / "vault-password", tmp_path / "inventory"
    assert repository.check_password(path, folder, "the vault password") is False
    repository.make_password(path)
    text = path.read_text()
    assert (path.stat().st_mode & 0o777, len(text) > 40, text.count("\n")) == (0o600, True, 1)
    assert repository.check_password(path, folder, "the vault password") is True
    with pytest.raises(InventoryError, match="another program has just written it"):
        repository.make_password(path)
    assert path.read_text() == text


def test_a_password_that_lies_wrong_is_refused_and_stays(tmp_path):
    folder = tmp_path / "inventory"
    path = tmp_path / "password"
    path.write_text("x\n")
    path.chmod(0o640)
    for place, sentence in (
        (path, "others on this machine can read the vault password; chmod 600"),
        (folder / "vault-password", "must lie outside of the inventory"),
        (ROOT / "vault-password", "is in a clone of SwissPhoto Silo"),
        (tmp_path, "it must be a file with the vault password"),
    ):
        with pytest.raises(InventoryError, match=sentence):
            repository.check_password(place, folder, "the vault password")
    assert path.read_text() == "x\n"


def test_the_password_is_where_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SILO_VAULT_PASSWORD_FILE", raising=False)
    assert repository.password_file(None) == tmp_path / ".silo-vault-password"
    monkeypatch.setenv("SILO_VAULT_PASSWORD_FILE", "~/other")
    assert repository.password_file(None) == tmp_path / "other"
    assert repository.password_file("/given") == Path("/given")


def test_two_at_once_do_not_mix(tmp_path):
    folder = tmp_path / "inventory"
    aside = tmp_path / ".inventory.silo-init"
    aside.mkdir()
    with (
        repository.locks.held(aside),
        pytest.raises(InventoryError, match="another 'silo init' is making it"),
    ):
        repository.make(folder, FILES, MARIA)
    assert [path.name for path in tmp_path.iterdir()] == [aside.name]

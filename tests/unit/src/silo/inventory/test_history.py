"""One edit, one commit, of its own files; git is asked for nothing else, and its refusal is told."""

import getpass
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from silo.inventory import history
from silo.inventory.errors import InventoryError
from silo.inventory.history import Author, History
from silo.inventory.transaction import DESK, Edit, Folder, Move, Write

ROOT = Path(__file__).parents[5]
HANS = "host_vars/hans/tenant.yml"
CHANGE = Edit("Stop tenant hans", (Write(HANS, "a: 1\n", "a: 2\n"),))
CREATE = Edit("Create tenant maria", (Write("host_vars/maria/tenant.yml", None, "b: 1\n"),))
REMOVE = Edit(
    "Delete tenant hans", (Write("retired/3-hans.yml", None, "i: 3\n"), Move("host_vars/hans", "retired/3-hans"))
)
AUTHOR = Author("Maria Muster", "maria@example.ch")


@pytest.fixture
def git(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")

    def run(*arguments):
        result = subprocess.run(["git", *arguments], cwd=tmp_path, capture_output=True, text=True, check=True)
        return result.stdout

    (tmp_path / "inv" / "host_vars" / "hans").mkdir(parents=True)
    (tmp_path / "inv" / HANS).write_text("a: 1\n")
    (tmp_path / "inv" / "hosts.yml").write_text("servers:\n")
    run("init", "-q")
    run("add", "-A")
    run("-c", "user.name=x", "-c", "user.email=x@example.ch", "commit", "-q", "-m", "first")
    return run


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path / "inv")


def commit(folder, edit, author=AUTHOR):
    folder.make(edit)
    made = History.of(folder.root, author).commit(edit)
    folder.finish()
    return made


def files(git, revision="HEAD"):
    return git("show", "--format=", "--name-status", "--no-renames", revision).split("\n")[:-1]


def hook(tmp_path, name, text):
    path = tmp_path / ".git" / "hooks" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (CHANGE, [f"M\tinv/{HANS}"]),
        (CREATE, ["A\tinv/host_vars/maria/tenant.yml"]),
        (REMOVE, [f"D\tinv/{HANS}", "A\tinv/retired/3-hans.yml", "A\tinv/retired/3-hans/tenant.yml"]),
    ],
    ids=lambda value: getattr(value, "message", ""),
)
def test_a_commit_has_the_files_of_the_edit_the_message_and_the_author(folder, git, edit, expected):
    assert commit(folder, edit) == git("rev-parse", "HEAD").strip()
    assert files(git) == expected
    assert (
        git("log", "-1", "--format=%s|%an|%ae|%cn").strip()
        == f"{edit.message}|Maria Muster|maria@example.ch|Maria Muster"
    )
    assert git("status", "--porcelain") == ""


@pytest.mark.parametrize("edit", [CHANGE, CREATE, REMOVE], ids=lambda edit: edit.message)
def test_what_others_staged_or_changed_stays_as_it_is(folder, git, tmp_path, edit):
    (tmp_path / "staged").write_text("staged\n")
    git("add", "staged")
    (tmp_path / "inv" / "hosts.yml").write_text("servers: changed\n")
    (tmp_path / "inv" / "host_vars" / "hans" / "vault.yml").write_text("secret\n")
    commit(folder, edit)
    assert not any("staged" in line or "hosts" in line or "vault" in line for line in files(git))
    left = git("status", "--porcelain", "--untracked-files=all").splitlines()
    assert left[:2] == [" M inv/hosts.yml", "A  staged"] or left[:2] == ["A  staged", " M inv/hosts.yml"]
    assert left[2].startswith("?? inv/") and left[2].endswith("vault.yml")
    assert len(left) == 3


@pytest.mark.parametrize("edit", [CHANGE, CREATE, REMOVE], ids=lambda edit: edit.message)
def test_where_a_hook_refuses_the_index_is_as_it_was(folder, git, tmp_path, edit):
    hook(tmp_path, "pre-commit", "echo the house rules say no >&2; exit 1")
    head = git("rev-parse", "HEAD")
    with pytest.raises(InventoryError, match="git refused, so nothing is changed: the house rules say no$"):
        commit(folder, edit)
    folder.take_back(edit)
    assert git("status", "--porcelain") == ""
    assert git("rev-parse", "HEAD") == head


def test_a_hook_that_hangs_is_ended(folder, git, tmp_path, monkeypatch):
    hook(tmp_path, "pre-commit", "sleep 60")
    monkeypatch.setattr(history, "LIMIT_SECONDS", 1)
    with pytest.raises(InventoryError, match="git refused, so nothing is changed: it did not end within 1 s"):
        commit(folder, CREATE)
    folder.take_back(CREATE)
    assert not (tmp_path / ".git" / "index.lock").exists()
    assert git("status", "--porcelain") == ""


def test_a_hook_that_fails_after_the_commit_does_not_undo_it(folder, git, tmp_path, monkeypatch):
    hook(tmp_path, "post-commit", "sleep 60")
    monkeypatch.setattr(history, "LIMIT_SECONDS", 1)
    assert commit(folder, CHANGE) == git("rev-parse", "HEAD").strip()


def test_without_an_identity_git_says_what_to_do(folder, git):
    git("config", "user.useConfigOnly", "true")
    with pytest.raises(InventoryError, match="nothing is changed: .*Please tell me who you are"):
        commit(folder, CHANGE, author=None)


def test_the_identity_of_git_signs_where_no_author_is_given(folder, git):
    git("config", "user.name", "Ops")
    git("config", "user.email", "ops@example.ch")
    commit(folder, CHANGE, author=None)
    assert git("log", "-1", "--format=%an <%ae>").strip() == "Ops <ops@example.ch>"


def test_in_the_middle_of_a_merge_nothing_is_committed(folder, git, tmp_path):
    (tmp_path / ".git" / "MERGE_HEAD").write_text(git("rev-parse", "HEAD"))
    with pytest.raises(InventoryError, match="cannot do a partial commit during a merge"):
        commit(folder, CREATE)


def test_a_folder_that_git_ignores_is_not_committed(folder, git, tmp_path):
    (tmp_path / ".gitignore").write_text("/inv/host_vars/maria/\n")
    head = git("rev-parse", "HEAD")
    assert commit(folder, CREATE) is None
    assert git("rev-parse", "HEAD") == head


def test_a_file_that_git_did_not_know_is_committed_whole(folder, git, tmp_path):
    git("rm", "-q", "--cached", f"inv/{HANS}")
    git("-c", "user.name=x", "-c", "user.email=x@example.ch", "commit", "-q", "-m", "unknown")
    commit(folder, CHANGE)
    assert files(git) == [f"A\tinv/{HANS}"]


def test_what_is_purged_goes_and_stays_in_the_history(folder, git):
    edit = Edit("Purge", (Move("host_vars/hans", f"{DESK}/gone"),))
    commit(folder, edit)
    assert files(git) == [f"D\tinv/{HANS}"]
    assert not (folder.root / DESK).exists()


def test_an_edit_that_is_committed_already_makes_no_second_commit(folder, git):
    commit(folder, REMOVE)
    assert History.of(folder.root, AUTHOR).commit(REMOVE) is None


def test_edits_that_nobody_has_committed_are_seen(folder, git):
    seen = History.of(folder.root, AUTHOR)
    assert seen.edited([HANS]) == []
    (folder.root / HANS).write_text("a: 5\n")
    assert seen.edited([HANS]) == [f"inv/{HANS}"]
    git("add", f"inv/{HANS}")
    assert seen.edited(["host_vars/hans"]) == [f"inv/{HANS}"]
    assert seen.edited(["host_vars/maria"]) == []


def test_the_environment_of_a_hook_leads_to_no_other_work_tree(folder, git, tmp_path_factory, monkeypatch):
    monkeypatch.setenv("GIT_DIR", str(tmp_path_factory.mktemp("other")))
    monkeypatch.setenv("GIT_INDEX_FILE", "/nowhere")
    made = commit(folder, CHANGE)
    monkeypatch.delenv("GIT_DIR")
    monkeypatch.delenv("GIT_INDEX_FILE")
    assert made == git("rev-parse", "HEAD").strip()


def test_without_git_there_is_no_history(tmp_path):
    assert History.of(tmp_path, None) is None


def test_a_work_tree_that_git_cannot_read_is_told(tmp_path):
    (tmp_path / ".git").write_text("gitdir: /nowhere\n")
    with pytest.raises(InventoryError, match="git refused, so nothing is changed: .*not a git repository"):
        History.of(tmp_path, None)


def test_a_work_tree_without_git_installed_is_told(folder, git, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(InventoryError, match="git is not installed; install git"):
        History.of(folder.root, None)


@pytest.mark.parametrize("text", ["Maria", "<maria@example.ch>", "Maria <m@x.ch>\nEvil: yes", "Maria <a> <b>", ""])
def test_an_author_without_name_or_address_is_refused(text):
    with pytest.raises(InventoryError, match="^author is .*; it must be a name and an address, such as Maria"):
        Author.parse(text)


def test_an_author_is_a_name_and_an_address():
    assert Author.parse("Maria Muster <maria@example.ch>") == AUTHOR


def test_where_nobody_told_git_who_works_here_the_user_signs(folder, git, monkeypatch):
    monkeypatch.setattr(socket, "gethostname", lambda: "controller")
    monkeypatch.setenv("GIT_AUTHOR_NAME", "")  # as where git knows nobody and can guess nothing
    commit(folder, CHANGE, author=None)
    assert git("log", "-1", "--format=%ae").strip() == f"{getpass.getuser()}@controller"


@pytest.fixture
def clone(tmp_path, git):
    """Make the work tree around the inventory a clone of this software."""
    shutil.copy(ROOT / "galaxy.yml", tmp_path)
    git("add", "galaxy.yml")
    git("-c", "user.name=x", "-c", "user.email=x@example.ch", "commit", "-q", "-m", "product")


@pytest.mark.parametrize("edit", [CHANGE, CREATE, REMOVE], ids=lambda edit: edit.message)
def test_nothing_is_committed_into_a_clone_of_this_software(folder, git, clone, edit):
    head = git("rev-parse", "HEAD")
    assert commit(folder, edit) is None
    assert (git("rev-parse", "HEAD"), git("diff", "--cached")) == (head, "")
    assert History.of(folder.root, AUTHOR).edited([HANS]) == []


@pytest.mark.parametrize("text", ["namespace: swissphoto\nname: other\n", "- a list\n", "{", b"\xff"])
def test_another_collection_is_no_clone_of_this_software(folder, git, tmp_path, text):
    (tmp_path / "galaxy.yml").write_bytes(text if isinstance(text, bytes) else text.encode())
    assert commit(folder, CHANGE) == git("rev-parse", "HEAD").strip()


def test_a_repository_of_its_own_inside_a_clone_has_a_history(folder, git, clone):
    head = git("rev-parse", "HEAD")
    subprocess.run(["git", "init", "-q"], cwd=folder.root, check=True)
    made = commit(folder, CREATE)
    log = subprocess.run(["git", "log", "--format=%H"], cwd=folder.root, capture_output=True, text=True, check=True)
    assert log.stdout.split() == [made]
    assert git("rev-parse", "HEAD") == head

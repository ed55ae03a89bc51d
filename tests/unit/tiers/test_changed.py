"""Which files are in hand, and whether storage is what the virtual machines proved last."""

import subprocess
from pathlib import Path

import pytest

from tests.tiers import changed


@pytest.fixture
def repository(tmp_path):
    for name in ("roles/nas/tasks/main.yml", "plugins/module_utils/quota/xfs.py", "docs/storage.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    git(tmp_path, "init", "--quiet")
    commit(tmp_path)
    return tmp_path


def git(root, *arguments):
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.ch")
    subprocess.run(("git", *identity, *arguments), cwd=root, check=True, capture_output=True)


def commit(root):
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "a", "--allow-empty")


def test_the_files_in_hand_are_those_that_no_commit_has(repository):
    (repository / "docs" / "storage.md").write_text("other")
    (repository / "new.yml").write_text("new")
    (repository / "roles" / "nas" / "tasks" / "main.yml").unlink()
    assert changed.files(repository) == ["docs/storage.md", "new.yml"]


def test_without_any_they_are_those_of_the_last_commit(repository):
    (repository / "docs" / "storage.md").write_text("other")
    commit(repository)
    assert changed.files(repository) == ["docs/storage.md"]


def test_storage_is_proved_until_something_of_it_changes(repository, capsys):
    (repository / "tests" / "vm").mkdir(parents=True)
    assert changed.storage(repository)
    changed.prove(repository, ["lint", "storage"])
    assert "commit it" in capsys.readouterr().out
    assert not changed.storage(repository)
    commit(repository)
    (repository / "docs" / "storage.md").write_text("other")
    assert not changed.storage(repository)
    (repository / "roles" / "nas" / "tasks" / "main.yml").write_text("other")
    assert changed.storage(repository)


def test_a_file_that_no_commit_has_counts_and_one_that_is_gone(repository):
    (repository / "tests" / "vm").mkdir(parents=True)
    changed.prove(repository, ["storage"])
    new = repository / "roles" / "nas" / "handlers.yml"
    new.write_text("new")
    assert changed.storage(repository)
    new.unlink()
    assert not changed.storage(repository)
    (repository / "plugins" / "module_utils" / "quota" / "xfs.py").unlink()
    assert changed.storage(repository)


def test_what_is_written_passes_the_gate_for_secrets(repository):
    (repository / "tests" / "vm").mkdir(parents=True)
    changed.prove(repository, ["storage"])
    gate = ["detect-secrets-hook", "--disable-plugin", "KeywordDetector", str(repository / changed.PROVED)]
    subprocess.run(gate, check=True, cwd=repository)


def test_nothing_is_proved_where_the_machines_failed_or_did_not_run(repository):
    (repository / "tests" / "vm").mkdir(parents=True)
    for passed in (["lint", "unit", "platform"], []):
        changed.prove(repository, passed)
    assert changed.storage(repository)
    assert not (repository / changed.PROVED).exists()


@pytest.mark.parametrize("text", ["", "{}", "no JSON", '{"sources": "of before"}'])
def test_a_record_that_says_nothing_proves_nothing(repository, text):
    (repository / "tests" / "vm").mkdir(parents=True)
    (repository / changed.PROVED).write_text(text)
    assert changed.storage(repository)


def test_all_that_is_proved_with_storage_exists():
    """A path that was moved would be proved for ever."""
    root = Path(__file__).parents[3]
    assert [name for name in changed.STORAGE if not (root / name).exists()] == []

"""Files are written whole or not at all, are on the disk afterwards, and are nobody else's for a moment."""

import errno
import os
import stat
import threading
from pathlib import Path

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.common import files


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def synced(monkeypatch):
    """What was put on the disk, in order: the file and directory behind each descriptor."""
    found, fsync = [], os.fsync

    def noted(handle):
        found.append(Path(f"/proc/self/fd/{handle}").readlink().name)
        fsync(handle)

    monkeypatch.setattr(os, "fsync", noted)
    return found


def test_file_and_directory_are_on_the_disk(tmp_path, synced):
    files.write(tmp_path / "a", "new", 0o600, scratch=tmp_path / "scratch")
    assert synced == ["scratch", tmp_path.name]


def test_what_is_worthless_after_a_restart_costs_no_wait(tmp_path, synced):
    files.write(tmp_path / "a", "new", 0o644, durable=False)
    assert (synced, (tmp_path / "a").read_text()) == ([], "new")


def test_a_new_file_has_its_mode_whatever_the_umask_is(tmp_path):
    before = os.umask(0)
    try:
        files.write(tmp_path / "a", "secret", 0o600)
        files.write(tmp_path / "b", b"plain")
        os.umask(0o077)
        files.write(tmp_path / "c", "open", 0o644)
    finally:
        os.umask(before)
    assert [mode_of(tmp_path / name) for name in "abc"] == [0o600, 0o666, 0o644]


def test_without_a_mode_that_of_the_old_file_stays(tmp_path):
    (tmp_path / "a").write_text("old")
    (tmp_path / "a").chmod(0o640)
    files.write(tmp_path / "a", "new")
    assert ((tmp_path / "a").read_text(), mode_of(tmp_path / "a")) == ("new", 0o640)


def test_what_a_killed_run_left_is_replaced(tmp_path):
    (tmp_path / "scratch").write_text("half")
    files.write(tmp_path / "a", "new", 0o600, scratch=tmp_path / "scratch")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.fault(4)
@pytest.mark.parametrize("scratch", [None, "scratch"])
def test_a_full_disk_leaves_the_old_file_and_nothing_beside_it(tmp_path, monkeypatch, scratch):
    (tmp_path / "a").write_text("old")

    def full(_handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        files.write(tmp_path / "a", "new", 0o600, scratch=tmp_path / scratch if scratch else None)
    with pytest.raises(OSError, match="No space left"):
        files.create(tmp_path / "b", "new", 0o600)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "old")]


def test_writers_that_no_lock_keeps_apart_leave_one_whole_file(tmp_path):
    texts = [letter * 100_000 for letter in "abcdefgh"]
    threads = [threading.Thread(target=files.write, args=(tmp_path / "a", text, 0o600)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "a").read_text() in texts
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_what_exists_is_not_created_again(tmp_path, synced):
    files.create(tmp_path / "a", "first", 0o600)
    assert synced[-1] == tmp_path.name
    with pytest.raises(FileExistsError):
        files.create(tmp_path / "a", "second", 0o600)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "first")]
    assert mode_of(tmp_path / "a") == 0o600


def test_both_directories_know_of_a_move(tmp_path, synced):
    (tmp_path / "from").mkdir()
    (tmp_path / "to").mkdir()
    (tmp_path / "from" / "a").touch()
    files.move(tmp_path / "from" / "a", tmp_path / "to" / "b")
    assert (tmp_path / "to" / "b").exists()
    assert sorted(synced) == ["from", "to"]


def test_what_another_program_wrote_is_put_on_the_disk(tmp_path, synced):
    (tmp_path / "a").write_text("x")
    files.sync(tmp_path / "a")
    assert synced == ["a", tmp_path.name]

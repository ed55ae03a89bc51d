"""Steps that are whole or not done, wherever the edit is killed; nothing outside of the folder is touched."""

import errno
import os
import shutil
import signal
import sys
import threading
import time

import pytest

from silo.inventory.errors import InventoryError
from silo.inventory.transaction import DESK, LARGEST, Edit, Folder, Move, Write
from tests.unit.patience import LONGER, PATIENCE

HANS = "host_vars/hans/tenant.yml"
OLD, NEW = "tenant_index: 3\n", "tenant_index: 3\ntenant_state: stopped\n"
STONE = "retired/3-hans.yml"
CREATE = Edit("Create tenant maria", (Write("host_vars/maria/tenant.yml", None, NEW),))
CHANGE = Edit("Stop tenant hans", (Write(HANS, OLD, NEW),))
REMOVE = Edit("Delete tenant hans", (Write(STONE, None, "index: 3\n"), Move("host_vars/hans", "retired/3-hans")))
PURGE = Edit("Purge", (Write("hosts.yml", "a\n", "b\n"), Move("host_vars/hans", f"{DESK}/gone")))
WRITES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree"}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "host_vars" / "hans").mkdir(parents=True)
    (tmp_path / HANS).write_text(OLD)
    (tmp_path / "hosts.yml").write_text("a\n")
    (tmp_path / "host_vars" / "hans" / "vault.yml").write_text("secret\n")
    return Folder(tmp_path)


def tree(root):
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def reset(root, files):
    for entry in root.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)


def killed_at(number, work):
    """Run `work` in a process of its own and kill it before the file operation of this number; tell whether it was."""
    child = os.fork()
    if child == 0:
        left = number

        def count(event, arguments):
            nonlocal left
            writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
            if event in WRITES or writes:
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                left -= 1

        sys.addaudithook(count)
        work()
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("edit", [CREATE, CHANGE, REMOVE, PURGE], ids=lambda edit: edit.message)
def test_an_edit_killed_at_any_file_operation_is_whole_or_undone(folder, edit):
    before = tree(folder.root)
    folder.make(edit)
    folder.finish()
    after = tree(folder.root)
    reset(folder.root, before)

    def work():
        folder.make(edit)
        folder.finish()

    number, outcomes = 0, []
    while killed_at(number, work):
        seen = {path for path in tree(folder.root) if not path.startswith(DESK)}
        assert seen <= before.keys() | after.keys()
        found = folder.cut_off()
        if found is not None:
            assert found == edit
            folder.finish()
        outcomes.append(tree(folder.root) == after)
        assert tree(folder.root) in (before, after)
        assert not (folder.root / DESK).exists()
        reset(folder.root, before)
        number += 1
        assert number < 40
    assert outcomes[0] is False
    assert outcomes[-1] is True
    assert outcomes == sorted(outcomes)


@pytest.mark.parametrize("edit", [CREATE, CHANGE, REMOVE], ids=lambda edit: edit.message)
def test_an_edit_that_is_taken_back_leaves_no_trace(folder, edit):
    before = tree(folder.root)
    folder.make(edit)
    assert tree(folder.root) != before
    folder.take_back(edit)
    assert tree(folder.root) == before
    assert sorted(entry.name for entry in folder.root.iterdir()) == ["host_vars", "hosts.yml"]


def test_a_step_that_cannot_be_made_undoes_those_before(folder):
    (folder.root / "retired").mkdir()
    (folder.root / "retired" / "3-hans").write_text("in the way\n")
    before = tree(folder.root)
    with pytest.raises(InventoryError, match=r"retired/3-hans: it cannot be written, .*; nothing is changed"):
        folder.make(REMOVE)
    assert tree(folder.root) == before


@pytest.mark.fault(4)
@pytest.mark.parametrize("edit", [CREATE, CHANGE, REMOVE], ids=lambda edit: edit.message)
def test_a_disk_that_is_full_meanwhile_leaves_all_as_it_was(folder, edit, monkeypatch):
    before, synced = tree(folder.root), os.fsync
    left = refused = 0

    def fsync(handle):
        nonlocal left
        left -= 1
        if left == -1:
            raise OSError(errno.ENOSPC, "No space left on device")
        return synced(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    while True:
        left = refused
        try:
            folder.make(edit)
        except InventoryError as error:
            assert "no space left on device; nothing is changed" in str(error)
            assert tree(folder.root) == before
            refused += 1
        else:
            break
    # It was full at each write, one after the other.
    assert refused > 1


def test_what_the_tool_left_behind_is_swept(folder):
    (folder.root / DESK).mkdir()
    (folder.root / DESK / "file").write_text("half wr")
    (folder.root / DESK / "journal.json").write_text('{"message": "Stop')
    assert folder.cut_off() is None
    assert not (folder.root / DESK).exists()
    assert (folder.root / HANS).read_text() == OLD


def test_mode_and_line_ends_of_a_file_stay(folder):
    (folder.root / HANS).write_bytes(b"a: 1\r\n")
    (folder.root / HANS).chmod(0o640)
    assert folder.read(HANS) == "a: 1\r\n"
    folder.make(Edit("", (Write(HANS, "a: 1\r\n", "a: 2\r\n"),)))
    folder.finish()
    assert (folder.root / HANS).read_bytes() == b"a: 2\r\n"
    assert (folder.root / HANS).stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("link", ["host_vars", "host_vars/hans", HANS])
def test_a_symbolic_link_is_never_followed(folder, tmp_path_factory, link):
    outside = tmp_path_factory.mktemp("outside") / "moved"
    (folder.root / link).rename(outside)
    (folder.root / link).symlink_to(outside)
    before = tree(outside) if outside.is_dir() else outside.read_bytes()
    for work in (lambda: folder.read(HANS), lambda: folder.make(CHANGE)):
        with pytest.raises(InventoryError, match=f"^{link}: it is a symbolic link to {outside}; a real file"):
            work()
    assert (tree(outside) if outside.is_dir() else outside.read_bytes()) == before
    assert not (folder.root / DESK).exists()


def test_a_desk_that_is_a_link_is_told_and_what_it_leads_to_stays(folder, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    (outside / "journal.json").write_text("{}")
    (folder.root / DESK).symlink_to(outside)
    with pytest.raises(InventoryError, match="symbolic link; remove it"):
        folder.cut_off()
    assert (outside / "journal.json").exists()


def test_what_is_no_file_of_settings_is_not_read(folder):
    (folder.root / "folder").mkdir()
    os.mkfifo(folder.root / "pipe")
    (folder.root / "large").write_bytes(b"#" * (LARGEST + 1))
    (folder.root / "latin").write_bytes("tenant_email: müller".encode("latin-1"))
    for name in ("pipe", "large"):
        with pytest.raises(
            InventoryError, match=f"^{name}: it is no file of settings; it must be a text of at most 1 MiB"
        ):
            folder.read(name)
    with pytest.raises(InventoryError, match="^folder: it .*is"):
        folder.read("folder")
    with pytest.raises(InventoryError, match="^latin: line 1 has a byte that is no UTF-8, as in Latin-1; save"):
        folder.read("latin")
    assert folder.read("nothing") is None


def test_the_second_edit_waits_for_the_first_and_not_for_ever(folder):
    entered, leave = threading.Event(), threading.Event()

    def hold():
        with folder.locked(1):
            entered.set()
            leave.wait(LONGER)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert entered.wait(PATIENCE)
        refused = pytest.raises(InventoryError, match="another edit of this inventory is under way; try again")
        with refused, folder.locked(0.2):
            pass
        threading.Timer(0.3, leave.set).start()
        started = time.monotonic()
        with folder.locked(LONGER):
            assert time.monotonic() - started < PATIENCE
    finally:
        leave.set()
        thread.join()

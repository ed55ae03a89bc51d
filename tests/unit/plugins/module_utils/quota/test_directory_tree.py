from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.quota import directory_tree as module
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.base import QuotaError
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.directory_tree import count_tree, remove_tree
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


@pytest.fixture
def top(tmp_path: Path) -> Path:
    (tmp_path / "outside" / "album").mkdir(parents=True)
    (tmp_path / "outside" / "file").write_text("kept", encoding="ascii")
    (tmp_path / "top").mkdir()
    return tmp_path / "top"


def outside(top: Path) -> list[str]:
    return sorted(path.name for path in (top.parent / "outside").rglob("*"))


def test_removes_all_and_follows_no_link(top: Path) -> None:
    (top / "a" / "b").mkdir(parents=True)
    (top / "a" / "photo").touch()
    (top / "a" / "link").symlink_to(top.parent / "outside")
    (top / "loop").symlink_to(top)
    (top / "dangling").symlink_to("/no/such/file")
    (top / "hard").hardlink_to(top.parent / "outside" / "file")
    os.mkfifo(top / "pipe")
    assert count_tree(top) == 9
    remove_tree(top)
    assert not top.exists()
    assert outside(top) == ["album", "file"]


def test_a_link_in_place_of_the_directory_is_refused(top: Path) -> None:
    link = top / "link"
    link.symlink_to(top.parent / "outside")
    for step in (count_tree, remove_tree):
        with pytest.raises(OSError, match="Not a directory|Too many levels"):
            step(link)
    assert outside(top) == ["album", "file"]


def test_neither_depth_nor_length_of_a_path_is_too_much(top: Path) -> None:
    # Deeper than Python's own recursion, and than descriptors go; longer than a path may be.
    program = "import os\nfor _ in range(2500):\n    os.mkdir('d' * 200)\n    os.chdir('d' * 200)"
    subprocess.run([sys.executable, "-c", program], cwd=top, check=True, timeout=60)
    assert count_tree(top) == 2501
    remove_tree(top)
    assert not top.exists()


def test_a_large_directory_is_removed_in_parts(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH", 3)
    for number in range(10):
        (top / f"d{number}").mkdir()
        (top / f"d{number}" / "file").touch()
        (top / f"f{number}").touch()
    assert count_tree(top) == 31
    remove_tree(top)
    assert not top.exists()


def test_is_completed_after_it_was_cut_off(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        (top / f"d{number}" / "inner").mkdir(parents=True)
        (top / f"d{number}" / "file").touch()
    removed = os.rmdir

    def once(name: Any, **options: Any) -> None:
        monkeypatch.setattr(os, "rmdir", stop)
        removed(name, **options)

    def stop(name: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "rmdir", once)
    with pytest.raises(KeyboardInterrupt):
        remove_tree(top)
    assert 0 < len(list(top.iterdir())) <= 5
    monkeypatch.setattr(os, "rmdir", removed)
    remove_tree(top)
    assert not top.exists()


def test_another_file_system_is_not_entered(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (top / "mounted").mkdir()
    (top / "mounted" / "file").touch()
    inode, fstat = (top / "mounted").stat().st_ino, os.fstat

    def other(descriptor: int) -> Any:
        found = fstat(descriptor)
        return SimpleNamespace(st_dev=-1, st_ino=found.st_ino) if found.st_ino == inode else found

    monkeypatch.setattr(os, "fstat", other)
    with pytest.raises(QuotaError, match=f"another file system is mounted below {top}, at mounted; it was left alone"):
        remove_tree(top)
    assert (top / "mounted" / "file").exists()


def test_who_moves_directories_away_meanwhile_leads_nowhere(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (top / "a" / "b").mkdir(parents=True)
    unlinked = os.unlink
    (top / "a" / "b" / "file").touch()

    def move(name: str, **options: Any) -> None:
        unlinked(name, **options)
        (top / "a" / "b").rename(top.parent / "outside" / "b")

    monkeypatch.setattr(os, "unlink", move)
    with pytest.raises(QuotaError, match=f"a process moves directories below {top}; stop it, and run this again"):
        remove_tree(top)
    assert outside(top) == ["album", "b", "file"]


def test_leaves_no_descriptor_open(top: Path) -> None:
    (top / "a").mkdir()
    before = len(list(Path("/proc/self/fd").iterdir()))
    count_tree(top)
    remove_tree(top)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


NAMES = st.sampled_from("abc")
TREES = st.recursive(st.none(), lambda inner: st.dictionaries(NAMES, inner, max_size=3), max_leaves=12)


def grow(path: Path, tree: Any) -> int:
    if tree is None:
        path.touch()
        return 1
    path.mkdir()
    return 1 + sum(grow(path / name, inner) for name, inner in tree.items())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.dictionaries(NAMES, TREES, max_size=3), st.integers(1, 4))
def test_any_tree_is_counted_and_removed(tmp_path: Path, tree: dict[str, Any], batch: int) -> None:
    module.BATCH = batch
    try:
        size = grow(tmp_path / "tree", tree)
        assert count_tree(tmp_path / "tree") == size
        remove_tree(tmp_path / "tree")
        assert not (tmp_path / "tree").exists()
    finally:
        module.BATCH = 10_000

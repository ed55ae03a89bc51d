from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.base import QuotaError
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.folder import Folder, read_folder, write_folder

MINE = Folder(os.getuid(), os.getgid(), 0o711)


def test_makes_and_corrects_a_directory_and_leaves_its_contents(tmp_path: Path) -> None:
    path = tmp_path / "hans"
    write_folder(path, MINE)
    assert read_folder(path) == MINE
    (path / "photo").touch(mode=0o640)
    path.chmod(0o777)
    write_folder(path, MINE)
    assert read_folder(path) == MINE
    assert (path / "photo").stat().st_mode & 0o777 == 0o640


def test_nothing_is_not_an_error() -> None:
    assert read_folder(Path("/no/such/directory")) is None


def test_never_follows_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc")
    with pytest.raises(QuotaError, match="symbolic link"):
        write_folder(tmp_path / "link", MINE)


def test_is_shown_as_people_write_it() -> None:
    assert str(Folder(200001, 200001, 0o700)) == "200001:200001 0700"

"""A tenant's directory on the NAS: what is more than folders and markers, and the markers themselves."""

import os
import stat

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.stack import StackError
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.uploads import MARKED, holds_files, mark


@pytest.fixture
def uploads(tmp_path):
    folder = tmp_path / "uploads"
    (folder / "library" / "admin" / "2026").mkdir(parents=True)
    return folder


def test_folders_and_markers_are_nothing_to_lose(uploads, tmp_path):
    (tmp_path / "backups").mkdir()
    mark(uploads, tmp_path / "backups", os.getuid())
    assert not holds_files(uploads, os.getuid())
    assert sorted(path.parent.name for path in tmp_path.rglob(".immich")) == sorted([*MARKED, "backups"])
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob(".immich")} == {0o600}


def test_a_marker_that_is_there_is_kept(uploads, tmp_path):
    (tmp_path / "backups").mkdir()
    (uploads / "library" / ".immich").write_text("1764531111000")
    mark(uploads, tmp_path / "backups", os.getuid())
    assert (uploads / "library" / ".immich").read_text() == "1764531111000"


@pytest.mark.parametrize("name", ["photo.jpg", "-delete", "a\nb", ".immich.jpg"])
def test_a_file_is_something_to_lose_whatever_its_name(uploads, name):
    (uploads / "library" / "admin" / "2026" / name).touch()
    assert holds_files(uploads, os.getuid())


def test_a_link_is_something_and_is_not_followed(uploads):
    (uploads / "library" / "link").symlink_to("/")
    assert holds_files(uploads, os.getuid())


def test_a_directory_that_is_away_is_told(tmp_path):
    with pytest.raises(StackError, match="cannot be entered by the user"):
        holds_files(tmp_path / "none", os.getuid())


def test_one_that_does_not_end_is_given_up(uploads, monkeypatch):
    monkeypatch.setattr(f"{holds_files.__module__}.LOOK", ("sleep", "60"))
    with pytest.raises(StackError, match=r"could not be looked through within 0.1 s"):
        holds_files(uploads, os.getuid(), 0.1)

import pytest
from photo_server.errors import StartError
from photo_server.markers import FOLDERS, check_folders

ALL = frozenset(FOLDERS)
NONE: frozenset[str] = frozenset()


def test_the_first_start_makes_a_marker_in_each_folder(tmp_path):
    check_folders(tmp_path, NONE)
    assert sorted(path.parent.name for path in tmp_path.glob("*/.immich")) == sorted(FOLDERS)


def test_the_next_start_overwrites_the_markers(tmp_path):
    check_folders(tmp_path, NONE)
    marker = tmp_path / "upload" / ".immich"
    marker.write_text("0")
    check_folders(tmp_path, ALL)
    assert len(marker.read_text()) == 13


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_missing_marker_stops_a_later_start_and_is_not_made(tmp_path, folder):
    check_folders(tmp_path, NONE)
    marker = tmp_path / folder / ".immich"
    marker.unlink()
    with pytest.raises(StartError, match=f'Failed to read "<UPLOAD_LOCATION>/{folder}/.immich"'):
        check_folders(tmp_path, ALL)
    assert not marker.exists()


def test_an_empty_place_stops_a_later_start(tmp_path):
    with pytest.raises(StartError, match="Failed to read"):
        check_folders(tmp_path, ALL)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_came_later_gets_its_marker(tmp_path):
    check_folders(tmp_path, NONE)
    (tmp_path / "backups" / ".immich").unlink()
    check_folders(tmp_path, ALL - {"backups"})
    assert (tmp_path / "backups" / ".immich").exists()


def test_a_marker_that_is_there_at_the_first_start_is_kept(tmp_path):
    (tmp_path / "upload").mkdir()
    (tmp_path / "upload" / ".immich").touch()
    check_folders(tmp_path, NONE)


def test_a_place_that_cannot_hold_folders_stops_the_first_start(tmp_path):
    (tmp_path / "upload").write_text("a file")
    with pytest.raises(StartError, match='Failed to create "<UPLOAD_LOCATION>/upload/.immich"'):
        check_folders(tmp_path, NONE)

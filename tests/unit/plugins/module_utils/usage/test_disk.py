"""Local disk of a tenant, counted by du itself."""

import os

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.usage import disk

MEBIBYTE = 1024**2


@pytest.fixture
def folder(tmp_path):
    for name in ("database", "backups", "queue", "secrets"):
        (tmp_path / name).mkdir()
    return tmp_path


def test_each_folder_with_data_is_counted(folder):
    (folder / "database" / "base").write_bytes(os.urandom(3 * MEBIBYTE))
    (folder / "backups" / "deep").mkdir()
    (folder / "backups" / "deep" / "dump").write_bytes(os.urandom(MEBIBYTE))
    (folder / "thumbs").mkdir()
    found = disk.read(folder, 10)
    assert set(found) == {"database_bytes", "backups_bytes", "queue_bytes", "thumbs_bytes"}
    assert 3 * MEBIBYTE <= found["database_bytes"] < 3.1 * MEBIBYTE
    assert MEBIBYTE <= found["backups_bytes"] < 1.1 * MEBIBYTE
    assert found["queue_bytes"] < 0.1 * MEBIBYTE


def test_no_link_leads_out(folder, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    (outside / "big").write_bytes(os.urandom(2 * MEBIBYTE))
    (folder / "backups" / "link").symlink_to(outside)
    (folder / "queue").rmdir()
    (folder / "queue").symlink_to(outside)
    found = disk.read(folder, 10)
    assert found["backups_bytes"] < MEBIBYTE
    assert "queue_bytes" not in found


def test_a_folder_that_is_not_there_is_unknown(tmp_path):
    (tmp_path / "database").mkdir()
    assert set(disk.read(tmp_path, 10)) == {"database_bytes"}


def test_a_tenant_that_vanishes_meanwhile_has_nothing(tmp_path):
    assert disk.read(tmp_path / "gone", 10) == {}


@pytest.mark.parametrize("answer", ["", "12", "12\t/srv/hans/datab", "many\t/srv/hans/database\n", "-1\t/a/queue\n"])
def test_what_was_cut_off_is_unknown(folder, answer):
    found = disk.read(folder, 1, lambda *_arguments: answer)
    assert found == {"database_bytes": None, "backups_bytes": None, "queue_bytes": None}

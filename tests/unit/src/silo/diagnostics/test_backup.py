"""How old the last backup of the controller is."""

import datetime

import pytest

from silo import backup_record
from silo.diagnostics.backup import check_backup

NOW = datetime.datetime(2026, 12, 1, 12, tzinfo=datetime.UTC)


@pytest.fixture
def made(tmp_path):
    (tmp_path / ".silo").mkdir()

    def make(hours, problems=()):
        at = NOW - datetime.timedelta(hours=hours)
        backup_record.write(tmp_path, backup_record.Record(at, "/mnt/backup/b.age", problems))
        return check_backup(tmp_path, NOW)

    return make


def test_no_backup_is_a_warning_with_the_way_to_one(tmp_path):
    finding = check_backup(tmp_path, NOW)
    assert (finding.state, "silo controller key" in finding.fix) == ("warning", True)


@pytest.mark.parametrize(("hours", "state", "age"), [(0, "ok", "0 h"), (47, "ok", "47 h"), (96, "warning", "4 days")])
def test_a_backup_is_as_old_as_it_is(made, hours, state, age):
    finding = made(hours)
    assert finding.state == state
    assert finding.message == f"the last backup of this controller is {age} old: /mnt/backup/b.age"


def test_what_is_missing_in_a_backup_is_said(made):
    finding = made(1, ["/root/key cannot be read: Permission denied"])
    assert finding.state == "warning"
    assert finding.message.endswith("it is not complete: /root/key cannot be read: Permission denied")


def test_a_record_that_cannot_be_read_is_none(tmp_path):
    (tmp_path / ".silo").mkdir()
    for text in ("", "[]", "{}", '{"at": "x", "path": "", "problems": []}'):
        (tmp_path / ".silo" / "backup.json").write_text(text)
        assert backup_record.read(tmp_path) is None

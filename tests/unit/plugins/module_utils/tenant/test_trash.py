"""What a deleted tenant leaves on its server: aside, back, and gone; never another's."""

import os

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.common import mounts
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant import trash as module
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.stack import StackError
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.trash import Deleted, Trash, fingerprint_matches
from ansible_collections.swissphoto.silo.plugins.modules import tenant_trash

UID = os.getuid()
WHEN = "2026-11-23T16:55:02+00:00"
HANS = Deleted("hans", 1, UID, WHEN)
ENTRY = "20261123T165502Z-hans-1"


@pytest.fixture
def trash(tmp_path):
    (tmp_path / "tenants").mkdir()
    (tmp_path / "tickets").mkdir()
    return Trash(tmp_path / "tenants", tmp_path / "tickets")


@pytest.fixture
def tenant(trash):
    """The directory of hans, with what an apply writes into it."""
    folder = trash.directory / "hans"
    (folder / "database").mkdir(parents=True)
    (folder / "database" / "PG_VERSION").write_text("17")
    (folder / "secrets").mkdir()
    (folder / "secrets" / "database_password").write_text("secret")
    (trash.tickets / "hans-1f.json").write_text("{}")
    (trash.tickets / "hansi-1f.json").write_text("{}")
    return folder


def test_aside_and_back(trash, tenant):
    assert trash.put(HANS, ())
    assert not tenant.exists()
    entry = trash.folder / ENTRY
    assert (entry / "database" / "PG_VERSION").read_text() == "17"
    assert trash.folder.stat().st_mode & 0o777 == 0o700
    assert trash.restore(HANS)
    assert (tenant / "database" / "PG_VERSION").read_text() == "17"
    assert not entry.exists()


def test_no_secret_and_no_open_link_is_left(trash, tenant):
    trash.put(HANS, ())
    assert not (trash.folder / ENTRY / "secrets").exists()
    assert [path.name for path in trash.tickets.iterdir()] == ["hansi-1f.json"]


def test_a_database_in_the_trash_knows_its_password_again_and_no_other(trash, tenant):
    trash.put(HANS, ())
    assert fingerprint_matches(trash.folder / ENTRY, "secret")
    assert not fingerprint_matches(trash.folder / ENTRY, "another")
    assert not fingerprint_matches(trash.directory, "secret")


@pytest.mark.parametrize("work", ["put", "restore", "purge"])
def test_a_second_run_changes_nothing(trash, tenant, work):
    trash.put(HANS, ())
    if work == "put":
        assert not trash.put(HANS, ())
        assert (trash.folder / ENTRY).exists()
    else:
        assert getattr(trash, work)(HANS)
        assert not getattr(trash, work)(HANS)


def test_check_mode_touches_nothing(trash, tenant):
    before = sorted(tenant.rglob("*"))
    assert Trash(trash.directory, trash.tickets, check_mode=True).put(HANS, ())
    assert sorted(tenant.rglob("*")) == before
    trash.put(HANS, ())
    assert Trash(trash.directory, trash.tickets, check_mode=True).purge(HANS)
    assert (trash.folder / ENTRY).exists()


def test_what_still_has_containers_is_refused(trash, tenant):
    with pytest.raises(StackError, match="its containers still exist"):
        trash.put(HANS, {"hans"})
    assert (tenant / "secrets").exists()


def test_purged_is_gone_and_links_out_of_it_are_not_followed(trash, tenant, tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_text("kept")
    (tenant / "link").symlink_to(tmp_path / "precious")
    trash.put(HANS, ())
    assert trash.purge(HANS)
    assert list(trash.folder.iterdir()) == []
    assert (tmp_path / "precious" / "file").read_text() == "kept"


def test_a_live_tenant_is_never_purged(trash, tenant):
    assert not trash.purge(HANS)
    assert tenant.exists()


def test_a_purge_that_was_cut_off_is_completed_and_never_restored(trash, tenant, monkeypatch):
    trash.put(HANS, ())
    monkeypatch.setattr(module.tree, "remove", lambda _path: (_ for _ in ()).throw(OSError("the power went")))
    with pytest.raises(OSError, match="the power went"):
        trash.purge(HANS)
    monkeypatch.undo()
    with pytest.raises(StackError, match="is being removed for good; it cannot be restored"):
        trash.restore(HANS)
    assert trash.purge(HANS)
    assert list(trash.folder.iterdir()) == []


def test_what_is_not_the_tenants_is_refused(trash, tenant):
    other = Deleted("hans", 2, UID + 1, WHEN)
    with pytest.raises(StackError, match=f"belongs to user {UID}, and not to {UID + 1}"):
        trash.put(other, ())
    assert tenant.exists()


def test_another_of_the_same_name_is_not_touched(trash, tenant):
    trash.put(HANS, ())
    (trash.directory / "hans").mkdir()
    with pytest.raises(StackError, match="another tenant of this name was created since"):
        trash.restore(HANS)
    assert (trash.folder / ENTRY).exists()


def test_a_symbolic_link_is_refused(trash, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (trash.directory / "hans").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StackError, match="is not a real directory; nothing was changed"):
        trash.put(HANS, ())


def test_a_directory_is_known_by_its_record_where_it_has_no_database(trash):
    folder = trash.directory / "hans"
    folder.mkdir()
    (folder / ".env").write_text(f"TENANT_UID={UID + 1}\n")
    with pytest.raises(StackError, match=f"belongs to user {UID + 1}, and not to {UID}"):
        trash.put(HANS, ())
    (folder / ".env").write_text(f"TENANT_UID={UID}\n")
    assert trash.put(HANS, ())
    assert trash.restore(HANS)


def test_a_mount_is_refused(trash, tenant, tmp_path, monkeypatch):
    table = tmp_path / "mountinfo"
    table.write_text(f"56 73 0:56 / {tenant}/database rw - ext4 /dev/sdb1 rw\n")
    monkeypatch.setattr(mounts, "TABLE", table)
    with pytest.raises(StackError, match="is a mount; unmount it first"):
        trash.put(HANS, ())


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        (("../x", 1, UID, WHEN), "is no tenant's name"),
        (("hans", 0, UID, WHEN), "it must be the tenant's index, from 1 up"),
        (("hans", 1, UID, "2026-11-23/../x"), "a time such as"),
        (("hans", 1, UID, "2026-11-23T16:55:02+01:00"), "a time such as"),
    ],
)
def test_what_must_not_become_a_path_is_refused(values, problem):
    with pytest.raises(StackError, match=problem):
        Deleted(*values)


def dig(folder, levels):
    """Make a directory so deep that no path leads to its end."""
    here = os.open(folder, os.O_RDONLY)
    for _level in range(levels):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)


def test_no_depth_stops_a_purge(trash, tenant):
    dig(tenant / "database", 3000)
    trash.put(HANS, ())
    assert trash.purge(HANS)
    assert list(trash.folder.iterdir()) == []


def test_who_cannot_be_purged_stops_nobody_else(trash, tenant, tmp_path):
    others = [Deleted(name, number, UID, WHEN) for number, name in enumerate(("anna", "maria"), 2)]
    for one in (HANS, *others):
        folder = trash.directory / one.name / "database"
        folder.mkdir(parents=True, exist_ok=True)
        trash.put(one, ())
    (trash.folder / others[0].entry).rename(tmp_path / "away")
    (trash.folder / others[0].entry).symlink_to(tmp_path / "away")
    done, problems = tenant_trash._work(trash, "purged", [others[0], HANS, others[1]])
    assert done == {"hans": True, "maria": True}
    assert list(problems) == ["anna"]
    assert "is not a real directory; nothing was changed" in problems["anna"]

"""A deleted tenant's data goes into the trash, comes back, and is removed for good; cut off anywhere, it goes on."""

import datetime

import pytest
import yaml

from silo.admission import AdmissionError
from silo.ansible import runner
from silo.ansible.contract import TaskId
from silo.tenants import ApplyIncomplete, TenantService
from silo.tenants.trash import Trash

from ..conftest import RELAY, playbooks, queued

MAIL = "hans@example.ch"


def test_deleted_it_is_taken_down_moved_and_recorded(runs, path):
    deletion = TenantService(path).delete("anna", by="Maria")
    assert playbooks(runs) == [["apply.yml"], ["trash.yml"]]
    facts = runs.seen[-1][2]
    assert facts["trash_state"] == "trashed"
    entry = {"name": "anna", "id": deletion.index, "when": deletion.when}
    assert facts["trash_uploads"] == {"silo1": [entry]}
    assert facts["trash_databases"] == {"silo1": [{**entry, "uid": deletion.uid}]}
    record = yaml.safe_load((path / "retired" / f"{deletion.index}-anna.yml").read_text())
    assert (record["by"], record["files"], record["used"]) == ("Maria", 7, 9000)
    assert record["trashed"]
    assert list(TenantService(path).outbox.states()) == [f"deleted/anna/{deletion.when}"]


@pytest.mark.parametrize("again", ["delete", "apply"])
def test_a_deletion_that_was_cut_off_goes_on(path, runs, again):
    runs.fails = "trash.yml"
    with pytest.raises(ApplyIncomplete, match="its data are not in the trash yet: the cable is out"):
        TenantService(path).delete("anna")
    assert not (path / "host_vars" / "anna").exists()
    runs.fails = ""
    if again == "delete":
        assert TenantService(path).delete("anna").trashed
    else:
        TenantService(path).apply()
    (deletion,) = TenantService(path).files.deletion_records()
    assert (deletion.files, deletion.used) == (7, 9000)
    assert TenantService(path).unfinished() == ()


def test_undelete_brings_the_data_back_before_the_tenant(path, runs):
    TenantService(path).delete("anna")
    TenantService(path).undelete("anna")
    assert playbooks(runs)[-2:] == [["trash.yml"], ["apply.yml", "letters.yml"]]
    assert runs.seen[-2][2]["trash_state"] == "restored"
    assert TenantService(path).tenant("anna").state == "running"
    assert TenantService(path).files.deletion_records() == ()
    assert queued(path) == [("anna", "undeleted")]


def test_who_has_no_room_stays_in_the_trash(path, runs):
    TenantService(path).delete("anna")
    (path / "group_vars" / "all" / "relay.yml").write_text(yaml.safe_dump({**RELAY, "silo_memory_of_server": "36G"}))
    before = len(runs.seen)
    with pytest.raises(AdmissionError, match="it needs .* of memory"):
        TenantService(path).undelete("anna")
    assert len(runs.seen) == before


def test_the_trash_is_emptied_by_time_and_not_all_at_once(path, runs):
    (path / "group_vars" / "all" / "relay.yml").write_text(yaml.safe_dump({**RELAY, "silo_trash_purges": 1}))
    TenantService(path).create("hans", email=MAIL, quota="1G")
    for name in ("anna", "hans"):
        TenantService(path).delete(name)
    service = TenantService(path)
    now = datetime.datetime.now(datetime.UTC)
    assert service.trash.due(now + datetime.timedelta(days=13)) == ()
    due = service.trash.due(now + datetime.timedelta(days=15))
    assert [deletion.name for deletion in due] == ["anna", "hans"]
    assert [deletion.name for deletion in service.trash.purge(due)] == ["anna"]
    assert [deletion.name for deletion in TenantService(path).trash.kept()] == ["hans"]
    assert [entry["name"] for entry in runs.seen[-1][2]["trash_uploads"]["silo1"]] == ["anna"]


def test_where_the_nas_does_not_purge_the_inventory_keeps_all(path, runs):
    TenantService(path).delete("anna")
    runs.fails = "trash.yml"
    service = TenantService(path)
    with pytest.raises(runner.RunError, match="1-anna is still in the trash: .*the cable is out"):
        service.trash.purge(service.trash.kept())
    (deletion,) = TenantService(path).files.deletion_records()
    assert not deletion.purged
    assert (path / deletion.folder / "tenant.yml").exists()


def test_one_that_cannot_be_purged_takes_no_place_of_the_others(path, runs, monkeypatch):
    (path / "group_vars" / "all" / "relay.yml").write_text(yaml.safe_dump({**RELAY, "silo_trash_purges": 1}))
    TenantService(path).create("hans", email=MAIL, quota="1G")
    for name in ("anna", "hans"):
        TenantService(path).delete(name)
    run = Trash._run

    def broken(trash, state, deletion, **more):
        if deletion.name == "anna":
            raise runner.RunError("it is a mount")
        return run(trash, state, deletion, **more)

    monkeypatch.setattr(Trash, "_run", broken)
    service = TenantService(path)
    with pytest.raises(runner.RunError, match=r"1-anna is still .*: it is a mount\nRemoved for good: 2-hans\."):
        service.trash.purge(service.trash.kept())
    assert [deletion.name for deletion in TenantService(path).trash.kept()] == ["anna"]


@pytest.mark.parametrize("when", ["", "when: 2026-01-01\n", "when: lately\n"])
def test_a_record_that_a_person_wrote_keeps_nobody_from_the_others(path, runs, when):
    TenantService(path).delete("anna")
    (path / "retired" / "7-rosa.yml").write_text(
        f"index: 7\nname: rosa\nby: M\nnas: silo1\ntrashed: 2026-01-02\n{when}"
    )
    service = TenantService(path)
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=15)
    assert "anna" in {one.name for one in service.trash.due(later)}
    assert ("rosa" in {one.name for one in service.trash.due(later)}) == ("2026" in when)


def test_a_trash_that_is_never_emptied_is_no_error(path, runs):
    (path / "group_vars" / "all" / "relay.yml").write_text(yaml.safe_dump({**RELAY, "silo_trash_days": 1_000_000}))
    TenantService(path).delete("anna")
    service = TenantService(path)
    assert [one.name for one in service.trash.kept()] == ["anna"]
    assert service.trash.due() == ()


def placed(path, **machines):
    """Write other machines into the record of anna."""
    record = path / "retired" / "1-anna.yml"
    record.write_text(yaml.safe_dump({**yaml.safe_load(record.read_text()), **machines}))


@pytest.mark.parametrize("key", ["nas", "server"])
def test_who_lies_on_a_machine_that_the_inventory_has_no_more_is_not_told_as_removed(path, runs, key):
    TenantService(path).delete("anna")
    placed(path, **{key: "gone1"})
    runs.seen.clear()
    service = TenantService(path)
    said = rf"1-anna is still in the trash: retired/1-anna\.yml: {key} is 'gone1', and .* one that has them, of silo1\."
    with pytest.raises(runner.RunError, match=said):
        service.trash.purge(service.trash.kept())
    with pytest.raises(runner.RunError, match="'silo purge 1-anna --machine-is-lost' removes the rest"):
        TenantService(path).undelete("anna")
    # Before anything is touched, as half of a tenant is none.
    assert runs.seen == []
    assert [one.name for one in TenantService(path).trash.kept()] == ["anna"]


@pytest.mark.parametrize("task", ["TRASH_FILES", "TRASH_DATABASES", "TRASH_UPLOADS"])
def test_what_no_machine_says_is_not_told_as_removed(path, runs, monkeypatch, task):
    TenantService(path).delete("anna")
    events = runner.events

    def silent(*given, **more):
        name = f"silo:{TaskId[task]} | Sentence"
        return (one for one in events(*given, **more) if one["task"]["name"] != name)

    monkeypatch.setattr(runner, "events", silent)
    service = TenantService(path)
    with pytest.raises(runner.RunError, match="1-anna is still in the trash: .*silo1 did not say that it is done"):
        service.trash.purge(service.trash.kept())
    assert [one.name for one in TenantService(path).trash.kept()] == ["anna"]


@pytest.mark.parametrize("trashed", [True, False])
def test_what_a_lost_machine_has_is_recorded_and_the_rest_removed(path, runs, trashed):
    TenantService(path).delete("anna")
    placed(path, server="gone1", **({} if trashed else {"trashed": ""}))
    runs.seen.clear()
    service = TenantService(path)
    done = service.trash.purge(service.files.deletion_records(), without_lost=True)
    assert [one.id for one in done] == ["1-anna"]
    wanted = ["purged"] if trashed else ["trashed", "purged"]
    assert [facts["trash_state"] for _names, _limit, facts in runs.seen] == wanted
    assert all(facts["trash_databases"] == facts["trash_disks"] == {} for _names, _limit, facts in runs.seen)
    (record,) = TenantService(path).files.deletion_records()
    assert (bool(record.purged), record.left) == (True, "its database on gone1")


def test_a_deletion_that_cannot_go_on_keeps_nobody_from_an_apply(path, runs):
    TenantService(path).create("hans", email=MAIL, quota="1G")
    runs.fails = "trash.yml"
    with pytest.raises(ApplyIncomplete):
        TenantService(path).delete("anna")
    runs.seen.clear()
    with pytest.raises(
        ApplyIncomplete, match="anna is removed from the inventory, but its data are not in the trash"
    ) as it:
        TenantService(path).apply()
    assert playbooks(runs) == [["apply.yml", "letters.yml"]]
    assert it.value.__cause__.results == {}

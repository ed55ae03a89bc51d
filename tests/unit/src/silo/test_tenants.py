"""A change of a tenant is an edit and its runs; cut off anywhere, the next one completes it."""

import datetime

import pytest
import yaml

from silo.admission import AdmissionError
from silo.ansible import runner
from silo.capacity import GIB
from silo.inventory import InventoryError
from silo.inventory.reader import Reader
from silo.tenants import ApplyIncomplete, TenantService

from .conftest import RELAY

MAIL = "hans@example.ch"


@pytest.fixture
def service(path, runs):
    return TenantService(path)


def playbooks(runs):
    return [names for names, _limit, _facts in runs.seen]


def queued(path):
    return [(one.tenant, one.kind) for one in TenantService(path).outbox.pending_notifications()]


def test_create_asks_the_nas_edits_and_applies_to_that_tenant_alone(service, runs, path):
    change = service.create("hans", email=MAIL, quota="100G")
    assert change.after["tenant_quota"] == "100G"
    assert (path / "host_vars" / "hans" / "tenant.yml").exists()
    assert playbooks(runs) == [["read.yml storage"], ["apply.yml", "letters.yml"]]
    assert runs.seen[-1][1] == "hans"
    assert queued(path) == [("hans", "created")]


def test_a_dry_run_edits_nothing_queues_nothing_and_applies_nothing(service, runs, path):
    assert "+tenant_email: hans@example.ch" in service.create("hans", email=MAIL, quota="1G", dry_run=True).diff_text
    assert not (path / "host_vars" / "hans").exists()
    assert playbooks(runs) == [["read.yml storage"]]
    assert queued(path) == []


def test_what_is_wrong_without_a_look_at_the_machines_is_told_without_one(service, runs, path):
    with pytest.raises(InventoryError, match="tenant_language"):
        service.create("hans", email=MAIL, quota="1G", language="rm")
    with pytest.raises(AdmissionError, match="memory"):
        service.create("hans", email=MAIL, quota="1G", server_memory="900G")
    assert runs.seen == []


def test_where_nothing_is_queued_nobody_looks_for_letters(service, runs, path):
    service.set_state("anna", "stopped")
    service.set_state("anna", "suspended")
    assert playbooks(runs) == [["apply.yml"], ["apply.yml", "letters.yml"]]


def test_a_change_of_state_asks_ansible_for_the_inventory_once(service, runs, monkeypatch):
    asked = []
    start = Reader._start
    monkeypatch.setattr(Reader, "_start", lambda reader: asked.append(reader) or start(reader))
    service.set_state("anna", "suspended")
    assert len(asked) == 1


def test_a_quota_that_does_not_fit_on_the_nas_is_refused_and_no_letter_is_queued(service, runs, path):
    with pytest.raises(AdmissionError, match="it needs 100 TiB of storage"):
        service.create("hans", email=MAIL, quota="100T")
    assert not (path / "host_vars" / "hans").exists()
    assert queued(path) == []


def test_a_run_that_fails_is_told_as_not_reached_and_apply_completes_it(service, runs, path):
    runs.fails = "apply.yml"
    with pytest.raises(ApplyIncomplete, match=r"hans is in the inventory.*the cable is out\n'silo apply hans'"):
        service.create("hans", email=MAIL, quota="100G")
    assert (path / "host_vars" / "hans" / "tenant.yml").exists()
    assert queued(path) == [("hans", "created")]
    runs.fails = ""
    service.apply(["hans"])
    assert playbooks(runs)[-1] == ["apply.yml", "letters.yml"]


@pytest.mark.parametrize(
    ("states", "letters"),
    [
        (["stopped"], []),
        (["stopped", "running"], []),
        (["suspended"], ["suspended"]),
        (["suspended", "suspended"], ["suspended"]),
        (["suspended", "running"], ["suspended", "restored"]),
    ],
)
def test_a_customer_is_told_of_what_concerns_the_bill(path, runs, states, letters):
    for state in states:
        TenantService(path).set_state("anna", state)
    assert queued(path) == [("anna", letter) for letter in letters]


def test_who_is_stopped_needs_no_storage_and_who_starts_does(path, monkeypatch):
    seen = []
    monkeypatch.setattr(runner, "events", lambda _playbooks, _inventory, arguments, _lock: seen.append(arguments) or [])
    for state in ("stopped", "running", "suspended"):
        TenantService(path).set_state("anna", state)
    limited = ["--limit", "anna"]
    assert seen == [[*limited, "--tags", "stacks,letters"], limited, [*limited, "--tags", "stacks,letters"]]


def test_deleted_it_is_taken_down_moved_and_recorded(service, runs, path):
    deletion = service.delete("anna", by="Maria")
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


def test_a_name_that_is_nobodys_is_told(service, runs):
    for work in (service.delete, service.undelete, service.reset_access):
        with pytest.raises(InventoryError, match="unknown tenant"):
            work("nobody")
    with pytest.raises(InventoryError, match="Did you mean 'anna'"):
        service.apply(["ann"])
    assert playbooks(runs) == []


def test_undelete_brings_the_data_back_before_the_tenant(service, path, runs):
    service.delete("anna")
    TenantService(path).undelete("anna")
    assert playbooks(runs)[-2:] == [["trash.yml"], ["apply.yml", "letters.yml"]]
    assert runs.seen[-2][2]["trash_state"] == "restored"
    assert TenantService(path).tenant("anna").state == "running"
    assert TenantService(path).files.deletion_records() == ()
    assert queued(path) == [("anna", "restored")]


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
    assert service.due(now + datetime.timedelta(days=13)) == ()
    due = service.due(now + datetime.timedelta(days=15))
    assert [deletion.name for deletion in due] == ["anna", "hans"]
    assert [deletion.name for deletion in service.purge(due)] == ["anna"]
    assert [deletion.name for deletion in TenantService(path).kept()] == ["hans"]
    assert [entry["name"] for entry in runs.seen[-1][2]["trash_uploads"]["silo1"]] == ["anna"]


def test_the_name_of_a_deleted_tenant_is_reserved_until_it_is_freed(path, runs):
    service = TenantService(path)
    service.delete("anna")
    purged = service.purge(service.kept())
    assert [one.name for one in purged] == ["anna"]
    with pytest.raises(InventoryError, match=r"a deleted tenant had this name.* it is reserved until 20.*--free anna'"):
        TenantService(path).create("anna", email=MAIL, quota="1G")
    with pytest.raises(InventoryError, match="name 'hans': it is not reserved"):
        TenantService(path).free("hans")
    shown = TenantService(path).free("anna", dry_run=True)
    assert "+freed: " in shown.diff_text
    assert "anna" in TenantService(path).reserved()
    TenantService(path).free("anna")
    assert TenantService(path).reserved() == {}
    TenantService(path).create("anna", email=MAIL, quota="1G")
    assert "example" not in (path / purged[0].path).read_text(), "the record has no address"


def test_a_name_is_reserved_for_the_years_of_the_policy(path, runs):
    TenantService(path).delete("anna")
    files = TenantService(path).files
    day = datetime.datetime.fromisoformat(files.deletion_records()[0].when).date()
    assert "anna" in files.reserved(10, day + datetime.timedelta(days=3651))
    assert files.reserved(10, day + datetime.timedelta(days=3653)) == {}
    assert files.reserved(0) == {}


def test_a_name_that_looks_like_another_is_refused_to_strangers_and_told_to_the_operator(path, runs):
    told = []
    service = TenantService(path, notify=told.append)
    service.create("maria", email=MAIL, quota="1G")
    with pytest.raises(InventoryError, match="tenant 'rnaria': in many fonts it looks like 'maria'; choose another"):
        service.create("rnaria", email=MAIL, quota="1G", ordered=True)
    assert told == []
    service.create("rnaria", email=MAIL, quota="1G")
    assert told == ["In many fonts rnaria looks like maria, for which people may take it."]


def test_where_the_nas_does_not_purge_the_inventory_keeps_all(path, runs):
    TenantService(path).delete("anna")
    runs.fails = "trash.yml"
    service = TenantService(path)
    with pytest.raises(runner.RunError, match="1-anna is still in the trash: .*the cable is out"):
        service.purge(service.kept())
    (deletion,) = TenantService(path).files.deletion_records()
    assert not deletion.purged
    assert (path / deletion.folder / "tenant.yml").exists()


def test_a_new_link_is_a_letter_and_without_a_relay_a_file(path, runs):
    assert TenantService(path).reset_access("anna") is None
    assert playbooks(runs) == [["letters.yml"]]
    assert queued(path) == [("anna", "access")]
    (path / "group_vars" / "all" / "relay.yml").unlink()
    assert TenantService(path).reset_access("anna") == path / ".silo" / "links" / "anna"
    assert runs.seen[-1][0] == ["tenant-access.yml"]
    assert runs.seen[-1][2] == {"access_links_directory": str(path / ".silo" / "links")}


def test_who_is_stopped_gets_no_link(path, runs):
    TenantService(path).set_state("anna", "stopped")
    with pytest.raises(InventoryError, match="it is stopped, and only a running tenant can get a link; start it first"):
        TenantService(path).reset_access("anna")


def test_nas_is_read_without_the_lock_and_its_room_is_counted_again_under_it(service, runs, path, monkeypatch):
    runs.pool = 1024 * GIB
    read = TenantService.sizes

    def overtaken(service):
        sizes = read(service)
        monkeypatch.setattr(TenantService, "sizes", read)
        TenantService(path).create("marie", email="m@example.ch", quota="700G")
        return sizes

    monkeypatch.setattr(TenantService, "sizes", overtaken)
    with pytest.raises(AdmissionError, match="hans: it needs 600 GiB of storage on silo1"):
        service.create("hans", email=MAIL, quota="600G")
    assert sorted(service.files.all()) == ["anna", "marie"]
    assert queued(path) == [("marie", "created")]


def test_a_larger_part_of_a_disk_is_weighed_before_it_is_written(service, runs, path):
    runs.disk = 30 * GIB
    with pytest.raises(AdmissionError, match="anna: it needs 31 GiB on the disk of silo1, which has 30 GiB left"):
        service.change("anna", disk="31G")
    assert (playbooks(runs), "tenant_disk" in service.files.all()["anna"].settings) == ([["read.yml storage"]], False)
    service.change("anna", disk="30G")
    assert service.files.all()["anna"].settings["tenant_disk"] == "30G"


@pytest.mark.parametrize("backend", ["none", "manual"])
def test_a_disk_that_is_not_shared_out_is_not_weighed(service, runs, backend):
    runs.disk, runs.backend = GIB, backend
    service.change("anna", disk="100G")


def test_a_play_that_edits_reads_no_machine_and_applies_nothing(runs, path):
    TenantService(path, apply=False).create("hans", email=MAIL, quota="100T")
    TenantService(path, apply=False).set_state("hans", "suspended")
    assert runs.seen == []
    assert queued(path) == [("hans", "created"), ("hans", "suspended")]


def test_one_that_cannot_be_purged_takes_no_place_of_the_others(path, runs, monkeypatch):
    (path / "group_vars" / "all" / "relay.yml").write_text(yaml.safe_dump({**RELAY, "silo_trash_purges": 1}))
    TenantService(path).create("hans", email=MAIL, quota="1G")
    for name in ("anna", "hans"):
        TenantService(path).delete(name)
    service = TenantService(path)
    trash = service._trash

    def broken(state, deletions):
        if deletions[0].name == "anna":
            raise runner.RunError("it is a mount")
        return trash(state, deletions)

    monkeypatch.setattr(service, "_trash", broken)
    with pytest.raises(runner.RunError, match=r"1-anna is still .*: it is a mount\nRemoved for good: 2-hans\."):
        service.purge(service.kept())
    assert [deletion.name for deletion in TenantService(path).kept()] == ["anna"]


def outbox(service):
    with service.outbox._database() as database:
        return database.execute("SELECT event_id, recipient, body FROM letter").fetchall()


def test_an_address_that_changes_is_told_before_the_edit_and_is_then_that_of_letters_and_login(service, runs, path):
    change = service.change("anna", email="anna@new.example.ch")
    assert change.after["tenant_email"] == "anna@new.example.ch"
    ((event, recipient, body),) = outbox(service)
    assert event.startswith("address_changed/anna/")
    assert recipient == "anna@example.ch"
    # A stranger may read it, where the former address was a mistake.
    assert b"new.example.ch" not in body
    assert playbooks(runs) == [["apply.yml"]]
    tenant = service.tenants()["anna"]
    assert (tenant.email, tenant.login) == ("anna@new.example.ch", "anna@new.example.ch")


def test_who_is_asked_for_the_same_mailbox_or_for_nothing_real_is_told_nothing(service, runs, path):
    service.change("anna", email="Anna@EXAMPLE.ch")
    service.change("anna", email="anna@new.example.ch", dry_run=True)
    with pytest.raises(InventoryError, match="it must be an address such as"):
        service.change("anna", email="anna.@example.ch")
    with pytest.raises(AdmissionError):
        service.change("anna", email="anna@new.example.ch", quota="900T")
    assert outbox(service) == []
    assert service.tenants()["anna"].login == "anna@example.ch"


def test_an_edit_that_fails_for_the_same_cause_again_tells_once(service, runs, path):
    runs.fails = "apply.yml"
    with pytest.raises(ApplyIncomplete):
        service.change("anna", email="anna@new.example.ch", occasion="evt_1")
    runs.fails = ""
    service.change("anna", email="anna@new.example.ch", occasion="evt_1")
    assert [event for event, _recipient, _body in outbox(service)] == ["address_changed/anna/evt_1"]


def test_without_a_relay_the_operator_is_told_that_nobody_tells(path, runs):
    (path / "group_vars" / "all" / "relay.yml").unlink()
    notes = []
    TenantService(path, notify=notes.append).change("anna", email="anna@new.example.ch")
    assert "There is no relay, so nobody tells the former address of anna that it changes." in notes


def test_an_address_beyond_ascii_is_kept_as_typed_and_logs_in_as_servers_know_it(service, runs, path):
    service.change("anna", email="Anna@m\u00fcller.ch")
    tenant = service.tenants()["anna"]
    assert (tenant.email, tenant.login) == ("Anna@m\u00fcller.ch", "anna@xn--mller-kva.ch")

"""What the operator reads when something is changed, and the code with which a command ends."""

import datetime
import json
import re
import shutil
import subprocess
import time

import pytest
from click.testing import CliRunner

from silo import cli
from silo.ansible.contract import TaskId
from silo.capacity import GIB
from silo.cli.access import report_access
from silo.diagnostics import Finding, preflight
from silo.inventory import Sizes, reader
from silo.owed_links import OwedLinks
from silo.tenants import TenantService

from ..conftest import ROOT, event

SOUND = Finding("dns", "*.swissphoto.ch", "ok", "it answers")
BROKEN = Finding("firewall", "silo1", "wrong", "its rules are not loaded", "run playbooks/site.yml")


@pytest.fixture
def findings(monkeypatch, runs):
    found = [SOUND]

    def run(*_arguments):
        machines = frozenset({"silo1", "silo2"})
        return preflight.Preflight(tuple(found), Sizes({"silo1": runs.pool}, {"silo1": runs.disk}), machines)

    monkeypatch.setattr(preflight, "run", run)
    return found


@pytest.fixture
def silo(path, runs, findings):
    def run(*arguments, typed=""):
        return CliRunner().invoke(cli.main, ["-i", str(path), *arguments], input=typed, env={"COLUMNS": "200"})

    return run


def test_created_as_in_the_mission(silo, path):
    result = silo("create", "hans", "100", "hans@email.ch")
    assert result.exit_code == 0, result.output
    assert "hans runs at https://hans.swissphoto.ch on silo1." in result.output
    settings = TenantService(path).files.all()["hans"].settings
    assert (settings["tenant_quota"], settings["tenant_email"]) == ("100G", "hans@email.ch")


def test_created_by_a_plan_alone(silo, path):
    result = silo("create", "hans", "hans@email.ch", "--plan", "medium")
    assert result.exit_code == 0, result.output
    settings = TenantService(path).files.all()["hans"].settings
    assert (settings["tenant_plan"], settings.get("tenant_quota")) == ("medium", None)
    assert TenantService(path).tenant("hans").quota == 500 * GIB


def test_created_by_one_run_after_one_look(silo, path, runs):
    silo("create", "hans", "100", "hans@email.ch")
    assert [names for names, _limit, _facts in runs.seen] == [["apply.yml", "letters.yml", "verify-changed.yml"]]


def test_ansible_reads_the_inventory_twice_and_loads_for_the_edit_while_machines_are_checked(silo, monkeypatch):
    seen, start, merge, check = [], reader.Reader._start, reader.Reader.merge, preflight.run
    monkeypatch.setattr(reader.Reader, "_start", lambda one: seen.append("start") or start(one))
    monkeypatch.setattr(reader.Reader, "merge", lambda one, *files: seen.append("read") or merge(one, *files))
    monkeypatch.setattr(preflight, "run", lambda *given: seen.append("check") or check(*given))
    result = silo("create", "hans", "100", "hans@email.ch")
    assert result.exit_code == 0, result.output
    # Each time as it is, and with the new tenant; the first question starts the process, the second finds it there.
    assert seen == ["read", "start", "read", "start", "check", "read", "read"]


def test_created_without_a_relay_the_link_is_left_by_the_same_run(silo, path, runs, capsys):
    (path / "group_vars" / "all" / "relay.yml").unlink()
    result = silo("create", "hans", "100", "hans@email.ch")
    assert result.exit_code == 0, result.output
    assert runs.seen == [(["apply.yml", "letters.yml", "verify-changed.yml"], "hans", {})]
    # These runs are written down and not made, so the link is still owed.
    assert "The one-time login link is not made yet; 'silo apply hans' makes it" in result.output
    OwedLinks(path / ".silo").forget("hans")
    report_access(TenantService(path), "hans")
    assert f"The one-time login link is in {path}/.silo/links/hans." in re.sub(r"\n", "", capsys.readouterr().out)


def test_created_unchecked_the_nas_is_weighed_all_the_same(silo, path, runs):
    result = silo("create", "hans", "100T", "hans@email.ch", "--no-check")
    assert (result.exit_code, [names for names, _limit, _facts in runs.seen]) == (3, [["read.yml storage"]])


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("create", "../hans", "100", "hans@email.ch"), 2, "this name cannot be used"),
        (("create", "anna", "100", "hans@email.ch"), 2, "it exists already"),
        (("create", "hans", "hans@email.ch"), 2, "hans needs a quota in GB before the address, or --plan"),
        (("create", "hans", "lots", "hans@email.ch"), 2, "it must be a size such as 512M, 100G or 1T"),
        (("create", "hans", "100", "hans@email.ch\nBcc: x@y.ch"), 2, "it must be an address such as hans@example.ch"),
        (("create", "hans", "100T", "hans@email.ch"), 3, "it needs 100 TiB of storage"),
        (("stop", "hans", "--yes"), 2, "unknown tenant 'hans'"),
        (("set", "anna"), 2, "name at least one setting"),
        (("set", "anna", "--language", "rm"), 2, "it must be one of de, fr, it, en"),
        (("set", "anna", "language=rm"), 2, "it must be one of de, fr, it, en"),
        (("set", "anna", "qouta=1T"), 2, "unknown setting 'qouta'. Did you mean 'quota'?"),
        (("set", "anna", "state=stopped"), 2, "use 'silo start anna', 'silo stop anna' or 'silo delete anna'"),
        (("set", "anna", "environment=x"), 2, "write tenant_environment in host_vars/anna/overrides.yml"),
        (("set", "anna", "app_quota_share=2"), 2, "it must be a number above 0 and up to 1"),
        (
            ("set", "anna", "--quota", "1T", "quota=2T"),
            2,
            "quota is given as an option and as quota=...; use one",
        ),
        (("delete", "anna", "--confirm", "Anna"), 2, "confirm is 'Anna'; it must be the name, anna"),
        (("purge", "anna"), 2, "unknown tenant 'anna': the trash has none of this name"),
        (("undelete", "anna"), 2, "unknown tenant 'anna': the trash has none of this name"),
        (("-i", "/nowhere", "list"), 2, "/nowhere"),
        (("--author", "Maria", "stop", "anna", "--yes"), 2, "it must be a name and an address"),
    ],
)
def test_what_is_wrong_is_a_sentence_and_a_code(silo, path, arguments, code, said):
    before = sorted(str(file) for file in path.rglob("*.yml"))
    result = silo(*arguments)
    assert (result.exit_code, said in re.sub(r"\s+", " ", result.output)) == (code, True), result.output
    assert "Traceback" not in result.output
    assert sorted(str(file) for file in path.rglob("*.yml")) == before


def test_any_setting_of_the_schema_is_set_with_its_type(silo, path, runs):
    result = silo("set", "anna", "log_level=debug", "tenant_slice=false", "app-quota-share=0.9", "--quota", "200G")
    assert result.exit_code == 0, result.output
    settings = TenantService(path).files.all()["anna"].settings
    keys = ("tenant_log_level", "tenant_slice", "tenant_app_quota_share", "tenant_quota")
    assert [settings[key] for key in keys] == ["debug", False, 0.9, "200G"]
    assert TenantService(path).tenant("anna").environments["server"] == {"IMMICH_LOG_LEVEL": "debug"}
    assert [limit for _names, limit, _facts in runs.seen] == ["", "anna"]


@pytest.mark.parametrize("arguments", [("start", "anna"), ("set", "anna", "log_level=debug")])
def test_who_is_frozen_is_not_said_to_be_in_its_state(silo, runs, arguments):
    runs.left_alone = ["anna: it is frozen, so nothing of it was changed."]
    result = silo(*arguments)
    assert result.exit_code == 1
    assert "Error: anna: it is frozen, so nothing of it was changed.\n" in result.output
    assert not re.search("anna (runs|is in its)", result.output)


def test_an_apply_says_who_is_frozen_and_is_no_failure(silo, runs):
    runs.left_alone = ["anna: it is frozen, so nothing of it was changed."]
    result = silo("apply")
    assert result.exit_code == 0
    told = "anna: it is frozen, so nothing of it was changed.\nAll other tenants are in their desired state.\n"
    assert result.output.endswith(told)


def test_a_setting_without_a_value_goes(silo, path):
    silo("set", "anna", "log_level=debug")
    assert silo("set", "anna", "log_level=").exit_code == 0
    assert "tenant_log_level" not in TenantService(path).files.all()["anna"].settings


def test_what_is_not_reached_has_a_code_of_its_own(silo, runs):
    runs.fails = "apply.yml"
    result = silo("create", "hans", "100", "hans@email.ch")
    assert result.exit_code == 4
    assert "hans is in the inventory, but does not run yet: the cable is out" in result.output
    assert "'silo apply hans' completes it." in result.output


def test_nothing_is_created_where_preflight_fails_but_by_will(silo, path, findings):
    findings.append(BROKEN)
    result = silo("create", "hans", "100", "hans@email.ch")
    assert result.exit_code == 1
    assert "wrong    firewall, silo1: its rules are not loaded\n         -> run playbooks/site.yml\n" in result.output
    assert "Preflight checks failed; nothing was created. Use --no-check to skip them." in result.output
    assert not (path / "host_vars" / "hans").exists()
    assert silo("create", "hans", "100", "hans@email.ch", "--no-check").exit_code == 0


def test_a_machine_that_fails_its_checks_keeps_nobody_from_the_others(silo, path, findings):
    both = "  hosts:\n    silo1:\n    silo2:\n"
    (path / "hosts.yml").write_text(f"servers:\n{both}nas:\n{both}")
    (path / "host_vars" / "anna" / "overrides.yml").write_text("tenant_server: silo1\ntenant_nas: silo1\n")
    findings.append(Finding("server", "silo2", "wrong", "it cannot be reached over SSH"))
    result = silo("create", "hans", "100", "hans@email.ch")
    assert result.exit_code == 0, result.output
    assert "wrong    server, silo2: it cannot be reached over SSH\n" in result.output
    assert "hans runs at https://hans.swissphoto.ch on silo1." in result.output
    result = silo("create", "marie", "100", "marie@email.ch", "--server", "silo2")
    assert result.exit_code == 1
    assert "marie: nothing was changed. silo2 fails its checks." in result.output
    assert not (path / "host_vars" / "marie").exists()
    # What is wrong for all keeps everybody out.
    findings.append(Finding("dns", "*.swissphoto.ch", "wrong", "it does not answer"))
    assert silo("create", "marie", "100", "marie@email.ch").exit_code == 1


def test_check_tells_each_finding_and_what_to_do(silo, findings):
    assert silo("check").exit_code == 0
    findings.append(BROKEN)
    result = silo("check")
    assert result.exit_code == 1
    assert "ok       dns, *.swissphoto.ch: it answers\n" in result.output
    assert "1 of 2 checks failed." in result.output
    told = json.loads(silo("check", "--json").stdout)["findings"]
    assert told[1]["fix"] == "run playbooks/site.yml"


@pytest.mark.parametrize("command", [("stop", "anna"), ("stop", "anna", "--unpaid"), ("reset-access", "anna")])
def test_what_shuts_a_customer_out_is_asked_first(silo, path, runs, command):
    before = TenantService(path).tenant("anna").state
    result = silo(*command, typed="n\n")
    assert result.exit_code == 1
    assert TenantService(path).tenant("anna").state == before
    assert runs.seen == []


def test_a_dry_run_shows_the_edit_and_makes_none(silo, path, runs):
    result = silo("stop", "anna", "--dry-run")
    assert "+tenant_state: stopped" in result.output
    assert TenantService(path).tenant("anna").state == "running"
    assert runs.seen == []


def test_deleted_by_the_name_typed_again(silo, path):
    result = silo("delete", "anna", typed="anna\n")
    assert result.exit_code == 0, result.output
    holds = (
        "anna holds 12 photos and 1 videos, 8.8 KiB; the last login was on 2026-11-23. They stay 14 days in the trash."
    )
    assert holds in result.output
    assert re.search(r"anna was deleted at \S+ by \S+: 7 files, 8.8 KiB", result.output)
    early = silo("purge", "anna", "--yes")
    assert early.exit_code == 2
    assert "its time in the trash is not over; --confirm anna removes it now" in early.output
    assert "Removed for good: 1-anna." in silo("purge", "anna", "--confirm", "anna", "--yes").output


def test_of_a_lost_server_the_rest_is_removed_if_the_operator_says_so(silo, path, runs):
    assert silo("delete", "anna", "--yes").exit_code == 0
    purge = ("purge", "1-anna", "--confirm", "1-anna", "--yes")
    there = silo(*purge, "--machine-is-lost")
    assert (there.exit_code, "are in the inventory; leave --machine-is-lost out" in there.output) == (2, True)
    assert silo("purge", "--machine-is-lost", "--yes").exit_code == 2
    record = path / "retired" / "1-anna.yml"
    record.write_text(record.read_text().replace("server: silo1", "server: gone1"))
    refused = re.sub(r"\s+", " ", silo(*purge).output)
    assert "server is 'gone1', and the inventory has none of this name" in refused
    result = silo(*purge, "--machine-is-lost")
    assert result.exit_code == 0, result.output
    assert "silo cannot remove its database on gone1; destroy those disks" in re.sub(r"\s+", " ", result.output)
    assert "left: its database on gone1" in record.read_text()


@pytest.mark.parametrize("command", [("plan",), ("apply", "--dry-run")])
def test_a_plan_says_that_an_apply_first_completes_a_deletion(silo, path, runs, command):
    sentence = "its data would be moved into the trash first."
    assert sentence not in silo(*command).output
    runs.fails = "trash.yml"
    assert silo("delete", "anna", "--yes").exit_code == 4
    runs.fails = ""
    runs.seen.clear()
    assert re.search(rf"anna, deleted at 20\S+: {sentence}", silo(*command).output)
    (said,) = json.loads(silo("plan", "--json").stdout)["verdict"]
    assert sentence in said
    assert {tuple(names) for names, _limit, _facts in runs.seen} == {("plan.yml",)}
    record = path / "retired" / "1-anna.yml"
    record.write_text(record.read_text().replace("reason: operator", "reason: unpaid"))
    assert sentence not in silo(*command).output, "billing completes its own"


BAD = "retired/7-rosa.yml: it holds index 8 and name 'rosa'; they must be those of the file's name"


@pytest.fixture
def bad_record(silo, path):
    """A record that nobody can read beside one that is right."""
    assert silo("create", "hans", "7", "hans@example.ch").exit_code == 0
    TenantService(path).delete("hans")
    (path / "retired" / "7-rosa.yml").write_text("index: 8\nname: rosa\n")


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("stop", "anna", "--yes"), 0),
        (("set", "anna", "--quota", "200G", "--yes"), 0),
        (("capacity",), 1),
        (("trash",), 1),
        (("purge", "hans", "--confirm", "hans", "--yes"), 1),
        (("create", "urs", "7", "urs@example.ch"), 2),
        (("undelete", "hans"), 2),
    ],
)
def test_one_record_that_cannot_be_read_is_told_and_stops_what_needs_its_index_alone(silo, bad_record, command, code):
    result = silo(*command)
    assert (result.exit_code, BAD in re.sub(r"\s+", " ", result.output)) == (code, True), result.output


def test_what_works_on_the_others_is_done_in_spite_of_one_bad_record(silo, path, runs, bad_record):
    assert "Removed for good: 2-hans." in silo("purge", "hans", "--confirm", "hans", "--yes").output
    assert "2-hans" not in silo("trash").output
    assert '"nas"' in silo("capacity", "--json").stdout
    assert silo("apply", "--yes").exit_code == 0
    assert silo("delete", "anna", "--yes").exit_code == 0


def test_a_name_is_freed_for_programs(silo, path, runs):
    assert silo("delete", "anna", "--yes").exit_code == 0
    (one,) = json.loads(silo("names", "--free", "anna", "--json", "--dry-run").stdout)["names"]
    assert one["name"] == "anna"
    told = json.loads(silo("names", "--free", "anna", "--json", "--yes").stdout)
    assert (told["names"], "+freed: " in told["diff"]) == ([], True)


def test_deleted_without_a_question_where_it_is_agreed_to(silo, path, runs):
    assert "rename to retired/1-anna" in silo("delete", "anna", "--dry-run", "--yes").output
    wrong = silo("delete", "anna", "--yes", "--confirm", "anne")
    assert (wrong.exit_code, list(TenantService(path).files.all())) == (2, ["anna"])
    result = silo("delete", "anna", "--yes")
    assert result.exit_code == 0, result.output
    assert "Type the name" not in result.output
    assert list(TenantService(path).files.all()) == []


@pytest.fixture
def two_of_one_name(silo, path, runs):
    """Two deleted tenants that were called anna, the second of another customer."""
    for email in ("", "other@example.ch"):
        if email:
            assert silo("names", "--free", "anna", "--yes").exit_code == 0
            assert silo("create", "anna", "7", email).exit_code == 0
        assert silo("delete", "anna", "--yes").exit_code == 0
    runs.seen.clear()


def test_the_trash_shows_whom_it_holds_by_id(silo, path, two_of_one_name):
    rows = json.loads(silo("trash", "--json").stdout)["trash"]
    assert [(one["id"], one["files"], one["bytes"], one["state"]) for one in rows] == [
        ("1-anna", 7, 9000, "in the trash"),
        ("2-anna", 7, 9000, "in the trash"),
    ]
    days = TenantService(path).policy.trash_days
    first = datetime.datetime.fromisoformat(rows[0]["deleted"]) + datetime.timedelta(days=days)
    assert rows[0]["until"] == str(first.date())
    shown = silo("trash").output
    assert re.search(r"1-anna +\S+ +\S+ +operator +7 +8.8 KiB", shown)
    assert "2-anna" in shown


@pytest.mark.parametrize("command", [("undelete", "anna"), ("purge", "anna", "--confirm", "anna", "--yes")])
def test_of_two_of_one_name_neither_is_guessed(silo, runs, two_of_one_name, command):
    result = silo(*command)
    assert result.exit_code == 2
    said = re.sub(r"\s+", " ", result.output)
    assert re.search(r"the trash has 2 of this name: 1-anna \(deleted at \S+\), 2-anna \(deleted at \S+\);", said)
    assert "give the id of one" in said
    assert runs.seen == []


@pytest.mark.parametrize(("chosen", "email"), [("1-anna", "anna@example.ch"), ("2-anna", "other@example.ch")])
def test_by_its_id_either_comes_back(silo, path, runs, two_of_one_name, chosen, email):
    result = silo("undelete", chosen)
    assert result.exit_code == 0, result.output
    assert "anna is back, and runs." in result.output
    assert TenantService(path).files.all()["anna"].settings["tenant_email"] == email
    (moved,) = [facts["trash_uploads"]["silo1"] for names, _limit, facts in runs.seen if names == ["trash.yml"]]
    assert [f"{one['id']}-{one['name']}" for one in moved] == [chosen]
    (other,) = json.loads(silo("trash", "--json").stdout)["trash"]
    assert other["id"] != chosen


def test_by_its_id_either_is_removed_for_good(silo, path, two_of_one_name):
    early = silo("purge", "2-anna", "--confirm", "1-anna", "--yes")
    assert early.exit_code == 2
    assert "--confirm 2-anna removes it now" in re.sub(r"\s+", " ", early.output)
    assert "Removed for good: 2-anna." in silo("purge", "2-anna", "--confirm", "2-anna", "--yes").output
    assert [one.id for one in TenantService(path).trash.kept()] == ["1-anna"]


def test_without_a_relay_the_link_is_in_a_file(silo, path):
    (path / "group_vars" / "all" / "relay.yml").unlink()
    result = silo("reset-access", "anna", "--yes")
    assert f"The one-time login link is in {path}/.silo/links/anna." in re.sub(r"\n", "", result.output)
    assert silo("letters").exit_code == 1


def test_capacity_of_the_inventory_and_what_still_fits_of_each_plan(silo, runs):
    runs.pool = 1200 * GIB
    told = json.loads(silo("capacity", "--json").stdout)
    (server,), (nas,) = told["servers"], told["nas"]
    assert (server["name"], server["tenants"], server["promised_bytes"]) == ("silo1", 1, 38 * GIB)
    assert (nas["size_bytes"], nas["promised_bytes"], nas["free_bytes"]) == (1200 * GIB, 100 * GIB, 1100 * GIB)
    assert server["room"] == {"small": 11, "medium": 2, "large": 1}
    assert server["disk"] == {"size_bytes": 1024 * GIB, "promised_bytes": 20 * GIB, "free_bytes": 1004 * GIB}
    output = silo("capacity").output
    assert "room for medium: 2.5 GiB, 500 GiB, 40 GiB   2 more" in output
    assert "20 GiB of 1 TiB" in output


def test_capacity_counts_the_disk_where_it_is_what_ends_first_and_can_do_without_one(silo, runs):
    runs.disk = 100 * GIB
    (server,) = json.loads(silo("capacity", "--json").stdout)["servers"]
    assert (server["disk"]["free_bytes"], server["room"]) == (80 * GIB, {"small": 4, "medium": 2, "large": 1})
    runs.disk = 0
    (server,) = json.loads(silo("capacity", "--json").stdout)["servers"]
    assert server["disk"] is None
    assert "room for small: 2.5 GiB, 100 GiB " in silo("capacity").output


def test_created_nowhere_where_the_disk_has_no_room(silo, path, runs):
    runs.disk = 30 * GIB
    result = silo("create", "hans", "100", "hans@email.ch")
    assert result.exit_code == 3
    assert "hans: it needs 20 GiB on the disk of silo1, which has 10 GiB left" in re.sub(r"\s+", " ", result.output)
    assert not (path / "host_vars" / "hans").exists()


def test_letters_are_told(silo, path):
    TenantService(path).set_state("anna", "suspended")
    assert json.loads(silo("letters", "--json").output) == {"letters": []}


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("pending", "The letter 'access' is not sent yet: 451 later; 'silo letters --now' tries again."),
        ("failed", "silo does not send it again: 451 later; 'silo reset-access anna' sends a new link."),
        ("sent", ""),
    ],
)
def test_a_letter_that_is_given_up_is_not_said_to_be_tried_again(path, capsys, state, said):
    service = TenantService(path)
    service.outbox.enqueue_for_operator("access/anna/1", "anna@example.ch", "x", "y")
    with service.outbox._database() as database:
        database.execute("UPDATE letter SET state = ?, error = '451 later', ended = ?", (state, time.time()))
    report_access(service, "anna")
    assert said in " ".join(capsys.readouterr().out.split())


def check(ok, subject="hans/cache"):
    state = "ok" if ok else "wrong"
    return Finding("memory", subject, state, "2G; expected: 512M", "run 'silo apply hans'", "512M", "2G").as_dict()


@pytest.fixture
def verified(runs):
    """What the look after an apply finds on hans' server."""

    def of(checks, **values):
        scope = {"hans": {"tenants": {"hans": {"server": "silo1"}}}}
        runs.verified = [
            event(TaskId.SCOPE, scope),
            event(TaskId.CHANGED_CHECKS, {"hans": {"findings": checks, **values}}),
        ]

    return of


def test_a_promise_that_does_not_hold_is_told_and_what_was_done_stays(silo, path, verified):
    verified([check(ok=True, subject="hans/server"), check(ok=False)])
    result = silo("create", "hans", "100", "hans@email.ch")
    assert result.exit_code == 1
    assert "hans runs at https://hans.swissphoto.ch" in result.output
    assert "wrong    memory, hans/cache: 2G; expected: 512M\n" in result.output
    assert "hans/server" not in result.output
    assert "Applied, but verification failed; run 'silo verify'." in result.output
    assert "hans" in TenantService(path).files.all()


def test_promises_that_hold_are_not_told(silo, verified):
    verified([check(ok=True)])
    result = silo("create", "hans", "100", "hans@email.ch")
    assert (result.exit_code, "memory" in result.output) == (0, False)


def test_a_server_that_cannot_be_looked_at_is_told(silo, verified):
    verified([], failed=True, msg="the Docker Engine does not answer")
    result = silo("create", "hans", "100", "hans@email.ch")
    assert result.exit_code == 1
    assert "it could not be checked: the Docker Engine does not answer" in result.output


def test_who_does_not_want_to_know_waits_for_no_look(silo, runs, verified):
    verified([check(ok=False)])
    assert silo("create", "hans", "100", "hans@email.ch", "--no-verify").exit_code == 0
    assert runs.seen[-1][0] == ["apply.yml", "letters.yml"]


def test_a_deletion_is_looked_at(silo, runs):
    assert silo("delete", "anna", "--confirm", "anna").exit_code == 0
    assert ["apply.yml", "verify-changed.yml"] in [names for names, _limit, _facts in runs.seen]


@pytest.mark.parametrize("command", [("stop", "anna", "--yes"), ("delete", "anna", "--confirm", "anna")])
def test_edits_in_a_clone_of_this_software_are_not_committed_and_a_note_says_so_once(silo, path, command):
    shutil.copy(ROOT / "galaxy.yml", path.parent)
    subprocess.run(["git", "init", "-q"], cwd=path.parent, check=True)
    dry = silo(*command, "--dry-run")
    assert "Note:" not in dry.stderr
    result = silo(*command)
    assert result.exit_code == 0, result.output
    assert result.stderr.count("Note:") == 1
    assert f"Note: {path} is in a clone of SwissPhoto Silo, where edits are not committed;" in result.stderr
    # As before: no commit at all.
    assert subprocess.run(["git", "rev-parse", "--verify", "-q", "HEAD"], cwd=path, check=False).returncode == 1

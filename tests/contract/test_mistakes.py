"""What an editor gets wrong in one tenant's files is a sentence, and everybody else is read, planned and applied."""

import pytest
from click.testing import CliRunner

from silo import fleet
from silo.ansible import runner
from silo.ansible.contract import READ, ReadTag, TaskId
from silo.cli import main
from silo.diagnostics import Finding, address, verify
from silo.reports import usage

from .world import TENANTS

UNREAD = "host_vars/anna/overrides.yml: line 2 is the mark of a conflict of git"
UNMEANT = "clara: tenant_quota is '100'; it must be a quota with its unit, such as 100G, from 1M to 1024T"
CONFLICT = "---\n<<<<<<< HEAD\ntenant_disk: 30G\n=======\ntenant_disk: 40G\n>>>>>>> other\n"
WELL = ["bruno", "david"]


@pytest.fixture(scope="module")
def mistaken(world):
    """One tenant's file cannot be read, and another's quota is nobody's wish."""
    world.write("inventory/host_vars/anna/overrides.yml", CONFLICT)
    world.write("inventory/host_vars/clara/overrides.yml", {"tenant_quota": 100})
    # That is no mistake: a customer's exception.
    world.write("inventory/host_vars/david/overrides.yml", {"tenant_quota": "150G", "tenant_disk": "20480M"})
    return world


@pytest.fixture(scope="module")
def read(mistaken):
    tags = (ReadTag.LIST, ReadTag.STATS, ReadTag.VERIFY)
    return mistaken.run(READ, arguments=["--tags", ",".join(tags)])


@pytest.fixture
def inventory(mistaken, read, monkeypatch):
    monkeypatch.setattr(runner, "events", lambda *_arguments, **_more: iter(read.events))
    return mistaken.inventory


@pytest.fixture(scope="module")
def applied(mistaken, read):
    return mistaken.run("apply.yml")


def test_all_that_reads_goes_well(read):
    assert read.code == 0, read.failures


def test_list_shows_the_others_and_what_the_machines_have_of_those(inventory):
    found = {one.name: one for one in fleet.read(inventory).tenants}
    assert [name for name, one in found.items() if not one.problem] == WELL
    assert found["anna"].problem.startswith(UNREAD)
    assert found["clara"].problem == UNMEANT
    assert (found["anna"].observed, found["anna"].server) == ("running", "silo1")
    assert sorted(found) == sorted(TENANTS)


def test_list_shows_what_a_customer_has_otherwise_than_the_plan(inventory):
    found = {one.name: list(one.exceptions) for one in fleet.read(inventory).tenants if one.exceptions}
    assert found == {"david": [{"setting": "tenant_quota", "value": "150G", "plan": "100G"}]}
    ended = CliRunner().invoke(main, ["-i", str(inventory), "list"])
    assert "small, with exceptions" in " ".join(ended.stdout.split())
    ended = CliRunner().invoke(main, ["-i", str(inventory), "show", "david"])
    assert "quota 150G in place of 100G" in " ".join(ended.stdout.split())


@pytest.mark.parametrize("command", [["list"], ["list", "--json"], ["stats"], ["stats", "--csv"]])
def test_a_command_that_reads_says_what_it_lacks_and_its_code_as_well(inventory, command):
    ended = CliRunner().invoke(main, ["-i", str(inventory), *command])
    assert ended.exit_code == 1, ended.output
    assert all(name in ended.stdout for name in WELL)
    assert UNREAD in ended.stderr
    assert UNMEANT in ended.stderr


def test_stats_tell_whose_numbers_stand_for_nobody(inventory):
    left_out = usage.read(inventory).left_out
    assert [text for text in left_out if not text.startswith(UNREAD)] == [UNMEANT]


def test_verify_examines_the_others_and_has_a_finding_for_each_mistake(inventory, monkeypatch):
    for look in ("check_answer", "check_certificate"):
        monkeypatch.setattr(address, look, lambda name, *_arguments: Finding("", name, "ok"))
    found = verify.verify(inventory)
    assert {one.subject for one in found if one.id == "memory"} == {f"{name}/server" for name in WELL}
    assert [(one.subject, one.state) for one in found if one.id == "inventory"] == [
        ("anna", "wrong"),
        ("clara", "wrong"),
    ]


def test_who_cannot_be_read_is_nobodys_orphan(read, applied):
    known = [call.parameters["known"] for call in applied.calls if call.module == "tenant_stacks"]
    assert all({"anna", "clara"} <= set(names) for names in known)
    assert applied.told(TaskId.ORPHANS) == ""


def test_an_apply_does_all_others_and_fails_for_these_alone(applied):
    assert applied.code == 2
    assert sorted(applied.failures) == ["anna", "clara"]
    assert UNREAD in applied.failures["anna"]
    assert UNMEANT in applied.failures["clara"]
    assert applied.made("tenant_stacks") == [("silo1", ["bruno"]), ("silo2", ["david"])]
    assert applied.made("storage_quota") == [("nas1", ["bruno"]), ("nas2", ["david"])]
    assert applied.given("disk") == [("silo1", ["bruno"]), ("silo2", ["david"])]


def test_the_verdict_has_everybody(applied):
    said = applied.told(TaskId.VERDICT)
    assert all(name in said for name in TENANTS)


def test_a_plan_shows_the_others_and_names_exceptions(mistaken, applied, monkeypatch):
    planned = mistaken.run("plan.yml")

    def events(*_arguments, **_more):
        yield from planned.events
        raise runner.RunError("\n".join(planned.failures.values()))

    monkeypatch.setattr(runner, "events", events)
    ended = CliRunner().invoke(main, ["-i", str(mistaken.inventory), "plan"])
    assert ended.exit_code == 1
    assert all(name in ended.stdout for name in TENANTS)
    assert "david is an exception from plan small: quota 150G in place of 100G." in ended.stdout
    assert UNMEANT in ended.stderr


def test_a_limit_to_others_is_no_failure(mistaken, applied):
    assert mistaken.run("plan.yml", arguments=["--limit", "bruno"]).code == 0


def test_a_setting_of_the_platform_that_there_is_not_ends_a_plan_before_any_machine_is_called(mistaken, applied):
    file = mistaken.write("inventory/group_vars/all/policy.yml", {"silo_domian": "photos.example"})
    try:
        run = mistaken.run("plan.yml")
    finally:
        file.unlink()
    assert run.code != 0
    assert run.calls == []
    assert "group_vars/all/policy.yml: unknown setting 'silo_domian'. Did you mean 'silo_domain'?" in run.text

"""What the operator sees, for people and for machines."""

import dataclasses
import json
import re

import pytest
from click.testing import CliRunner

from silo import cli, fleet
from silo.ansible import runner
from silo.capacity import GIB

HANS = fleet.TenantStatus(
    name="hans",
    url="https://hans.swissphoto.ch",
    desired="running",
    observed="running",
    server="silo1",
    plan="small",
    quota_bytes=100 * GIB,
    used_bytes=3 * GIB,
    disk_limit_bytes=20 * GIB,
    disk_bytes=2 * GIB,
    memory_limit_bytes=5 * GIB // 2,
    memory_bytes=GIB // 4,
    version="v3.2.2",
    certificate_issuer="R11",
    certificate_trusted=True,
    certificate_until="2027-01-31",
)


@pytest.fixture
def silo(monkeypatch, path):
    monkeypatch.setattr(fleet, "read", lambda _inventory: fleet.FleetStatus((HANS,)))

    def run(*arguments):
        return CliRunner().invoke(cli.main, ["-i", str(path), *arguments], env={"COLUMNS": "200"})

    return run


def test_list_shows_a_tenant_in_a_line(silo):
    (line,) = [line for line in silo("list").output.splitlines() if "hans" in line]
    for word in (
        "https://hans.swissphoto.ch",
        "running",
        "silo1",
        "small",
        "v3.2.2",
        "2027-01-31",
        "100 GiB",
        "3 GiB",
        "2.5 GiB",
        "256 MiB",
    ):
        assert word in line


def test_who_is_frozen_is_shown_as_such_with_what_to_do(silo, monkeypatch):
    frozen = dataclasses.replace(HANS, observed="frozen")
    monkeypatch.setattr(fleet, "read", lambda _inventory: fleet.FleetStatus((frozen,)))
    told = (
        "hans is frozen: its containers on silo1 are paused, and an apply leaves it alone. 'docker compose unpause' in "
        "its directory there lets it run on, 'silo stop hans' ends it."
    )
    for arguments in (("list",), ("show", "hans")):
        output = silo(*arguments).output
        assert told in re.sub(r"\s+", " ", output)
    assert "frozen, should be running" in silo("list").output
    (tenant,) = json.loads(silo("list", "--json").output)["tenants"]
    assert tenant["observed"] == "frozen"


def test_who_is_on_a_machine_that_is_away_is_unknown_and_the_command_ends_with_1(silo, monkeypatch):
    unknown = {"observed": "unknown", "used_bytes": None, "memory_bytes": None, "memory_limit_bytes": None}
    away = dataclasses.replace(HANS, name="rosa", server="silo2", nas="silo2", **unknown)
    here = dataclasses.replace(HANS, nas="silo1")
    missing = {"silo2": "silo2 cannot be reached"}
    monkeypatch.setattr(fleet, "read", lambda _inventory: fleet.FleetStatus((here, away), missing))
    result = silo("list")
    assert (result.exit_code, result.stderr) == (1, "Error: silo2 cannot be reached\n")
    (line,) = [line for line in result.stdout.splitlines() if "rosa" in line]
    assert "unknown, should be running" in line
    assert "? of 100 GiB" in line
    result = silo("list", "--json")
    assert (result.exit_code, json.loads(result.stdout)["tenants"][1]["used_bytes"]) == (1, None)
    assert silo("show", "hans").exit_code == 0
    result = silo("show", "rosa")
    assert (result.exit_code, result.stderr) == (1, "Error: silo2 cannot be reached\n")


def test_list_gives_bytes_to_machines(silo):
    (tenant,) = json.loads(silo("list", "--json").output)["tenants"]
    assert (tenant["name"], tenant["memory_bytes"], tenant["quota_bytes"]) == ("hans", GIB // 4, 100 * GIB)


def test_capacity_of_the_mission(silo):
    output = silo("capacity", "--tenants", "15").output
    assert "72 GiB of 128 GiB" in output
    assert "15 with 37.5 GiB" in output
    (burst,) = [line.split()[-2:] for line in output.splitlines() if line.lstrip().startswith("burst of all tenants")]
    assert burst == ["7.5", "GiB"]


def test_capacity_says_where_not_all_can_have_their_burst_at_once(silo):
    # 34.5 GiB are set aside, and 37 tenants have 92.5 GiB: one GiB is left.
    assert "18.5 GiB, not all at once" in silo("capacity", "--tenants", "37").output


def test_a_negative_number_of_tenants_is_refused(silo):
    result = silo("capacity", "--tenants", "-1")
    assert result.exit_code == 2
    assert "--tenants" in result.output


def test_what_ansible_says_is_what_the_operator_reads(silo, monkeypatch):
    def fail(_inventory):
        raise runner.RunError("hans: tenant_quota is 'lots'; it must be a size such as 512M, 100G or 1T")

    monkeypatch.setattr(fleet, "read", fail)
    result = silo("list")
    assert result.exit_code == 1
    assert result.output == "Error: hans: tenant_quota is 'lots'; it must be a size such as 512M, 100G or 1T\n"


SERVICE = {"state": "running", "health": "healthy"}


@pytest.mark.parametrize(
    ("services", "word"),
    [
        ({}, "absent"),
        ({"a": SERVICE, "b": SERVICE, "c": SERVICE}, "running"),
        ({"a": SERVICE, "b": SERVICE, "c": {**SERVICE, "health": "unhealthy"}}, "not healthy"),
        ({"a": SERVICE, "b": SERVICE, "c": {"state": "exited", "health": ""}}, "2 of 3 running"),
        ({"a": {"state": "exited", "health": ""}}, "stopped"),
        ({"a": SERVICE, "b": {"state": "paused", "health": ""}}, "frozen"),
        (dict.fromkeys(("a", "b", "c"), {"state": "paused", "health": "healthy"}), "frozen"),
    ],
)
def test_how_a_tenant_is_in_a_word(services, word):
    assert fleet.observed(services) == word


@pytest.mark.parametrize(
    "command", [["list"], ["stats"], ["alerts"], ["verify"], ["capacity"], ["plan"], ["apply"], ["check"]]
)
@pytest.mark.parametrize("file", ["hosts.yml", "group_vars/all/policy.yml", "host_vars/silo1/more.yml"])
def test_a_file_without_which_nobody_can_be_shown_is_one_sentence(path, runs, command, file):
    (path / file).parent.mkdir(exist_ok=True)
    (path / file).write_text("a_setting: 1\n<<<<<<< HEAD\n")
    ended = CliRunner().invoke(cli.main, ["-i", str(path), *command])
    assert (ended.exit_code, runs.seen) == (2, [])
    assert ended.output == (
        f"Error: {file}: line 2 is the mark of a conflict of git; keep what is right of both versions, and remove the "
        "lines of <<<<<<<, ======= and >>>>>>>\n"
    )

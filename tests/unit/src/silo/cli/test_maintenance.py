"""Maintenance on the command line: the edit, the run, and what is on."""

import json
import re
import subprocess

import pytest
import yaml
from click.testing import CliRunner

from silo import cli

FOR_ALL = ("--on", "--all", "--text", "Wir ziehen um.", "--yes")


@pytest.fixture
def silo(path, runs):
    def run(*arguments, typed=""):
        command = ["-i", str(path), "maintenance", *arguments]
        return CliRunner().invoke(cli.main, command, input=typed, env={"COLUMNS": "200"})

    return run


@pytest.fixture
def said(path):
    """Return what Ansible would read."""

    def read():
        file = path / "maintenance.yml"
        return yaml.safe_load(file.read_text())["all"]["vars"]["silo_maintenance"] if file.exists() else None

    return read


def test_switched_on_it_is_written_and_shown(silo, said, runs):
    result = silo("--on", "anna", "silo1", "--until", "22:00", "--text-fr", "Nous d\u00e9m\u00e9nageons.", "--yes")
    assert result.exit_code == 0, result.output
    assert "Maintenance is on for anna, silo1." in result.output
    assert said().keys() == {"anna", "silo1"}
    assert said()["anna"]["text"] == {"fr": "Nous d\u00e9m\u00e9nageons."}
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT22:00\+0[12]:00", said()["anna"]["until"])
    assert [names for names, _limit, _facts in runs.seen] == [["maintenance.yml"]]


def test_the_same_again_edits_nothing_and_shows_it_all_the_same(silo, said, runs):
    silo(*FOR_ALL)
    before = said()
    result = silo(*FOR_ALL)
    assert "nothing to change in the inventory" in result.output
    assert said() == before == {"all": {"text": "Wir ziehen um."}}
    assert len(runs.seen) == 2


def test_switched_off_nothing_of_it_is_left(silo, said, path):
    silo("--on", "anna", "silo1", "--yes")
    assert silo("--off", "anna").exit_code == 0
    assert list(said()) == ["silo1"]
    assert silo("--off", "silo1").exit_code == 0
    assert said() is None
    assert not (path / "maintenance.yml").exists()


def test_switched_off_it_says_for_whom_it_is_still_on(silo):
    silo("--on", "--all", "silo1", "anna", "--yes")
    assert "Maintenance is off for all.\nIt is still on for anna, silo1.\n" in silo("--off", "--all").output
    assert "still" not in silo("--off", "silo1", "anna").output


def test_a_dry_run_shows_the_edit_and_makes_none(silo, said, runs):
    result = silo("--on", "--all", "--dry-run")
    assert "+    silo_maintenance:" in result.output
    assert (said(), runs.seen) == (None, [])


def test_what_shuts_customers_out_is_asked_first(silo, said, runs):
    assert silo("--on", "--all", typed="n\n").exit_code == 1
    assert (said(), runs.seen) == (None, [])
    silo(*FOR_ALL)
    assert silo("--off", "--all").exit_code == 0


def test_what_is_on_is_shown(silo):
    assert silo().output == "No maintenance is on.\n"
    silo("--on", "anna", "--until", "22:00", "--text", "Wir ziehen um.", "--yes")
    assert re.search(r"anna +20\d\d-\d\d-\d\d 22:00 +Wir ziehen um\.", silo().output)
    silo(*FOR_ALL)
    assert {"scope": "all", "text": "Wir ziehen um."} in json.loads(silo("--json").stdout)["maintenance"]


def test_switched_for_programs_it_is_json(silo, said):
    rehearsed = json.loads(silo("--on", "anna", "--dry-run", "--json").stdout)
    assert (rehearsed["maintenance"], "+    silo_maintenance:" in rehearsed["diff"], said()) == ([], True, None)
    on = json.loads(silo("--on", "anna", "--text", "Wir ziehen um.", "--yes", "--json").stdout)
    assert on["maintenance"] == [{"scope": "anna", "text": "Wir ziehen um."}]
    assert json.loads(silo("--off", "anna", "--json").stdout)["maintenance"] == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("anna",), "say --on or --off"),
        (("--on",), "name customers or servers, or give --all"),
        (("--off", "anna", "--text", "x"), "--off takes no text and no time"),
        (
            ("--on", "anne", "--yes"),
            "'anne': maintenance is for all, a server or a tenant; there are the servers silo1",
        ),
        (("--off", "anne"), "'anne': maintenance is for all"),
        (("--on", "../x", "--yes"), "maintenance is for all"),
        (("--on", "anna", "--until", "soon", "--yes"), "until is 'soon'; it must be a time of Switzerland"),
        (("--on", "anna", "--text", "a\nb", "--yes"), "it must be one line of 1 to 500 characters"),
    ],
)
def test_what_is_wrong_is_a_sentence(silo, said, runs, arguments, says):
    result = silo(*arguments)
    assert (result.exit_code, says in re.sub(r"\s+", " ", result.output)) == (2, True), result.output
    assert (said(), runs.seen) == (None, [])


def test_what_a_server_does_not_show_yet_has_a_code_of_its_own(silo, said, runs):
    runs.fails = "maintenance.yml"
    result = silo(*FOR_ALL)
    assert result.exit_code == 4
    assert "The inventory says it, but not each server shows it yet: the cable is out" in result.output
    assert "The same command completes it." in result.output
    assert said()


def test_a_file_that_is_another_one_is_left_alone(silo, path, runs):
    (path / "maintenance.yml").write_text("all: {vars: {silo_domain: x}}\n")
    result = silo(*FOR_ALL)
    assert result.exit_code == 2
    assert "maintenance.yml: it must hold nothing but all.vars.silo_maintenance" in result.output
    assert runs.seen == []


def test_each_switch_is_a_commit(silo, path):
    for command in (("init", "--quiet"), ("add", "."), ("commit", "--quiet", "--message", "x")):
        subprocess.run(
            ["git", "-c", "user.name=x", "-c", "user.email=x@example.ch", "-C", str(path), *command], check=True
        )
    silo(*FOR_ALL)
    silo("--off", "--all")
    log = subprocess.run(
        ["git", "-C", str(path), "log", "--format=%s"], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    assert log[:2] == ["Maintenance off: all", "Maintenance on: all"]

"""What `silo verify` prints, and how it ends."""

import json

import pytest
from click.testing import CliRunner

from silo import cli
from silo.diagnostics import Finding, verify
from silo.inventory import InventoryError

HELD = Finding("memory", "hans/server", "ok", "1G", "", "1G", "1G")
FAILED = Finding("memory", "hans/cache", "wrong", "2G; expected: 512M", "run 'silo apply hans'", "512M", "2G")


@pytest.fixture
def run(monkeypatch, path):
    asked = []

    def of(checks, *arguments):
        def answer(_inventory, names):
            asked.append(names)
            if isinstance(checks, Exception):
                raise checks
            return tuple(checks)

        monkeypatch.setattr(verify, "verify", answer)
        return CliRunner().invoke(cli.main, ["-i", str(path), "verify", *arguments], env={"COLUMNS": "200"})

    of.asked = asked
    return of


def test_all_that_holds(run):
    result = run([HELD], "anna")
    assert result.exit_code == 0
    assert run.asked == [("anna",)]
    assert "1 of 1" in result.output
    assert "hans/server" not in result.output


def test_a_line_for_each(run):
    assert "hans/server" in run([HELD], "--all").output


def test_what_fails_is_told_with_what_was_seen(run):
    result = run([HELD, FAILED])
    assert result.exit_code == 1
    assert "1 of 2 checks failed." in result.output
    assert "wrong    memory, hans/cache: 2G; expected: 512M\n         -> run 'silo apply hans'\n" in result.output
    assert "hans/server" not in result.output


def test_for_machines(run):
    result = run([HELD, FAILED], "--json")
    assert result.exit_code == 1
    findings = json.loads(result.stdout)["findings"]
    assert findings[1] == {
        "id": "memory",
        "subject": "hans/cache",
        "state": "wrong",
        "message": "2G; expected: 512M",
        "fix": "run 'silo apply hans'",
        "expected": "512M",
        "seen": "2G",
    }


@pytest.mark.parametrize(("state", "code"), [("ok", 0), ("unknown", 1), ("wrong", 1)])
def test_what_is_not_known_is_not_verified(run, state, code):
    assert run([Finding("server", "silo1", state)]).exit_code == code


@pytest.mark.parametrize(("name", "said"), [("otto", "unknown tenant 'otto'"), ("../anna", "this name cannot be used")])
def test_a_name_that_nobody_has_is_told_before_any_machine_is_asked(run, name, said):
    result = run([HELD], "anna", name)
    assert result.exit_code == 2
    assert said in result.output
    assert run.asked == []


def test_an_inventory_that_is_wrong_is_wrong_input(run):
    result = run(InventoryError("hans: tenant_quota is missing"))
    assert result.exit_code == 2
    assert "hans: tenant_quota is missing" in result.output

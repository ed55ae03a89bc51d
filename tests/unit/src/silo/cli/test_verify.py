"""What `silo verify` prints, and how it ends."""

import json

import pytest
from click.testing import CliRunner

from silo import cli
from silo.cli import verify as command
from silo.diagnostics.verify.check import Check
from silo.inventory import InventoryError

HELD = Check("memory", "hans/server", True, "1G", "1G")
FAILED = Check("memory", "hans/cache", False, "2G", "512M")


@pytest.fixture
def run(monkeypatch, path):
    asked = []

    def of(checks, *arguments):
        def verify(_inventory, names):
            asked.append(names)
            if isinstance(checks, Exception):
                raise checks
            return tuple(checks)

        monkeypatch.setattr(command.audit, "verify", verify)
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
    (line,) = [line for line in result.output.splitlines() if "hans/cache" in line]
    assert line.split() == ["FAILED", "memory", "hans/cache", "2G", "512M"]


def test_for_machines(run):
    result = run([HELD, FAILED], "--json")
    assert result.exit_code == 1
    checks = json.loads(result.stdout)["checks"]
    assert checks[1] == {
        "check": "memory",
        "subject": "hans/cache",
        "ok": False,
        "seen": "2G",
        "expected": "512M",
    }


@pytest.mark.parametrize(
    ("name", "said"), [("otto", "there is none of this name"), ("../anna", "this name cannot be used")]
)
def test_a_name_that_nobody_has_is_told_before_any_machine_is_asked(run, name, said):
    result = run([HELD], "anna", name)
    assert result.exit_code == 2
    assert said in result.output
    assert run.asked == []


def test_an_inventory_that_is_wrong_is_wrong_input(run):
    result = run(InventoryError("hans: tenant_quota is missing"))
    assert result.exit_code == 2
    assert "hans: tenant_quota is missing" in result.output

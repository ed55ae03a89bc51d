"""To add a check is to write one function: the module returns its finding, and `silo verify` prints it."""

import json
import re
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.swissphoto.silo.plugins.action import diagnostics_info as action
from ansible_collections.swissphoto.silo.plugins.module_utils.command import Completed
from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics import engine, snapshot, ssh, subjects
from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics.finding import same
from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics.registry import ON_SERVER, check
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.probe import Storage
from ansible_collections.swissphoto.silo.plugins.modules import diagnostics_info as module
from click.testing import CliRunner

from silo import cli
from silo.ansible import results
from silo.diagnostics import Finding, verify
from silo.diagnostics.engine import ON_CONTROLLER, Tenant, run
from silo.diagnostics.engine import check as check_here

from .facts import told


@pytest.fixture
def registered():
    """The checks are those of before when a test ends."""
    before = [(registry, list(registry.checks)) for registry in (ON_SERVER, ON_CONTROLLER)]
    yield
    for registry, checks in before:
        registry.checks[:] = checks


@pytest.fixture
def kernel(registered):
    """A new check of every server, with a value that the inventory expects."""

    @check("kernel", scope="server", fix="reboot into the expected kernel")
    def kernel(server):
        return same("6.12", server.expected.text("kernel"))


@pytest.fixture
def answer(kernel, monkeypatch, capsys):
    """What the module returns of a server without tenants, on which all else is as it should be."""
    monkeypatch.setattr(module, "module_runner", lambda _module: lambda _argv: Completed(1, err="not here"))
    monkeypatch.setattr(snapshot, "firewall_problem", lambda *_arguments: "")
    monkeypatch.setattr(snapshot, "input_problem", lambda _runner: "")
    monkeypatch.setattr(ssh, "problem", lambda _runner: "")
    monkeypatch.setattr(subjects.probe, "look", lambda *_arguments: Storage())
    answers = {"/containers/json": [], "/info": {"LiveRestoreEnabled": True}}
    server = subjects.Server
    monkeypatch.setattr(module, "Server", lambda *given: server(*given, lambda path, _query: answers[path]))
    with (
        patch_module_args({"selection": "verify", "expected": {"server": "silo1", "kernel": "6.18"}}),
        pytest.raises(SystemExit),
    ):
        module.main()
    return json.loads(capsys.readouterr().out)


def test_the_module_returns_it(answer):
    (found,) = [one for one in answer["findings"] if one["state"] != "ok" and one["id"] != "isolation"]
    assert Finding.from_dict(found) == Finding(
        "kernel", "silo1", "wrong", "6.12; expected: 6.18", "reboot into the expected kernel", "6.18", "6.12"
    )


def test_silo_verify_prints_it(answer, monkeypatch, path):
    book = {verify.TENANTS: {}, verify.SERVER: {"silo1": told(**answer)}}
    monkeypatch.setattr(results, "read", lambda *_arguments, **_more: book)
    result = CliRunner().invoke(cli.main, ["-i", str(path), "verify"], env={"COLUMNS": "200"})
    assert result.exit_code == 1
    assert (
        "wrong    kernel, silo1: 6.12; expected: 6.18\n         -> reboot into the expected kernel\n" in result.output
    )


def test_preflight_does_not_run_it(kernel):
    assert "kernel" not in {one.id for one in ON_SERVER.of("preflight", "server")}
    assert engine.ON_SERVER is ON_SERVER


@pytest.mark.parametrize("name", action.EXPECTED)
def test_every_expected_value_is_read_by_a_check(name):
    sources = [path.read_text() for path in Path(engine.__file__).parent.glob("*.py")]
    assert any(re.search(rf'expected\.\w+\("{name}"', source) for source in sources)


def test_a_new_check_from_outside(registered):
    @check_here("hsts", scope="tenant")
    def hsts(tenant):
        return same("no header", "a header", tenant.host_name)

    ON_CONTROLLER.checks[:] = [one for one in ON_CONTROLLER.checks if one.id == "hsts"]
    (found,) = run("verify", {"tenant": [Tenant("hans", "hans.swissphoto.ch", "running", "192.0.2.1", "")]})
    assert (found.id, found.subject, found.fix) == ("hsts", "hans.swissphoto.ch", "run 'silo apply hans'")

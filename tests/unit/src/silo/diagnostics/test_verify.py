"""What the machines answer, put together; one run of the real playbook, on this machine and on one that is away."""

import shutil
import socket

import pytest
import yaml

from silo.ansible import runner
from silo.diagnostics import Finding, address, engine, verify
from silo.inventory import InventoryError
from silo.repository import root

from .facts import HANS, told

FACTS = {"hans": HANS, "maria": {**HANS, "host_name": "maria.swissphoto.ch", "desired": "absent", "server": "silo2"}}
MEMORY = Finding("memory", "hans/server", "ok", "1G", "", "1G", "1G").as_dict()


@pytest.fixture
def book(monkeypatch):
    """The answers of an inventory with two servers and a NAS, which a test changes."""
    place = {"address": "127.0.0.1", "ca_file": ""}
    quota = {"limit": 1024, "id": 1, "problem": ""}
    found = {
        verify.POLICY: {"silo1": told(msg=place), "silo2": told(msg=place)},
        verify.TENANTS: {"hans": told(tenants=FACTS)},
        verify.SERVER: {"silo1": told(findings=[MEMORY]), "silo2": told(findings=[])},
        verify.QUOTAS: {"nas1": told(tenants={"hans": quota}, backend="btrfs")},
    }

    def read(_inventory, tag, arguments=()):
        assert tag == "verify"
        found["arguments"] = list(arguments)
        return found

    monkeypatch.setattr(verify.results, "read", read)
    monkeypatch.setattr(address, "check_answer", lambda name, _at, _state: Finding("", name, "ok"))
    monkeypatch.setattr(address, "check_certificate", lambda name, _at, _file: Finding("", name, "ok"))
    return found


def look(tmp_path, *names):
    return [(one.id, one.subject, one.ok) for one in verify.verify(tmp_path, names)]


def test_all_that_is_promised(book, tmp_path):
    assert look(tmp_path) == [
        ("memory", "hans/server", True),
        ("quota", "hans", True),
        ("address", "hans.swissphoto.ch", True),
        ("tls", "hans.swissphoto.ch", True),
        ("address", "maria.swissphoto.ch", True),
    ]
    assert book["arguments"] == []


def test_one_tenant_alone(book, tmp_path):
    book[verify.SERVER]["silo2"] = told(unreachable=True, msg="no route")
    assert {subject for _check, subject, _ok in look(tmp_path, "hans")} == {"hans/server", "hans", "hans.swissphoto.ch"}
    assert book["arguments"] == ["-e", '{"verify_tenants": ["hans"]}']


def test_a_name_that_nobody_has(book, tmp_path):
    with pytest.raises(InventoryError, match="unknown tenant 'otto'. The tenants are: hans, maria"):
        verify.verify(tmp_path, ["otto"])


@pytest.mark.parametrize(
    ("answer", "messages"),
    [
        (
            told(unreachable=True, msg="Connection refused"),
            ["it cannot be reached over SSH: Connection refused"] * 2,
        ),
        (
            told(failed=True, msg="Task failed: the engine is away"),
            ["it could not be checked: the engine is away", "the quotas cannot be read: the engine is away"],
        ),
    ],
)
def test_a_machine_that_is_away_or_fails_is_a_finding(book, tmp_path, answer, messages):
    book[verify.SERVER]["silo2"] = book[verify.QUOTAS]["nas1"] = answer
    failed = [finding for finding in verify.verify(tmp_path) if not finding.ok]
    assert [(one.id, one.subject, one.message) for one in failed] == [
        ("server", "silo2", messages[0]),
        ("quota", "nas1", messages[1]),
    ]
    assert engine.failed("verify", failed) == failed


def test_a_limit_that_is_gone(book, tmp_path):
    book[verify.QUOTAS]["nas1"] = told(tenants={}, backend="btrfs")
    assert ("quota", "hans", False) in look(tmp_path)


def test_an_inventory_that_is_wrong(book, tmp_path):
    book[verify.TENANTS]["hans"] = told(failed=True, msg="hans: tenant_quota is missing")
    with pytest.raises(InventoryError, match="hans: tenant_quota is missing"):
        verify.verify(tmp_path)


def test_an_inventory_without_servers(book, tmp_path):
    del book[verify.SERVER]
    with pytest.raises(runner.RunError, match="no server in its group servers"):
        verify.verify(tmp_path)


def write(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(values, explicit_start=True))


def test_the_real_playbook(tmp_path, monkeypatch, forked_playbooks):
    (tmp_path / "password").write_text("of the test\n")
    monkeypatch.setenv("SILO_VAULT_PASSWORD_FILE", str(tmp_path / "password"))
    inventory = tmp_path / "inventory"
    inventory.mkdir()
    shutil.copy(root() / "tests" / "inventory" / "tenants.yml", inventory)
    with socket.create_server(("127.0.0.1", 0)) as free:
        closed = free.getsockname()[1]
    here = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    machines = {"silo1": here, "silo2": {"ansible_host": "127.0.0.1", "ansible_port": closed}}
    write(inventory / "hosts.yml", {"servers": {"hosts": machines}, "nas": {"hosts": {"silo1": here}}})
    settings = {"tenant_email": "hans@example.ch", "tenant_index": 1, "tenant_plan": "small"}
    write(
        inventory / "host_vars" / "hans" / "tenant.yml", {**settings, "tenant_server": "silo2", "tenant_nas": "silo1"}
    )
    checks = verify.verify(inventory)
    found = {(check.id, check.subject): check for check in checks}
    assert found["server", "silo2"].message.startswith("it cannot be reached over SSH: ")
    # There is no file system with quotas here.
    assert found["quota", "silo1"].message.startswith("the quotas cannot be read: ")
    assert {check.subject for check in checks if check.id == "address"} == {"hans.swissphoto.ch"}

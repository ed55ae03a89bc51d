"""What the machines answer, put together; one run of the real playbook, on this machine and on one that is away."""

import shutil
import socket

import pytest
import yaml

from silo.ansible import runner
from silo.diagnostics.verify import address, audit
from silo.diagnostics.verify.audit import verify
from silo.diagnostics.verify.check import Check
from silo.inventory import InventoryError
from silo.repository import root

from .facts import HANS, told

FACTS = {"hans": HANS, "maria": {**HANS, "host_name": "maria.swissphoto.ch", "desired": "absent", "server": "silo2"}}
MEMORY = {"check": "memory", "subject": "hans/server", "ok": True, "seen": "1G", "expected": "1G"}


@pytest.fixture
def book(monkeypatch):
    """The answers of an inventory with two servers and a NAS, which a test changes."""
    place = {"address": "127.0.0.1", "ca_file": ""}
    quota = {"limit": 1024, "id": 1, "problem": ""}
    found = {
        audit.POLICY: {"silo1": told(msg=place), "silo2": told(msg=place)},
        audit.TENANTS: {"hans": told(tenants=FACTS)},
        audit.SERVER: {"silo1": told(checks=[MEMORY]), "silo2": told(checks=[])},
        audit.QUOTAS: {"nas1": told(tenants={"hans": quota}, backend="btrfs")},
    }

    def read(_inventory, tag, arguments=()):
        assert tag == "verify"
        found["arguments"] = list(arguments)
        return found

    monkeypatch.setattr(audit.results, "read", read)
    monkeypatch.setattr(address, "answers", lambda name, _at, state: Check("address", name, True, state, state))
    monkeypatch.setattr(address, "trusted", lambda name, _at, _file: Check("TLS", name, True, "", ""))
    return found


def look(tmp_path, *names):
    return [(check.check, check.subject, check.ok) for check in verify(tmp_path, names)]


def test_all_that_is_promised(book, tmp_path):
    assert look(tmp_path) == [
        ("memory", "hans/server", True),
        ("quota", "hans", True),
        ("address", "hans.swissphoto.ch", True),
        ("TLS", "hans.swissphoto.ch", True),
        ("address", "maria.swissphoto.ch", True),
    ]
    assert book["arguments"] == []


def test_one_tenant_alone(book, tmp_path):
    book[audit.SERVER]["silo2"] = told(unreachable=True, msg="no route")
    assert {subject for _check, subject, _ok in look(tmp_path, "hans")} == {"hans/server", "hans", "hans.swissphoto.ch"}
    assert book["arguments"] == ["-e", '{"verify_tenants": ["hans"]}']


def test_a_name_that_nobody_has(book, tmp_path):
    with pytest.raises(InventoryError, match="tenant 'otto': there is none of this name; there are hans, maria"):
        verify(tmp_path, ["otto"])


@pytest.mark.parametrize(
    ("answer", "seen"),
    [
        (told(unreachable=True, msg="Connection refused"), "away: Connection refused"),
        (told(failed=True, msg="Task failed: the engine is away"), "not looked at: the engine is away"),
    ],
)
def test_a_machine_that_is_away_or_fails_is_a_check(book, tmp_path, answer, seen):
    book[audit.SERVER]["silo2"] = book[audit.QUOTAS]["nas1"] = answer
    failed = [check for check in verify(tmp_path) if not check.ok]
    assert [(check.check, check.subject, check.seen) for check in failed] == [
        ("host", "silo2", seen),
        ("host", "nas1", seen),
    ]


def test_a_wall_that_is_gone(book, tmp_path):
    book[audit.QUOTAS]["nas1"] = told(tenants={}, backend="btrfs")
    assert ("quota", "hans", False) in look(tmp_path)


def test_an_inventory_that_is_wrong(book, tmp_path):
    book[audit.TENANTS]["hans"] = told(failed=True, msg="hans: tenant_quota is missing")
    with pytest.raises(InventoryError, match="hans: tenant_quota is missing"):
        verify(tmp_path)


def test_an_inventory_without_servers(book, tmp_path):
    del book[audit.SERVER]
    with pytest.raises(runner.RunError, match="no server in its group servers"):
        verify(tmp_path)


def write(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(values, explicit_start=True))


def test_the_real_playbook(tmp_path, monkeypatch, forked_playbooks):
    (tmp_path / "password").write_text("of the test\n")
    monkeypatch.setenv("SILO_VAULT_PASSWORD_FILE", str(tmp_path / "password"))
    inventory = tmp_path / "inventory"
    inventory.mkdir()
    shutil.copy(root() / "inventory" / "example" / "tenants.yml", inventory)
    with socket.create_server(("127.0.0.1", 0)) as free:
        closed = free.getsockname()[1]
    here = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    machines = {"silo1": here, "silo2": {"ansible_host": "127.0.0.1", "ansible_port": closed}}
    write(inventory / "hosts.yml", {"servers": {"hosts": machines}, "nas": {"hosts": {"silo1": here}}})
    settings = {"tenant_email": "hans@example.ch", "tenant_index": 1, "tenant_plan": "small"}
    write(
        inventory / "host_vars" / "hans" / "tenant.yml", {**settings, "tenant_server": "silo2", "tenant_nas": "silo1"}
    )
    checks = verify(inventory)
    assert all(not check.ok for check in checks if check.check == "host")
    hosts = {check.subject: check.seen for check in checks if check.check == "host"}
    assert hosts["silo2"].startswith("away: ")
    # There is no file system with quotas here.
    assert hosts["silo1"].startswith("not looked at: ")
    assert {check.subject for check in checks if check.check == "address"} == {"hans.swissphoto.ch"}

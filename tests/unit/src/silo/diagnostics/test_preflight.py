"""All together: one run of the real playbook on this machine, and on one that is away."""

import shutil

import pytest
import yaml

from silo.ansible import results
from silo.diagnostics import preflight
from tests.unit.forks import ROOT

pytestmark = pytest.mark.usefixtures("forked_playbooks")


def write(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(values, explicit_start=True))


@pytest.fixture
def inventory(tmp_path, monkeypatch):
    password = tmp_path / "password"
    password.write_text("of the test\n")
    monkeypatch.setenv("SILO_VAULT_PASSWORD_FILE", str(password))
    path = tmp_path / "inventory"
    path.mkdir()
    shutil.copy(ROOT / "tests" / "inventory" / "tenants.yml", path)
    return path


def hosts(inventory, **machines):
    groups = {group: {"hosts": machines} for group in ("servers", "nas")}
    write(inventory / "hosts.yml", groups)


HERE = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}


def of(findings, check_id, subject):
    return [finding for finding in findings if (finding.id, finding.subject) == (check_id, subject)]


def test_a_server_that_is_away_does_not_hide_the_others(inventory, zone, closed_port):
    away = {"ansible_host": "127.0.0.1", "ansible_port": closed_port, "silo_check_disk_wrong": "much"}
    hosts(inventory, silo1={**HERE, "silo_check_addresses": ["127.0.0.9"]}, silo2=away)
    write(inventory / "group_vars" / "all" / "policy.yml", {"silo_check_resolver": zone.resolver})
    zone.records = {"*.swissphoto.ch": ["127.0.0.9"], "hans.swissphoto.ch": ["198.51.100.7"]}
    settings = {"tenant_email": "hans@example.ch", "tenant_index": 1, "tenant_plan": "small"}
    write(
        inventory / "host_vars" / "hans" / "tenant.yml", {**settings, "tenant_server": "silo1", "tenant_nas": "silo1"}
    )
    findings = preflight.run(inventory).findings
    (lost,) = of(findings, "server", "silo2")
    assert lost.state == "wrong"
    assert lost.message.startswith("it cannot be reached over SSH: ")
    assert "`ansible silo2 -m ping`" in lost.fix
    assert [one.state for one in of(findings, "quota", "silo2")] == ["wrong"]
    (policy,) = of(findings, "policy", "silo2")
    assert policy.message == "silo_check_disk_wrong is 'much'; it must be a percentage from 0 to 100"
    assert len(of(findings, "firewall", "silo1")) == len(of(findings, "clock", "silo1")) == 1
    assert of(findings, "disk", "silo1")
    assert [one.state for one in of(findings, "nas", "silo1")] == ["wrong"]
    (quota,) = of(findings, "quota", "silo1")
    assert (quota.state, quota.message[:27]) == ("wrong", "the quotas cannot be read: ")
    assert [one.state for one in of(findings, "dns", "*.swissphoto.ch")] == ["ok"]
    assert [one.state for one in of(findings, "dns", "hans.swissphoto.ch")] == ["wrong"]
    assert len(of(findings, "port_80", "silo1")) == len(of(findings, "port_443", "silo1")) == 1
    for finding in findings:
        assert bool(finding.fix) == (finding.state != "ok")


def test_all_servers_are_away_and_addresses_are_wrong(inventory, closed_port):
    hosts(inventory, silo1={"ansible_host": "127.0.0.1", "ansible_port": closed_port, "silo_check_addresses": "a"})
    findings = preflight.run(inventory).findings
    (policy,) = of(findings, "policy", "silo1")
    assert policy.message == "silo_check_addresses is 'a'; it must be a list such as [192.0.2.10]"
    assert [one.state for one in of(findings, "server", "silo1")] == ["wrong"]
    assert [one.state for one in of(findings, "quota", "silo1")] == ["wrong"]


def test_an_inventory_that_cannot_be_read_is_a_finding(inventory):
    (inventory / "hosts.yml").write_text("servers: [\n")
    (finding,) = of(preflight.run(inventory).findings, "inventory", str(inventory))
    assert finding.state == "wrong"
    assert "hosts.yml" in finding.message


def test_what_else_is_wrong_in_an_inventory_is_told(inventory, closed_port):
    hosts(inventory, silo1={"ansible_host": "127.0.0.1", "ansible_port": closed_port})
    write(inventory / "maintenance.yml", {"all": {"vars": {"silo_maintenance": {"hans": {"until": "soon"}}}}})
    write(inventory / "retired" / "7-rosa.yml", {"index": 8, "name": "rosa"})
    write(inventory / "hosts_old.yml", {"nas": {"hosts": {"nas9": {"ansible_host": "127.0.0.1"}}}})
    found = {one.message: one for one in of(preflight.run(inventory).findings, "inventory", str(inventory))}
    notice = "maintenance.yml: silo_maintenance.hans: until is 'soon'; it must be a time such as 2026-12-24T22:00+01:00"
    assert found[notice].state == "wrong"
    assert found[notice].fix.startswith("correct maintenance.yml, or remove it")
    assert [(one.state, bool(one.fix)) for text, one in found.items() if text.startswith("retired/7-rosa.yml: ")] == [
        ("wrong", True)
    ]
    assert [one.state for text, one in found.items() if text.startswith("hosts_old.yml: ")] == ["warning"]


def test_a_tenant_that_is_wrong_is_told_and_all_else_as_well(inventory, zone):
    hosts(inventory, silo1={**HERE, "silo_check_addresses": ["127.0.0.9"], "silo_check_resolver": zone.resolver})
    write(inventory / "host_vars" / "hans" / "tenant.yml", {"tenant_email": "hans", "tenant_index": 1})
    findings = preflight.run(inventory).findings
    assert any("hans: tenant_email" in finding.message for finding in of(findings, "inventory", "hans"))
    assert [one.state for one in of(findings, "dns", "*.swissphoto.ch")] == ["wrong"]
    assert of(findings, "clock", "silo1")


def test_an_inventory_without_servers(inventory):
    (inventory / "hosts.yml").write_text("servers: {hosts: {}}\nnas: {hosts: {}}\n")
    (finding,) = of(preflight.run(inventory).findings, "inventory", str(inventory))
    assert finding.message == "there is no server in its group servers"


@pytest.mark.parametrize(
    ("is_nas", "found"),
    [
        (True, {"server": "unknown", "quota": "wrong", "disk_quota": "wrong"}),
        (False, {"server": "unknown", "disk_quota": "wrong"}),
    ],
)
def test_a_server_whose_one_call_fails_has_told_nothing_of_its_file_systems_either(
    inventory, monkeypatch, is_nas, found
):
    policy = {"domain": "swissphoto.ch", "addresses": ["127.0.0.9"], "resolver": "", "is_nas": is_nas}
    policy |= {"disk_warning": 15, "disk_wrong": 5}
    book = {
        preflight.POLICY: {"silo1": results.TaskResult({"msg": policy}, 0, 1)},
        preflight.SERVER: {"silo1": results.TaskResult({"failed": True, "msg": "it took 60 s"}, 0, 60)},
    }
    monkeypatch.setattr(results, "read", lambda _inventory, _tag: book)
    monkeypatch.setattr(preflight.engine, "run", lambda *_arguments: [])
    findings = preflight.run(inventory).findings
    assert {one.id: one.state for one in findings} == found
    assert all("it took 60 s" in one.message for one in findings)


def test_a_server_that_cannot_be_checked_may_have_told_of_its_file_systems(inventory, monkeypatch):
    pool = {"size": 4 << 40, "free": 1 << 40}
    read = {"pool": pool, "backend": "btrfs", "tenants": {}}
    book = {
        preflight.SERVER: {"silo1": results.TaskResult({"failed": True, "msg": "no nft"}, 0, 1)},
        preflight.POLICY: {"silo1": results.TaskResult({"failed": True, "msg": "no"}, 0, 1)},
        preflight.DISKS: {"silo1": results.TaskResult(read, 0, 1)},
    }
    monkeypatch.setattr(results, "read", lambda _inventory, _tag: book)
    found = preflight.run(inventory).sizes
    assert (found.nas, found.disks) == ({}, {"silo1": 4 << 40})


def test_a_look_knows_the_size_of_each_nas_and_each_disk_that_tells_it(inventory, monkeypatch):
    pool = {"size": 4 << 40, "free": 1 << 40}
    said = {
        "silo1": {"pool": pool, "backend": "btrfs", "tenants": {}},
        "silo2": {"failed": True, "msg": "nothing is mounted"},
    }
    told = {host: results.TaskResult(values, 0, 1) for host, values in said.items()}
    monkeypatch.setattr(results, "read", lambda _playbook, _inventory: {preflight.QUOTAS: told})
    found = preflight.run(inventory).sizes
    assert (found.nas, found.disks) == ({"silo1": 4 << 40}, {})
    monkeypatch.setattr(results, "read", lambda _playbook, _inventory: {preflight.DISKS: told})
    found = preflight.run(inventory).sizes
    assert (found.nas, found.disks) == ({}, {"silo1": 4 << 40})

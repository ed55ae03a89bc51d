"""The module from its arguments to its answer."""

import json
import time

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.swissphoto.silo.plugins.module_utils.command import Completed
from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics import ssh
from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics.finding import Finding
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.stack import StackError
from ansible_collections.swissphoto.silo.plugins.modules import diagnostics_info as module

SHARED = {
    "name": "traefik",
    "container": "silo-traefik-traefik-1",
    "image": "traefik@sha256:ab",
    "memory": "512M",
    "uid": "65532",
    "processes": 512,
    "memory_order": 0,
    "open_files": 65536,
    "writable": ["/tmp"],
    "port": 0,
}


@pytest.fixture
def call(capsys, monkeypatch):
    monkeypatch.setattr(ssh, "SSHD", "/nowhere/sshd")
    monkeypatch.setattr(module, "module_runner", lambda _module: lambda _argv: Completed(1, err="not here"))

    def run(**values):
        with patch_module_args(values), pytest.raises(SystemExit) as ended:
            module.main()
        answer = json.loads(capsys.readouterr().out)
        assert bool(ended.value.code) == bool(answer.get("failed"))
        return answer

    return run


def test_preflight_returns_findings_and_facts(call, tmp_path):
    begin = time.time()
    expected = {
        "server": "silo1",
        "sentinel": str(tmp_path / ".silo-nas"),
        "directories": [str(tmp_path)],
        "firewall": str(tmp_path / "firewall.nft"),
    }
    answer = call(selection="preflight", expected=expected)
    facts, found = answer["facts"], {one["id"]: one for one in answer["findings"]}
    assert begin <= facts["time"] <= time.time()
    assert facts["synchronised"] in (True, False)
    assert facts["disks"][0]["path"] == str(tmp_path)
    assert found["nas"]["message"] == f"the NAS is not mounted: nothing is mounted at {tmp_path}"
    assert found["firewall"]["seen"] == f"{tmp_path}/firewall.nft is missing"
    assert found["open_ports"]["seen"] == "the chain input of silo_firewall is not loaded (not here)"
    assert found["ssh"]["state"] == "ok"
    assert {one["subject"] for one in answer["findings"]} == {"silo1"}
    assert answer["changed"] is False


def test_file_systems_are_read_in_the_same_call(call, tmp_path, monkeypatch):
    read = {"backend": "btrfs", "pool": {}, "tenants": {}, "trash": []}
    monkeypatch.setattr(module, "inspect", lambda values, _run: read | {"pool": values})
    places = {"disks": {"root": "/databases", "sentinel": ".silo-disk"}, "quotas": {"root": "/instances"}}
    expected = {"sentinel": str(tmp_path / ".silo-nas")}
    found = call(selection="preflight", expected=expected, file_systems=places)["parts"]
    usual = {"backend": "auto"}
    assert {name: one["pool"] for name, one in found.items()} == {
        "disks": {"root": "/databases", "sentinel": ".silo-disk", **usual},
        "quotas": {"root": "/instances", "sentinel": ".silo-nas", **usual},
    }


def test_a_file_system_that_is_not_there_is_a_result_of_its_own(call, tmp_path):
    expected = {"sentinel": str(tmp_path / ".silo-nas")}
    answer = call(selection="preflight", expected=expected, file_systems={"disks": {"root": str(tmp_path)}})
    assert answer["parts"] == {"disks": {"failed": True, "msg": f"nothing is mounted at {tmp_path}"}}
    assert answer["findings"]


def test_what_was_read_of_them_is_told_where_the_server_cannot_be_checked(call, monkeypatch):
    monkeypatch.setattr(module, "inspect", lambda _values, _run: {"backend": "zfs"})
    answer = call(selection="preflight", expected={"ssh_keys_only": "perhaps"}, file_systems={"disks": {"root": "/d"}})
    assert (answer["failed"], answer["parts"]) == (True, {"disks": {"backend": "zfs"}})


def test_options_that_no_file_system_takes_are_refused(call):
    answer = call(selection="preflight", file_systems={"disks": {"roof": "/d"}})
    assert answer["failed"]
    assert answer["msg"].startswith("file_systems: disks: ")


@pytest.mark.parametrize("no", [False, "false", "no"])
def test_what_the_operator_does_not_expect_is_not_checked(call, tmp_path, no):
    expected = {"sentinel": str(tmp_path / ".silo-nas"), "firewall_input_enabled": no, "ssh_keys_only": no}
    found = {one["id"] for one in call(selection="preflight", expected=expected)["findings"]}
    assert found == {"nas", "firewall", "network"}


def test_verify_returns_what_the_engine_finds(call, monkeypatch):
    def run(selection, server):
        (traefik,) = server.expected.shared
        return [Finding("memory", traefik.label, "ok", selection, "", server.name, str(traefik.memory + traefik.uid))]

    monkeypatch.setattr(module.engine, "run", run)
    answer = call(selection="verify", expected={"server": "silo1", "shared": [SHARED]})
    assert (answer["changed"], answer["facts"]) == (False, {})
    memory = Finding("memory", "traefik", "ok", "verify", "", "silo1", str(512 * 1024**2 + 65532))
    assert answer["findings"] == [memory.as_dict()]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (StackError("the Docker Engine does not answer"), "the Docker Engine does not answer"),
        (KeyError("State"), "'State'"),
        (PermissionError(13, "Permission denied", "/proc/1/environ"), "Permission denied"),
    ],
)
def test_a_server_that_cannot_be_checked_is_told(call, monkeypatch, error, message):
    def refuse(_selection, _server):
        raise error

    monkeypatch.setattr(module.engine, "run", refuse)
    answer = call(selection="verify")
    assert answer["failed"]
    assert message in answer["msg"]


@pytest.mark.parametrize(
    ("expected", "message"),
    [
        ({"shared": [{**SHARED, "memory": "much"}]}, "expected: memory: 'much' is not"),
        ({"shared": [{**SHARED, "port": "http"}]}, "expected: invalid literal"),
        ({"shared": [{"name": "traefik"}]}, "expected: 'container' is missing"),
        ({"tenants": ["hans"]}, "expected: "),
        ({"ssh_keys_only": "perhaps"}, "expected: ssh_keys_only: "),
    ],
)
def test_an_expected_value_that_cannot_be_used(call, tmp_path, expected, message):
    sentinel = str(tmp_path / ".silo-nas")
    assert call(selection="preflight", expected={"sentinel": sentinel, **expected})["msg"].startswith(message)


def test_needs_a_selection(call):
    assert "selection" in call()["msg"]
    assert "selection" in call(selection="all")["msg"]

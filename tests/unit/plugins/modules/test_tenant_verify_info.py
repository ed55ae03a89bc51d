"""The module from its arguments to its answer."""

import json

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics.check import Check
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.stack import StackError
from ansible_collections.swissphoto.silo.plugins.modules import tenant_verify_info as module

SHARED = {
    "name": "traefik",
    "container": "silo-traefik-traefik-1",
    "image": "traefik@sha256:ab",
    "memory": "512M",
    "uid": 65532,
    "processes": 512,
    "memory_order": 0,
    "writable": ["/tmp"],
    "port": 0,
}


@pytest.fixture
def call(capsys):
    def run(**values):
        with patch_module_args(values), pytest.raises(SystemExit) as ended:
            module.main()
        answer = json.loads(capsys.readouterr().out)
        assert bool(ended.value.code) == bool(answer.get("failed"))
        return answer

    return run


def test_what_is_returned(call, monkeypatch):
    def audit(wanted, _runner):
        (traefik,) = wanted.shared
        return [Check("memory", traefik.label, True, str(traefik.memory), wanted.server)]

    monkeypatch.setattr(module.audit, "audit", audit)
    answer = call(server="silo1", shared=[SHARED])
    assert answer["changed"] is False
    memory = {"check": "memory", "subject": "traefik", "ok": True, "seen": str(512 * 1024**2), "expected": "silo1"}
    assert answer["checks"] == [memory]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (StackError("the Docker Engine does not answer"), "the Docker Engine does not answer"),
        (KeyError("State"), "'State'"),
        (PermissionError(13, "Permission denied", "/proc/1/environ"), "Permission denied"),
    ],
)
def test_a_server_that_cannot_be_looked_at_is_told(call, monkeypatch, error, message):
    def refuse(_wanted, _runner):
        raise error

    monkeypatch.setattr(module.audit, "audit", refuse)
    answer = call(server="silo1")
    assert answer["failed"]
    assert message in answer["msg"]


def test_a_size_that_is_none(call):
    assert call(server="silo1", shared=[{**SHARED, "memory": "much"}])["msg"].startswith(
        "shared: memory: 'much' is not"
    )

"""The module from its arguments to its answer."""

import json

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.swissphoto.silo.plugins.module_utils.command import CommandError, Completed
from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics.ssh import Session, SshSettings
from ansible_collections.swissphoto.silo.plugins.modules import ssh_info as module

VALUES = {"port": ("22",), "passwordauthentication": ("yes",), "authorizedkeysfile": ("none",)}


@pytest.fixture
def call(capsys, monkeypatch):
    monkeypatch.setattr(module.ssh, "session", lambda: None)
    monkeypatch.setattr(module.ssh, "settings", lambda _runner: SshSettings(VALUES))

    def run():
        with patch_module_args({}), pytest.raises(SystemExit) as ended:
            module.main()
        answer = json.loads(capsys.readouterr().out)
        assert bool(ended.value.code) == bool(answer.get("failed"))
        return answer

    return run


def test_what_is_returned(call):
    answer = call()
    assert (answer["changed"], answer["present"], answer["ports"], answer["user"]) == (False, True, [22], "root")
    assert answer["wrong"] == ["passwordauthentication yes"]
    assert (answer["has_key"], answer["key_files"]) == (False, [])


def test_the_port_of_this_very_call_is_one_of_them(call, monkeypatch):
    monkeypatch.setattr(module.ssh, "session", lambda: Session(2022, 0))
    assert call()["ports"] == [22, 2022]


def test_a_server_without_ssh(call, monkeypatch):
    monkeypatch.setattr(module.ssh, "settings", lambda _runner: None)
    answer = call()
    assert (answer["present"], answer["ports"], answer["has_key"], answer["wrong"]) == (False, [], False, [])


def test_what_cannot_be_read_is_told(call, monkeypatch):
    def refuse(_runner):
        raise CommandError(["sshd", "-T"], Completed(255, err="Bad configuration option"))

    monkeypatch.setattr(module.ssh, "settings", refuse)
    assert "Bad configuration option" in call()["msg"]

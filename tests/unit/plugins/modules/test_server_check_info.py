"""The module from its arguments to its answer, on the machine that runs the tests."""

import json
import time

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.swissphoto.silo.plugins.module_utils.command import Completed
from ansible_collections.swissphoto.silo.plugins.modules import server_check_info as module


@pytest.fixture
def call(capsys, monkeypatch):
    monkeypatch.setattr(module.ssh, "SSHD", "/nowhere/sshd")
    monkeypatch.setattr(module, "module_runner", lambda _module: lambda _argv: Completed(1, err="not here"))

    def run(**values):
        with patch_module_args(values), pytest.raises(SystemExit) as ended:
            module.main()
        answer = json.loads(capsys.readouterr().out)
        assert bool(ended.value.code) == bool(answer.get("failed"))
        return answer

    return run


def test_tells_all_at_once(call, tmp_path):
    begin = time.time()
    answer = call(
        sentinel=str(tmp_path / ".silo-nas"), directories=[str(tmp_path)], firewall=str(tmp_path / "firewall.nft")
    )
    assert begin <= answer["time"] <= time.time()
    assert answer["synchronised"] in (True, False)
    assert answer["storage_problem"] == f"the NAS is not mounted: nothing is mounted at {tmp_path}"
    assert answer["firewall_problem"] == f"{tmp_path}/firewall.nft is missing"
    assert answer["input_problem"] == "the chain input of silo_firewall is not loaded (not here)"
    assert answer["ssh_problem"] == ""
    assert answer["disks"][0]["path"] == str(tmp_path)
    assert answer["changed"] is False


def test_what_is_not_wanted_is_not_told(call, tmp_path):
    answer = call(sentinel=str(tmp_path / ".silo-nas"), closed=False, ssh_keys_only=False)
    assert (answer["input_problem"], answer["ssh_problem"]) == ("", "")


def test_needs_a_sentinel(call):
    assert "sentinel" in call()["msg"]

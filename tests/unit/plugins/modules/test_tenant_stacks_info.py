"""What `silo list` shows of containers is asked of them."""

import dataclasses
import json

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant import engine, health
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.stack import Container
from ansible_collections.swissphoto.silo.plugins.modules import tenant_stacks_info

STOPPED = Container("1", "silo-hans-server-1", "hans", "server", "d", "exited", "", "v3")


def test_the_health_is_that_of_now(monkeypatch, capsys):
    monkeypatch.setattr(engine, "containers", lambda: [STOPPED])
    monkeypatch.setattr(health, "asked", lambda found: [dataclasses.replace(one, health="asked") for one in found])
    with patch_module_args({}), pytest.raises(SystemExit):
        tenant_stacks_info.main()
    (service,) = json.loads(capsys.readouterr().out)["tenants"]["hans"].values()
    assert service == {
        "state": "exited",
        "health": "asked",
        "version": "v3",
        "memory_bytes": 0,
        "memory_limit_bytes": 0,
    }

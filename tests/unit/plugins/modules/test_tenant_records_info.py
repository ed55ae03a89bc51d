"""What the module returns, and what it refuses."""

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.records import Record
from ansible_collections.swissphoto.silo.plugins.modules import tenant_records_info as module


@pytest.fixture
def call(run, tmp_path):
    return lambda name="hans": run(module, directory=str(tmp_path), name=name)


def test_what_is_returned(call, monkeypatch):
    monkeypatch.setattr(module.records, "read", lambda *_given: ([Record(7.0, "it was born")], ["no journal"]))
    expected = [{"at": 7.0, "what": "it was born", "why": ""}]
    assert call() == {"changed": False, "records": expected, "problems": ["no journal"]}


def test_what_is_no_name_becomes_no_path(call):
    assert call("../anna") == {"failed": True, "msg": "name is '../anna'; it must be a tenant's name"}

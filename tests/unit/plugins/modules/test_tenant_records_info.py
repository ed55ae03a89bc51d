"""What the module returns, and what it refuses."""

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.records import Record
from ansible_collections.swissphoto.silo.plugins.modules import tenant_records_info as module


class Exit(Exception):
    """How a module ends."""


@pytest.fixture
def call(monkeypatch, tmp_path):
    def of(name="hans"):
        class Called(AnsibleModule):
            def __init__(self, *_arguments, **_options):
                self.params = {"directory": str(tmp_path), "name": name}

            def exit_json(self, **result):
                raise Exit(result)

            def fail_json(self, **result):
                raise Exit({"failed": True, **result})

        monkeypatch.setattr(module, "AnsibleModule", Called)
        with pytest.raises(Exit) as ended:
            module.main()
        return ended.value.args[0]

    return of


def test_what_is_returned(call, monkeypatch):
    monkeypatch.setattr(module.records, "read", lambda *_given: ([Record(7.0, "it was born")], ["no journal"]))
    expected = [{"at": 7.0, "what": "it was born", "why": ""}]
    assert call() == {"changed": False, "records": expected, "problems": ["no journal"]}


def test_what_is_no_name_becomes_no_path(call):
    assert call("../anna") == {"failed": True, "msg": "name is '../anna'; it must be a tenant's name"}

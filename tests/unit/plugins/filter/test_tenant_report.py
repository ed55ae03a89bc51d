"""What an apply found, gathered and laid out."""

from ansible_collections.swissphoto.silo.plugins.filter import tenant_report

GROUPS = {"speak_for_server": ["hans"], "speak_for_nas": ["hans"]}


def stack(**changes):
    return {"observed": "running", "desired": "running", "changes": [], "error": "", **changes}


def storage(**changes):
    return {"changes": [], "failed": False, "msg": "", **changes}


def outcomes(stacks, storages):
    hans = {"__tenant_stacks": {"tenants": stacks, "orphans": ["eve"]}, "__tenant_storage": {"tenants": storages}}
    return tenant_report.tenant_outcomes({"hans": hans}, GROUPS)


def test_storage_and_stack_of_a_tenant_come_together():
    found = outcomes(
        {"hans": stack(changes=[{"what": "server", "action": "recreate"}]), "maria": stack()},
        {"hans": storage(changes=["limit 50G -> 100G"]), "maria": storage()},
    )
    assert found["hans"]["changes"] == [
        {"what": "storage", "action": "limit 50G -> 100G"},
        {"what": "server", "action": "recreate"},
    ]
    assert found["maria"]["changes"] == []


def test_what_went_wrong_with_either_is_told():
    found = outcomes(
        {"hans": stack(error="no image"), "maria": stack(), "peter": stack()},
        {"maria": storage(failed=True, msg="below what is used")},
    )
    assert {name: outcome["error"] for name, outcome in found.items()} == {
        "hans": "no image",
        "maria": "below what is used",
        "peter": "",
    }


def test_a_call_that_failed_as_a_whole_has_no_outcomes():
    assert tenant_report.tenant_outcomes({"hans": {"__tenant_stacks": {"failed": True, "msg": "x"}}}, GROUPS) == {}


def test_orphans_are_named():
    hostvars = {"hans": {"__tenant_stacks": {"tenants": {}, "orphans": ["eve"]}}}
    assert tenant_report.tenant_orphans(hostvars, GROUPS) == ["eve"]


def test_the_table_has_a_line_for_each_difference():
    changes = [{"what": ".env", "action": "write"}, {"what": "server", "action": "recreate"}]
    table = tenant_report.tenant_table({"maria": stack(changes=changes), "hans": stack()}).splitlines()
    assert [line.split()[0] for line in table] == ["tenant", "hans", "maria", "server"]
    assert table[1].split() == ["hans", "running", "running", "nothing"]
    assert table[3].split() == ["server", "recreate"]

"""What an apply found, gathered and laid out."""

from ansible_collections.swissphoto.silo.plugins.filter import tenant_report

GROUPS = {"one_tenant_per_server": ["hans", "otto"], "one_tenant_per_nas": ["hans"]}
KNOWN = {"silo1": ["hans", "maria", "peter"], "silo2": ["otto"]}


def stack(**changes):
    return {"observed": "running", "desired": "running", "changes": [], "error": "", "note": "", **changes}


def storage(**changes):
    return {"changes": [], "failed": False, "msg": "", **changes}


def speaker(name, server, scope, **results):
    """The variables of a tenant that speaks for its machines, after both calls."""
    storages = {"nas1": [{"name": name} for name in scope]}
    places = {"tenant_server": server, "tenant_nas": "nas1"}
    return {
        name: {**places, "__tenant_scope": {"servers": {server: scope}, "storage": storages, "known": KNOWN}, **results}
    }


def outcomes(stacks, storages):
    answers = {"__tenant_stacks": {"tenants": stacks, "orphans": []}, "__tenant_storage": {"tenants": storages}}
    hostvars = speaker("hans", "silo1", sorted({*stacks, *storages}), **answers) | speaker("otto", "silo2", [])
    return tenant_report.tenant_outcomes(hostvars, GROUPS)


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


def test_who_was_left_alone_is_told_in_the_table_and_in_a_sentence():
    answers = {
        "__tenant_stacks": {"tenants": {"hans": stack(observed="frozen", note="it is frozen"), "maria": stack()}}
    }
    hostvars = speaker("hans", "silo1", ["hans", "maria"], **answers) | speaker("otto", "silo2", [])
    assert tenant_report.tenant_left_alone(hostvars, GROUPS) == ["hans: it is frozen."]
    table = tenant_report.tenant_table(tenant_report.tenant_outcomes(hostvars, GROUPS))
    assert [line.split() for line in table.splitlines()[1:]] == [
        ["hans", "frozen", "running", "left", "alone", "it", "is", "frozen"],
        ["maria", "running", "running", "nothing"],
    ]


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


def test_a_disk_comes_between_the_storage_and_the_stack():
    hans = {"name": "hans", "changed": True}
    answers = {
        "__tenant_stacks": {
            "tenants": {"hans": stack(changes=[{"what": "database", "action": "start"}])},
            "orphans": [],
        },
        "__tenant_disk": {"tenants": {"hans": storage(changes=["limit 20G -> 40G"])}},
        "__tenant_storage": {"tenants": {"hans": storage(changes=["limit 50G -> 100G"])}},
    }
    hostvars = speaker("hans", "silo1", ["hans"], **answers) | speaker("otto", "silo2", [])
    hostvars["hans"]["__tenant_scope"]["disks"] = {"silo1": [hans]}
    found = tenant_report.tenant_outcomes(hostvars, GROUPS)
    assert [(one["what"], one["action"]) for one in found["hans"]["changes"]] == [
        ("storage", "limit 50G -> 100G"),
        ("disk", "limit 20G -> 40G"),
        ("database", "start"),
    ]
    hostvars["hans"]["__tenant_disk"] = {"failed": True, "msg": "nothing is mounted at /databases"}
    found = tenant_report.tenant_outcomes(hostvars, GROUPS)
    assert found["hans"]["error"] == "silo1: nothing is mounted at /databases"
    # Of a server whose tenants are all absent, nobody is called.
    hostvars["hans"]["__tenant_disk"] = {"skipped": True}
    assert tenant_report.tenant_outcomes(hostvars, GROUPS)["hans"]["error"] == ""


def in_one_call(**more):
    """The variables after a call that did all, whose server is its own NAS."""
    parts = {
        "storage": {"tenants": {"hans": storage(changes=["limit 50G -> 100G"])}},
        "disk": {"tenants": {"hans": storage(changes=["limit 20G -> 40G"])}},
    }
    stacks = {"tenants": {"hans": stack(changes=[{"what": "database", "action": "start"}])}, "orphans": []}
    hostvars = speaker("hans", "silo1", ["hans"], __tenant_stacks=stacks | {"parts": parts} | more)
    there = {"silo1": [{"name": "hans"}]}
    hostvars["hans"]["__tenant_scope"] |= {"disks": there, "storage": there}
    return hostvars | speaker("otto", "silo2", [])


def test_what_the_call_of_the_stacks_did_first_is_told_first():
    # A task that was left out has a result as well.
    hostvars = in_one_call()
    hostvars["hans"] |= {"__tenant_storage": {"skipped": True}, "__tenant_disk": {"skipped": True}}
    found = tenant_report.tenant_outcomes(hostvars, GROUPS)
    assert [(one["what"], one["action"]) for one in found["hans"]["changes"]] == [
        ("storage", "limit 50G -> 100G"),
        ("disk", "limit 20G -> 40G"),
        ("database", "start"),
    ]


def test_a_disk_that_cannot_be_read_in_the_call_of_the_stacks_is_an_error_beside_what_it_did():
    disk = {"failed": True, "msg": "nothing is mounted at /databases"}
    (found,) = tenant_report.tenant_outcomes(in_one_call(parts={"disk": disk}), GROUPS).values()
    assert found["error"] == "silo1: nothing is mounted at /databases"
    assert found["changes"] == [{"what": "database", "action": "start"}]


def test_limits_that_were_set_are_told_where_the_stacks_failed_afterwards():
    failed = {"failed": True, "msg": "no engine", "parts": in_one_call()["hans"]["__tenant_stacks"]["parts"]}
    hostvars = in_one_call()
    hostvars["hans"]["__tenant_stacks"] = failed
    (found,) = tenant_report.tenant_outcomes(hostvars, GROUPS).values()
    assert (found["error"], [one["what"] for one in found["changes"]]) == ("silo1: no engine", ["storage", "disk"])


def test_a_call_that_failed_as_a_whole_is_an_error_of_each_of_its_tenants_and_no_other():
    hans = speaker(
        "hans", "silo1", ["hans", "maria"], __tenant_stacks={"failed": True, "msg": "Task failed: no\nengine"}
    )
    otto = speaker("otto", "silo2", ["otto"], __tenant_stacks={"tenants": {"otto": stack()}, "orphans": []})
    found = tenant_report.tenant_outcomes(hans | otto, GROUPS)
    assert {name: outcome["error"] for name, outcome in found.items()} == {
        "hans": "silo1: no engine",
        "maria": "silo1: no engine",
        "otto": "",
    }


def test_a_nas_that_is_away_is_an_error_beside_what_its_servers_did():
    changes = [{"what": "server", "action": "recreate"}]
    answers = {
        "__tenant_stacks": {"tenants": {"hans": stack(changes=changes)}, "orphans": []},
        "__tenant_storage": {"unreachable": True, "msg": "Connection refused"},
    }
    hostvars = speaker("hans", "silo1", ["hans"], **answers) | speaker("otto", "silo2", [])
    found = tenant_report.tenant_outcomes(hostvars, GROUPS)
    assert found == {"hans": stack(changes=changes, error="nas1: Connection refused")}


def test_where_no_call_was_made_nothing_is_told():
    hostvars = speaker("hans", "silo1", ["hans"]) | speaker("otto", "silo2", ["otto"])
    assert tenant_report.tenant_outcomes(hostvars, GROUPS) == {}
    assert tenant_report.tenant_orphans(hostvars, GROUPS) == []


def test_orphans_are_named_with_their_server():
    silo1 = {"tenants": {}, "orphans": ["eve"]}
    silo2 = {"tenants": {}, "orphans": ["hans", "mallory"]}
    hostvars = speaker("hans", "silo1", [], __tenant_stacks=silo1) | speaker("otto", "silo2", [], __tenant_stacks=silo2)
    assert tenant_report.tenant_orphans(hostvars, GROUPS) == [
        "Running on silo1, but in no inventory: eve",
        "Running on silo2, but in no inventory: mallory",
        "Running on silo2, but another server's: hans",
    ]


def test_the_table_has_a_line_for_each_difference():
    changes = [{"what": ".env", "action": "write"}, {"what": "server", "action": "recreate"}]
    table = tenant_report.tenant_table({"maria": stack(changes=changes), "hans": stack()}).splitlines()
    assert [line.split()[0] for line in table] == ["tenant", "hans", "maria", "server"]
    assert table[1].split() == ["hans", "running", "running", "nothing"]
    assert table[3].split() == ["server", "recreate"]


def test_the_table_has_a_line_for_what_failed():
    changes = [{"what": "server", "action": "recreate"}]
    failed = {"hans": stack(error="no\nimage"), "maria": stack(changes=changes, error="no room")}
    table = tenant_report.tenant_table(failed).splitlines()
    assert [line.split()[-3:] for line in table[1:2]] == [["failed", "no", "image"]]
    assert table[2].split()[-2:] == ["server", "recreate"]
    assert table[3].split() == ["failed", "no", "room"]


def test_what_a_container_said_does_nothing_to_a_terminal():
    table = tenant_report.tenant_table({"hans": stack(error="\x1b[2J\u202e" + "x" * 5000, observed="a\x0bb")})
    assert [line for line in table.split("\n") if not line.isprintable()] == []
    assert "\\x1b[2J\\u202exxx" in table
    assert max(map(len, table.split("\n"))) < 1200
    hostile = {"tenants": {}, "orphans": ["\x1b[2J"]}
    hostvars = speaker("hans", "silo1", [], __tenant_stacks=hostile) | speaker("otto", "silo2", [])
    assert tenant_report.tenant_orphans(hostvars, GROUPS) == ["Running on silo1, but in no inventory: \\x1b[2J"]

"""What the scope of a run says of templates, and of what the calls of the stacks do first."""

import types

import pytest
from ansible_collections.swissphoto.silo.plugins.action import tenant_scope


def test_a_server_without_tenants_keeps_the_template_of_its_next_one(monkeypatch):
    monkeypatch.setattr(tenant_scope, "template", types.SimpleNamespace(keys=list))
    hans = types.SimpleNamespace(nas="nas1", server="silo1")
    found = tenant_scope._templates([hans], {one: f"next of {one}" for one in ("silo1", "silo2")})
    assert found == {"nas1": [hans, "next of silo1", "next of silo2"]}


def tenant(server, nas, state="running"):
    return types.SimpleNamespace(server=server, nas=nas, state=state)


def before_stacks(*tenants, run=("all",), skip=()):
    return tenant_scope._before_stacks(tenants, {"ansible_run_tags": run, "ansible_skip_tags": skip})


def test_the_call_of_the_stacks_gives_their_disk_first():
    found = before_stacks(tenant("silo1", "nas1"), tenant("silo1", "nas2"), tenant("silo2", "nas1"))
    assert found == {"silo1": ["disk"], "silo2": ["disk"]}


def test_it_gives_the_storage_as_well_where_the_server_is_the_nas_of_its_tenants_and_of_no_others():
    own = tenant("silo1", "silo1")
    assert before_stacks(own, own, tenant("silo2", "nas1")) == {"silo1": ["storage", "disk"], "silo2": ["disk"]}
    # Another server's must have theirs before they start, and the first tenant speaks for its NAS.
    assert before_stacks(own, tenant("silo2", "silo1")) == {"silo1": ["disk"], "silo2": ["disk"]}
    assert before_stacks(tenant("silo1", "nas1"), own) == {"silo1": ["disk"]}


def test_who_is_to_be_absent_gets_nothing():
    assert before_stacks(tenant("silo1", "silo1", "absent")) == {"silo1": []}


@pytest.mark.parametrize(
    ("run", "skip", "done"),
    [
        (["all"], [], ["storage", "disk"]),
        (["tagged"], [], ["storage", "disk"]),
        (["stacks"], [], []),
        (["stacks", "letters"], [], []),
        (["disk"], [], []),
        (["storage"], [], []),
        (["stacks", "disk"], [], ["disk"]),
        (["all"], ["disk"], ["storage"]),
        (["all"], ["storage", "stacks"], []),
        (["all"], ["all"], []),
    ],
)
def test_it_does_only_what_the_tags_of_the_run_let_run(run, skip, done):
    assert before_stacks(tenant("silo1", "silo1"), run=run, skip=skip) == {"silo1": done}

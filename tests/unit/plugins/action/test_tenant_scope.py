"""What the scope of a run says of templates."""

import types

from ansible_collections.swissphoto.silo.plugins.action import tenant_scope


def test_a_server_without_tenants_keeps_the_template_of_its_next_one(monkeypatch):
    monkeypatch.setattr(tenant_scope, "template", types.SimpleNamespace(keys=list))
    hans = types.SimpleNamespace(nas="nas1", server="silo1")
    found = tenant_scope._templates([hans], {one: f"next of {one}" for one in ("silo1", "silo2")})
    assert found == {"nas1": [hans, "next of silo1", "next of silo2"]}

"""The module's answer: what differs, and nothing of what it was called with."""

import dataclasses
import json

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant import engine, health
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.stack import Container
from ansible_collections.swissphoto.silo.plugins.modules import tenant_stacks

OLD = [Container("1", f"silo-{name}-server-1", name, "server", "s", "running", "healthy") for name in ("hans", "maria")]
SECRETS = {"database_password": "Dsecret-of-hans", "cache_password": "Csecret-of-hans", "valkey.conf": "Vsecret\n"}
HANS = {
    "name": "hans",
    "host_name": "hans.swissphoto.ch",
    "template": "0123456789abcdef",
    "state": "running",
    "uid": 200001,
    "photo_server": "http://10.83.0.18:2283",
    "storage": "/instances/hans",
    "disk": "/databases/hans",
    "app_quota": 1,
    "email": "hans@example.ch",
    "admin_password": "Asecret-of-hans",
    "env": "TENANT_NAME=hans\n",
    "configuration": "{}\n",
    "route": "route: hans\n",
    "starting": "route: starting\n",
    "digests": {"server": "s"},
    "secrets": SECRETS,
}


@pytest.fixture
def answer(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(engine, "SOCKET", str(tmp_path / "no.sock"))

    def of(**more):
        places = {"directory": str(tmp_path / "tenants"), "routes_directory": str(tmp_path)}
        given = {"names": ["hans"], "compose": "services: {}\n", "tenants": [HANS], **places}
        with patch_module_args({**given, "_ansible_check_mode": True, **more}), pytest.raises(SystemExit):
            tenant_stacks.main()
        return json.loads(capsys.readouterr().out)

    return of


def test_what_it_was_called_with_is_no_part_of_its_answer(answer):
    """Else Ansible looks in all of it for every secret of every tenant: of 200 new tenants for three seconds."""
    told = answer()
    assert told["invocation"] == {}
    assert told["tenants"]["hans"]["observed"] == "absent"
    assert "services: {}" not in json.dumps(told)


def test_files_are_shown_only_to_who_asks_for_them(answer):
    assert answer()["diff"] == []
    told = answer(_ansible_diff=True)
    assert "TENANT_NAME=hans\n" in {diff["after"] for diff in told["diff"]}
    assert not [secret for secret in (*SECRETS.values(), HANS["admin_password"]) if secret in json.dumps(told)]


def test_only_the_tenants_that_are_named_are_asked_how_they_are(answer, monkeypatch):
    asked = []

    def ask(containers):
        asked.extend(container.tenant for container in containers)
        return [dataclasses.replace(container, health="not answering") for container in containers]

    monkeypatch.setattr(tenant_stacks, "_containers", lambda _check_mode: OLD)
    monkeypatch.setattr(health, "asked", ask)
    told = answer()
    assert asked == ["hans"]
    assert told["tenants"]["hans"]["observed"] == "server not healthy"
    assert told["orphans"] == ["maria"]

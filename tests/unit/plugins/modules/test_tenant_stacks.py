"""The module's answer: what differs, and nothing of what it was called with."""

import dataclasses
import json

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.swissphoto.silo.plugins.module_utils.common.mounts import Mount
from ansible_collections.swissphoto.silo.plugins.module_utils.quota import allotment
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.base import QuotaError
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.unlimited import Unlimited
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


QUOTA = {
    "root": "/databases",
    "sentinel": ".silo-disk",
    "uploads": False,
    "tenants": [{"name": "hans", "id": 1, "uid": 200001, "gid": 200001, "limit": "20G"}],
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


@pytest.fixture
def opened(tmp_path, monkeypatch):
    """The roots that are opened, in this order; each is a file system without limits."""
    roots = []

    def open_root(values, _check_mode, run):
        if values["root"] == "/away":
            raise QuotaError("nothing is mounted at /away")
        roots.append(values["root"])
        root = tmp_path / values["root"].strip("/")
        root.mkdir()
        return Unlimited(Mount(str(root), "ext4", "/dev/sdb", "/", frozenset({"rw"})), run)

    monkeypatch.setattr(allotment, "open_root", open_root)
    return roots


def test_limits_are_set_before_the_stacks_and_told_beside_them(answer, opened, monkeypatch):
    monkeypatch.setattr(tenant_stacks, "_containers", lambda _check_mode: opened.append("the engine") or [])
    told = answer(storage={"root": "/instances", "tenants": QUOTA["tenants"]}, disk=QUOTA, _ansible_diff=True)
    assert opened == ["/instances", "/databases", "the engine"]
    assert {part: one["tenants"]["hans"]["changes"] for part, one in told["parts"].items()} == {
        "storage": ["new, without a limit"],
        "disk": ["new, without a limit"],
    }
    assert told["tenants"]["hans"]["observed"] == "absent"
    assert [diff["after_header"].rpartition("/")[0].rpartition("/")[2] for diff in told["diff"][:2]] == [
        "instances",
        "databases",
    ]
    assert [part.get("diff") for part in told["parts"].values()] == [None, None]


def test_a_run_that_sets_no_limit_has_no_part(answer, opened):
    assert (answer()["parts"], opened) == ({}, [])


def test_a_file_system_that_is_away_keeps_no_stack_from_its_state(answer, opened):
    told = answer(disk={**QUOTA, "root": "/away"})
    assert told["parts"] == {"disk": {"failed": True, "msg": "nothing is mounted at /away"}}
    assert (told.get("failed", False), told["tenants"]["hans"]["error"]) == (False, "")


def test_limits_are_told_where_the_stacks_fail(answer, opened, monkeypatch):
    def silent(_check_mode):
        raise OSError("the engine does not answer")

    monkeypatch.setattr(tenant_stacks, "_containers", silent)
    told = answer(disk=QUOTA)
    assert (told["failed"], told["msg"]) == (True, "the engine does not answer")
    assert told["parts"]["disk"]["tenants"]["hans"]["changed"] is True


def test_options_of_a_quota_that_cannot_be_are_refused_before_anything_is_done(answer, opened):
    told = answer(disk={"root": "/databases", "limits": []})
    assert told["failed"]
    assert told["msg"].startswith("disk: ")
    assert "missing required arguments: tenants" in told["msg"]
    assert opened == []

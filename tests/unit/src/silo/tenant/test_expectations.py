"""What diagnostics_info is told of a tenant."""

import json

from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics.expected import parse

from silo.tenant.expectations import expected_state, seccomp
from silo.tenant.model import derive

GIB = 1024**3


def test_the_expected_state_of_hans(tenant_values):
    secrets = {f"{name}_password": f"s3cret-{name}" for name in ("database", "cache", "admin")}
    found = expected_state(derive("hans", tenant_values | {"tenant_secrets": secrets}))
    assert (found["name"], found["state"], found["uid"], found["bridge"]) == ("hans", "running", 200001, "im-1")
    assert (found["gateway"], found["storage"]) == ("10.83.0.17", "/instances/hans")
    server, database, cache = found["services"]
    assert server == {
        "name": "server",
        "image": "server:1",
        "memory": GIB,
        "burst": GIB // 2,
        "processes": 512,
        "memory_order": 300,
        "open_files": 16384,
        "writable": ["/data", "/data/backups", "/tmp"],
        "address": "10.83.0.18",
        "port": 2283,
    }
    assert (database["processes"], database["port"]) == (200, 5432)
    assert database["writable"] == ["/var/lib/postgresql/data", "/tmp", "/var/run/postgresql", "/etc/postgresql"]
    assert (cache["memory"], cache["writable"]) == (GIB // 2, ["/data"])
    assert "s3cret" not in json.dumps(found)


def test_a_server_can_use_what_it_is_told(tenant_values):
    (hans,) = parse({"server": "silo1", "tenants": [expected_state(derive("hans", tenant_values))]}).tenants
    server, _database, cache = hans.services
    assert (hans.uid, cache.container, server.memory) == (200001, "silo-hans-cache-1", GIB)


def test_the_database_is_ended_last(tenant_values):
    server, database, cache = expected_state(derive("hans", tenant_values))["services"]
    assert database["memory_order"] < cache["memory_order"] < server["memory_order"]


def test_the_profile_is_that_of_the_compose_file():
    assert seccomp() == "/etc/silo/seccomp-1.json"

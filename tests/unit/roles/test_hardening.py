"""Every container that we run, by its Compose file: what bounds it.

docs/explain/security.md has the same in a table.
"""

import re
from pathlib import Path

import pytest
import yaml

from silo.tenant import template

ROOT = Path(__file__).parents[3]
# Those that their roles do not know by themselves.
VARIABLES = {
    "traefik_routes_directory": "/srv/silo/traefik/routes",
    "traefik_image": "traefik:1",
    "__traefik_digest": "1",
    "pages_image": "nginx:1",
    "__pages_digest": "1",
    "machine_learning_image": "ml:1",
    "__machine_learning_record": "1",
    "__machine_learning_seen": {"preload": {}},
}


@pytest.fixture(scope="module")
def services(render):
    """Name to section, of all containers."""
    found = yaml.safe_load((ROOT / "roles" / "tenant" / "files" / "compose.yaml").read_text())["services"]
    for role in ("traefik", "pages", "machine_learning"):
        found |= yaml.safe_load(render(role, "compose.yaml.j2", **VARIABLES))["services"]
    return found


def test_all_are_here(services):
    assert set(services) == {"server", "database", "cache", "traefik", "pages", "machine-learning"}


def test_no_two_programs_are_one_user():
    """Who took over one of them would have the files and the rights of the other as well."""
    users = {"template": template.UID}
    for path in (ROOT / "roles").glob("*/defaults/main.yml"):
        values = yaml.safe_load(path.read_text()) or {}
        users |= {name: value for name, value in values.items() if name.endswith("_uid")}
    assert {"traefik_uid", "billing_uid", "machine_learning_gate_uid"} <= users.keys()
    assert len(set(users.values())) == len(users), users


def test_each_is_bounded(services):
    for name, service in services.items():
        assert service["user"].split(":")[0] not in ("", "0", "root"), name
        assert service["cap_drop"] == ["ALL"], name
        assert "cap_add" not in service, name
        assert not {"privileged", "devices", "pid", "ipc", "ports"} & set(service), name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert not any("unconfined" in option for option in service["security_opt"]), name
        assert service["read_only"] is True, name
        assert service["init"] is True, name
        assert service["mem_limit"] == service["memswap_limit"], name
        assert 0 < service["pids_limit"] <= 1024, name
        assert service["ulimits"]["core"] == 0, name
        # A request of a customer takes two connections of the proxy.
        assert service["ulimits"]["nofile"] == (65536 if name == "traefik" else 16384), name
        assert service["logging"] == {"driver": "local", "options": {"max-size": "10m", "max-file": "3"}}, name
        assert service["restart"] == "unless-stopped", name


def test_what_is_verified_of_the_shared_is_what_their_files_have(services):
    (shared,) = [
        task["swissphoto.silo.diagnostics_info"]["expected"]["shared"]
        for play in yaml.safe_load((ROOT / "playbooks" / "read.yml").read_text())
        for task in play["tasks"]
        if "shared" in task.get("swissphoto.silo.diagnostics_info", {}).get("expected", {})
    ]
    assert len(shared) == 3
    for item in shared:
        service = services[item["name"].replace(" ", "-")]
        own = [text.split(":")[1] for text in service["volumes"] if not text.endswith(":ro")]
        in_memory = [text.partition(":")[0] for text in service["tmpfs"]]
        assert item["writable"] == [*own, *in_memory], item["name"]
        assert item["uid"].endswith(f"| default({service['user'].split(':')[0]}) }}}}"), item["name"]
        assert (item["processes"], item["memory_order"]) == (service["pids_limit"], service["oom_score_adj"])
        is_policy = item["open_files"] == "{{ traefik_open_files }}"
        assert is_policy or item["open_files"] == service["ulimits"]["nofile"], item["name"]
        assert bool(item["port"]) == ("network_mode" not in service), item["name"]


def test_what_lies_in_memory_has_an_end(services):
    for service in services.values():
        for text in service.get("tmpfs", []):
            assert re.search(r"[:,]size=\d+m$", text), text


def test_the_host_s_network_is_the_proxy_s_alone(services):
    assert [name for name, service in services.items() if "network_mode" in service] == ["traefik"]


def test_where_memory_is_short_the_database_is_ended_last_and_learning_first(services):
    order = {name: service["oom_score_adj"] for name, service in services.items()}
    # Below 0 would need a capability that an engine in a container does not have.
    assert min(order.values()) == 0
    assert {name for name, number in order.items() if number == 0} == {"database", "traefik"}
    assert order["cache"] < order["server"] < order["machine-learning"]


def test_where_processors_are_short_nobody_waits_for_learning(services):
    shares = {name: service.get("cpu_shares", 1024) for name, service in services.items()}
    assert shares["machine-learning"] < shares["server"] < shares["database"] < shares["traefik"]


def test_the_document_tells_what_is_in_the_files(services):
    """Each number of the table in docs/explain/security.md is that of the Compose file."""
    rows = [
        [cell.strip(" `") for cell in line.split("|")[1:-1]]
        for line in (ROOT / "docs" / "explain" / "security.md").read_text().splitlines()
        if line.startswith("| `")
    ]
    told = {row[0]: row[1:] for row in rows if row[0] in services}
    assert set(told) == set(services)
    for name, service in services.items():
        _user, _memory, processes, order, shares, tmpfs, _exceptions = told[name]
        in_memory = ", ".join(
            f"{text.partition(':')[0].replace('/var/run', '/run')} {text.rpartition('size=')[2]}"
            for text in service.get("tmpfs", [])
        )
        numbers = (service["pids_limit"], service["oom_score_adj"], service.get("cpu_shares", 1024))
        assert (processes, order, shares) == tuple(map(str, numbers)), name
        assert tmpfs == (in_memory or "none"), name

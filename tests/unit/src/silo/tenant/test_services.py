"""The containers of a tenant are the Compose file's to say: what it says of them, and a fourth in all who iterate."""

import dataclasses
import json
import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics.expected import parse
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.payload import CONFIGURATION, stack

from silo import fleet
from silo.capacity import GIB
from silo.inventory.model import memory
from silo.reports.usage import usage
from silo.tenant import expectations, services
from silo.tenant.model import derive
from silo.tenant.render import render
from silo.tenant.services import ServiceError
from tests import templates

SECRETS = {"database_password": "Dsecret", "cache_password": "Csecret", "admin_password": "Asecret"}


def whole(values):
    """Digests stand there in groups of letters, so that the gate for secrets takes none of them for a key."""
    is_digests = all(isinstance(text, str) and DIGEST.fullmatch(text) for text in values.values()) and values
    return {name: text.replace(" ", "") for name, text in values.items()} if is_digests else values


DIGEST = re.compile(r"([0-9a-f]{8} ){7}[0-9a-f]{8}")
RENDERED = json.loads(Path(__file__).with_name("rendered.json").read_text(), object_hook=whole)
MIB = 1024**2
# All that a fourth container of every tenant takes: one section.
FOURTH = """
  thumbs:
    x-silo:
      address: 5
      port: 8090
      variables:
        THUMBS_POOL: memory/8
    <<: *service
    image: example.ch/thumbs@sha256:1
    mem_limit: 256m
    memswap_limit: 256m
    pids_limit: 32
    oom_score_adj: 200
    secrets: [cache_password]
    volumes:
      - {type: bind, source: "${TENANT_DISK}/thumbs", target: /thumbs, bind: {create_host_path: false}}
    networks:
      default: {ipv4_address: "${THUMBS_ADDRESS}"}
    environment: {POOL: "${THUMBS_POOL}"}
    labels:
      ch.swissphoto.silo.tenant: ${TENANT_NAME}
      ch.swissphoto.silo.service: thumbs
      ch.swissphoto.silo.digest: ${THUMBS_DIGEST}

networks:
"""


@pytest.fixture
def edited(tmp_path, monkeypatch):
    """A function: replaces a text in a copy of the Compose file, which is then the one that counts."""

    def edit(before, after):
        file = tmp_path / "compose.yaml"
        text = services.compose_path().read_text()
        assert before in text
        file.write_text(text.replace(before, after, 1))
        monkeypatch.setattr(services, "compose_path", lambda: file)

    return edit


@pytest.fixture
def fourth(edited):
    edited("\nnetworks:\n", FOURTH)
    return derive("hans", templates.HANS)


@pytest.mark.parametrize("case", RENDERED["tenants"])
def test_an_upgrade_makes_no_container_anew(case):
    """What was rendered before services were data. Who changes it knowingly writes it anew, for all are restarted."""
    before = RENDERED["tenants"][case]
    tenant = derive("hans", {**templates.HANS, **before["settings"]})
    found = json.loads(json.dumps(dataclasses.asdict(render(tenant, SECRETS))))
    assert found.pop("compose") == ""
    assert found == before["files"]
    expected = expectations.expected_state(tenant)
    assert {key: expected[key] for key in before["expected"]} == before["expected"]


def test_a_server_gets_the_compose_file_as_it_was():
    assert services.compose_file() == RENDERED["compose.yaml"]
    assert services.BLOCK not in services.compose_file()


def test_where_files_lie_and_who_mounts_them():
    assert services.folders() == ("backups", "database", "queue")
    assert services.mounts() == {
        "database_password": ["server"],
        "cache_password": ["server", "cache"],
        "valkey.conf": ["cache"],
        "immich.json": ["server"],
    }


def test_what_a_service_needs_is_what_it_depends_on(edited):
    assert services.after() == {"server": ["database", "cache"]}
    edited("      database: {condition: service_healthy}\n", "")
    assert services.after() == {"server": ["cache"]}


def test_every_file_that_a_service_mounts_is_rendered():
    files = render(derive("hans", templates.HANS), SECRETS)
    assert set(services.secret_files()) == set(files.secrets)
    assert services.configuration_files() == (CONFIGURATION,)


def test_a_tenant_may_keep_a_database_of_its_own_image():
    """And the rest of it has the images of the policy, and no other container is made anew."""
    own = "ghcr.io/immich-app/postgres:14-vectorchord0.4.3@sha256:" + "0" * 64
    policy = render(derive("hans", templates.HANS), SECRETS)
    kept = render(derive("hans", {**templates.HANS, "tenant_database_image": own}), SECRETS)
    changed = set(kept.env.splitlines()) ^ set(policy.env.splitlines())
    assert {line for line in changed if "_DIGEST=" not in line} == {
        "DATABASE_IMAGE=database:1",
        f"DATABASE_IMAGE={own}",
    }
    assert {name for name in kept.digests if kept.digests[name] != policy.digests[name]} == {"database"}


def test_the_defaults_are_those_of_the_mission():
    assert services.default_memory() == 2.5 * GIB
    assert services.default_burst() == GIB // 2
    assert services.burst_settings() == ("tenant_server_burst",)
    assert services.memory_settings() == ("tenant_server_memory", "tenant_database_memory", "tenant_cache_memory")


def test_a_fourth_container_is_rendered(fourth):
    files = render(fourth, SECRETS)
    lines = files.env.splitlines()
    assert "THUMBS_ADDRESS=10.83.0.21" in lines
    assert "THUMBS_IMAGE=example.ch/thumbs@sha256:1" in lines
    assert f"THUMBS_MEMORY={256 * MIB}" in lines
    assert "THUMBS_POOL=32MB" in lines
    assert f"THUMBS_DIGEST={files.digests['thumbs']}" in lines
    assert set(services.VARIABLE.findall(services.compose_file())) <= {line.partition("=")[0] for line in lines}
    assert f"MemoryMax={fourth.memory_bytes + fourth.burst_bytes}" in files.slice
    assert {name: files.digests[name] for name in ("server", "database", "cache")} == RENDERED["tenants"]["plain"][
        "files"
    ]["digests"]


def test_a_fourth_container_is_made_by_the_module(fourth, tmp_path):
    rendered = render(fourth, SECRETS)
    item = {
        **{key: getattr(rendered, key) for key in ("compose", "env", "slice", "configuration", "route", "starting")},
        **{"digests": rendered.digests, "secrets": rendered.secrets, "name": "hans", "host_name": fourth.host_name},
        **{"state": "running", "uid": fourth.uid, "storage": fourth.storage, "photo_server": fourth.photo_server},
        **{"email": fourth.email, "admin_password": "Asecret", "app_quota": fourth.app_quota},
        "template": "0123456789abcdef",
        "disk": fourth.disk,
    }
    places = {"directory": tmp_path, "routes_directory": tmp_path, "anew": [], "unlimited": []}
    told = {"compose": services.compose_file(), "mounts": services.mounts(), "folders": services.folders()}
    told |= {"after": services.after()}
    made = stack(item, {**places, **told})
    assert Path("/databases/hans/thumbs") in [directory.path for directory in made.directories]
    (password,) = [file for file in made.files if file.path.name == "cache_password"]
    assert password.services == ("server", "cache", "thumbs")
    assert set(made.digests) == {"server", "database", "cache", "thumbs"}


def test_a_fourth_container_is_in_the_memory_budget(fourth):
    assert memory(fourth) == 2.5 * GIB + 256 * MIB
    assert services.default_memory() == memory(fourth)


def test_a_fourth_container_is_verified(fourth):
    expected = parse({"ports": expectations.ports(), "tenants": [expectations.expected_state(fourth)]})
    (tenant,) = expected.tenants
    (found,) = (service for service in tenant.services if service.label == "hans/thumbs")
    assert (found.memory, found.processes, found.memory_order) == (256 * MIB, 32, 200)
    assert (found.image, found.address, found.port) == ("example.ch/thumbs@sha256:1", "10.83.0.21", 8090)
    assert (found.container, found.writable) == ("silo-hans-thumbs-1", ("/thumbs",))
    assert tenant.data == ("backups", "database", "queue", "thumbs")
    # From another tenant nobody may reach it.
    assert set(expected.texts("ports")) == {"2283", "5432", "6379", "8090"}


SERVICE = {"state": "running", "health": "healthy", "version": "", "memory_bytes": 1, "memory_limit_bytes": 2}


def test_a_fourth_container_is_listed(fourth):
    three = dict.fromkeys(("server", "database", "cache"), SERVICE)
    assert fleet.observed(three) == "3 of 4 running"
    assert fleet.observed({**three, "thumbs": SERVICE}) == "running"


def test_a_fourth_container_is_counted(fourth):
    group = {
        **dict.fromkeys(("memory_bytes", "anonymous_bytes", "memory_limit_bytes", "memory_limit_events"), 7),
        **dict.fromkeys(("oom_kills", "cpu_seconds", "disk_read_bytes", "disk_written_bytes", "processes"), 7),
    }
    one = {
        **SERVICE,
        "group": group,
        "network": {"received_bytes": 1, "sent_bytes": 1},
        "restarts": 0,
        "cpu_cores": 0.5,
    }
    one |= {"started": "2026-11-23T16:57:05Z", "identity": "1"}
    database = {"size_bytes": 1, "photos": 1, "videos": 1, "users": 1, "last_login": None}
    found = {"services": dict.fromkeys(services.services(), one), "database": database, "slice": None}
    found["burst_bytes"] = 0
    found["disk"] = {"database_bytes": 5, "thumbs_bytes": 70}
    facts = {"hans": {"server": "silo1", "nas": "silo1", "desired": "running"}}
    servers = {"silo1": {"tenants": {"hans": found}, "metrics": None, "metrics_problem": "none"}}
    (hans,) = usage(facts, servers, {}).tenants
    assert (hans.observed, hans.memory_bytes, hans.local_bytes) == ("running", 28, 75)


def test_a_limit_that_a_setting_gives_needs_its_name_alone(edited):
    edited(
        "\nnetworks:\n",
        FOURTH.replace("mem_limit: 256m", "mem_limit: ${THUMBS_MEMORY}").replace(
            "address: 5", "memory: tenant_cache_memory\n      address: 5"
        ),
    )
    assert derive("hans", {**templates.HANS, "tenant_cache_memory": "1G"}).memory["thumbs"] == GIB


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("address: 3", "address: 2", "address is 2; it must be a number from 2 to 7 that no other service has"),
        ("address: 3", "address: 8", "address is 8; it must be a number from 2 to 7"),
        (
            "address: 3",
            "adress: 3",
            "x-silo has adress; the keys are address, burst, environment, image, memory, port, variables",
        ),
        ("port: 5432", "port: many", "x-silo cannot be read"),
        ("memory: tenant_cache_memory", "memory: tenant_cash_memory", "names tenant_cash_memory; name a setting of"),
        ("memory: tenant_cache_memory\n      ", "", "a setting as memory or a size as mem_limit"),
        (
            ": tenant_vector_extension",
            ": tenant_vector_extensions",
            "names tenant_vector_extensions; name a setting",
        ),
        (
            '"${TENANT_DISK}/queue"',
            "./queue",
            "cache: it may write to ./queue, which no quota counts; write ${TENANT_DISK}",
        ),
        ("IMMICH_LOG_LEVEL: tenant_log_level", "IMMICH_LOG_LEVEL: tenant_log", "names tenant_log; name a setting of"),
    ],
)
def test_a_mistake_in_the_file_is_a_sentence(edited, before, after, said):
    edited(before, after)
    with pytest.raises(ServiceError, match=re.escape(said)):
        services.services()


def test_the_blocks_are_all_that_a_server_does_not_get():
    whole = yaml.safe_load(services.compose_path().read_text())
    for section in whole["services"].values():
        section.pop(services.BLOCK)
    assert whole == yaml.safe_load(services.compose_file())

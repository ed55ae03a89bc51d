"""`silo images` on a lab: a registry of the world is asked, and each server tells what it runs."""

import json
import os
import socket
from pathlib import Path

import pytest

from silo.images import Reference, Registry, RegistryError
from tests.official import official

# A container of each image of the policy.
CONTAINERS = {
    "immich_server": "silo-hans-server-1",
    "immich_machine_learning": "silo-machine-learning-machine-learning-1",
    "postgres": "silo-hans-database-1",
    "valkey": "silo-hans-cache-1",
    "traefik": "silo-traefik-traefik-1",
    "pages": "silo-pages-pages-1",
}
SHARED = {"silo-traefik-traefik-1", "silo-machine-learning-machine-learning-1", "silo-pages-pages-1"}


@pytest.fixture(scope="module")
def known():
    return json.loads(Path(os.environ["SILO_LAB_FILE"]).read_text())


@pytest.fixture
def registry(known, monkeypatch):
    """The lab's registry, asked from here, where nobody knows its name."""
    host = known["registry"].partition(":")[0]
    look_up = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda name, *rest, **more: look_up(known["resolver"] if name == host else name, *rest, **more),
    )
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", known["lab_ca_file"])
    return Registry()


def test_a_registry_tells_tags_and_digests(known, registry):
    ours = [text for text in known["images"].values() if text.startswith(known["registry"])]
    if not ours:
        pytest.skip("no image of this lab is in the lab's registry, the only one that can be asked from here")
    for text in ours:
        pinned = Reference.parse(text)
        tags = registry.tags(pinned)
        found = {registry.digest(Reference(pinned.registry, pinned.repository, tag)) for tag in tags}
        # The engine pulls by this digest what was pushed by one of these tags.
        assert pinned.digest in found
    with pytest.raises(RegistryError, match="it has no such image"):
        registry.digest(Reference(known["registry"], "traefik", "nothing"))


@pytest.mark.usefixtures("registry")
def test_a_registry_with_another_certificate_is_not_believed(known, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", known["ca_file"])
    with pytest.raises(RegistryError, match=r"cannot be reached: .*certificate"):
        Registry().tags(Reference(known["registry"], "traefik", "1"))


def test_what_runs_is_what_is_pinned(known, silo):
    found = silo.json("images", "--list")
    assert found["problems"] == []
    for image in found["images"]:
        assert image["image"] == known["images"][image["name"]]
        assert image["runs"] == {"silo1": [image["digest"]]}


@pytest.mark.parametrize("key", official())
def test_each_image_starts_by_the_compose_file_of_its_role(lab, known, key):
    """With its own entry point, as the documents have it of the official image; what it does there, it does here."""
    container = CONTAINERS[key]
    found = lab.inspect(container)
    assert (found["State"]["Status"], found["State"]["Health"]["Status"]) == ("running", "healthy")
    assert tuple(found["Config"]["Entrypoint"] or ()) == official()[key].entry_point
    assert found["Config"].get("StopSignal", "SIGTERM") == official()[key].stop_signal
    assert found["Config"]["Image"] == known["images"][key]


def test_the_list_of_all_names_each_container(silo):
    bom = json.loads(silo.run("images", "--sbom"))
    users = {
        use["value"]
        for one in bom["components"]
        if one["type"] == "container" and one["hashes"]
        for use in one["properties"]
    }
    wanted = SHARED | {f"silo-hans-{service}-1" for service in ("server", "database", "cache")}
    assert {f"silo1/{name}" for name in wanted} <= users


@pytest.fixture
def older(lab, operator):
    """The files of a tenant say that its database is of Postgres 14; a setting would make the container anew."""
    version = "/databases/peter/database/PG_VERSION"
    own = lab.run("cat", version).strip()
    operator.edit("peter", database_memory="1152M")
    lab.shell(f"echo 14 >{version}")
    yield own
    lab.shell(f"echo {own} >{version}")
    operator.edit("peter", database_memory=None)


def test_a_database_of_another_major_version_gets_no_image_that_cannot_read_it(lab, operator, older):
    before, record = lab.containers("peter"), lab.run("cat", "/srv/silo/tenants/peter/.env")
    for playbook in ("plan.yml", "apply.yml"):
        run = operator.try_run(playbook, "--limit", "peter")
        assert run.code != 0
        told = " ".join(run.output.split())
        assert "peter: its database is of Postgres 14, and " in told
        assert f"is of Postgres {older}, which cannot read it; nothing was changed." in told
        assert "tenant_database_image: <an image of Postgres 14>" in told
    assert (lab.containers("peter"), lab.run("cat", "/srv/silo/tenants/peter/.env")) == (before, record)

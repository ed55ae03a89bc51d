"""Compose itself takes every file that is made for it, and reads in it what is meant."""

import json
import subprocess

import pytest

from silo.tenant import secrets
from silo.tenant.model import derive
from silo.tenant.render import render
from silo.tenant.services import compose_file
from tests import templates

IMAGE = "example.ch/image@sha256:" + "0" * 64
TRAEFIK = {
    "traefik_image": IMAGE,
    "traefik_routes_directory": "/srv/silo/traefik/routes",
    "__traefik_digest": "digest",
}
SHARED = [
    ("traefik", TRAEFIK),
    ("traefik", TRAEFIK | {"traefik_dns_environment": {"EXOSCALE_API_KEY": "a", "EXOSCALE_API_SECRET": "b"}}),
    ("pages", {"pages_image": IMAGE, "__pages_digest": "digest"}),
    ("machine_learning", {"machine_learning_image": IMAGE}),
]


@pytest.fixture(scope="module")
def compose():
    """A function: a folder to what Compose reads in its compose.yaml and .env, and what it says about it."""
    try:
        found = subprocess.run(["docker", "compose", "version"], capture_output=True, text=True)
        reason = found.stderr.strip() if found.returncode else ""
    except FileNotFoundError:
        reason = "there is no Docker client"
    if reason:
        pytest.skip(f"docker compose is not here ({reason.splitlines()[0]}); Debian has it as docker-compose")

    def config(folder):
        command = ["docker", "compose", "--project-directory", str(folder), "config", "--format", "json"]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    return config


@pytest.mark.parametrize("slice_", [True, False])
def test_the_file_of_a_tenant(compose, tmp_path, slice_):
    tenant = derive("hans", templates.HANS | {"tenant_slice": slice_})
    (tmp_path / "compose.yaml").write_text(compose_file())
    (tmp_path / ".env").write_text(render(tenant, secrets.make()).env)
    read = compose(tmp_path)
    # It warns of a variable that is nowhere set, and goes on with nothing in its place.
    assert (read.returncode, read.stderr) == (0, "")
    model = json.loads(read.stdout)
    services = model["services"]
    assert model["name"] == "silo-hans"
    assert {name: int(one["mem_limit"]) for name, one in services.items()} == tenant.memory
    assert {one["image"] for one in services.values()} == {"server:1", "database:1", "cache:1"}
    assert {one.get("cgroup_parent", "") for one in services.values()} == {"silo-hans.slice" if slice_ else ""}


@pytest.mark.parametrize(("role", "variables"), SHARED)
def test_the_file_of_a_shared_service(compose, tmp_path, role, variables):
    (tmp_path / "compose.yaml").write_text(templates.render(role, "compose.yaml.j2", **variables))
    read = compose(tmp_path)
    assert (read.returncode, read.stderr) == (0, "")
    (service,) = json.loads(read.stdout)["services"].values()
    assert service["image"] == IMAGE


def test_a_setting_of_machine_learning_is_what_was_written(compose, tmp_path):
    variables = {"machine_learning_image": IMAGE, "machine_learning_environment": {"A": "$HOME ${X}", "B": 7}}
    (tmp_path / "compose.yaml").write_text(templates.render("machine_learning", "compose.yaml.j2", **variables))
    read = compose(tmp_path)
    assert (read.returncode, read.stderr) == (0, "")
    environment = json.loads(read.stdout)["services"]["machine-learning"]["environment"]
    # As it is written into a file, where a $ is again doubled.
    assert (environment["A"].replace("$$", "$"), environment["B"]) == ("$HOME ${X}", "7")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("cap_drop:", "cap_dropped:", "cap_dropped"),
        ("${DATABASE_IMAGE}", "${DATABASE_PICTURE}", "DATABASE_PICTURE"),
    ],
)
def test_a_mistake_would_be_seen(compose, tmp_path, before, after, said):
    (tmp_path / "compose.yaml").write_text(compose_file().replace(before, after))
    (tmp_path / ".env").write_text(render(derive("hans", templates.HANS), secrets.make()).env)
    assert said in compose(tmp_path).stderr

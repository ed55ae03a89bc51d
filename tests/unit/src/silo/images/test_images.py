"""Images: their names, what is newer, what a registry says, the file of pins, and the list of what runs."""

import dataclasses
import hashlib
import json
import re
import time

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from silo.images import ImageError, Pins, Reference, Registry, RegistryError, Running, document, newer, survey
from silo.images import registry as asking
from silo.repository import root
from tests.unit.hostile_servers import DEEP, HOSTILE, serving, whole
from tests.unit.patience import PATIENCE

DIGEST, OTHER = "sha256:" + "a" * 64, "sha256:" + "b" * 64
PINS = f"""---
# What runs.
silo_images:
  traefik: docker.io/library/traefik:v3.7.15  # of July
  # 9
  valkey: "docker.io/valkey/valkey:9@{OTHER}"
other: 1
"""


@pytest.mark.parametrize(
    "text",
    [
        "docker.io/library/traefik:v3.7.15",
        f"docker.io/valkey/valkey@{DIGEST}",
        f"registry.swissphoto.test:5000/immich-server:v1@{DIGEST}",
        "ghcr.io/immich-app/immich-server",
    ],
)
def test_a_name_is_read_and_written_alike(text):
    assert str(Reference.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["", "traefik", "docker.io/", "docker.io/A", "docker.io/a:b c", "docker.io/a@sha256:1"]
)
def test_what_is_no_full_name_is_refused_by_a_sentence(text):
    with pytest.raises(ImageError, match=r"is not the name of an image; it must be a full name such as "):
        Reference.parse(text)


def test_a_registry_is_asked_by_tls_but_on_this_very_machine():
    assert Reference.parse("docker.io/library/traefik:v3").url == "https://registry-1.docker.io/v2/library/traefik"
    assert Reference.parse("ghcr.io/a/b:1").url == "https://ghcr.io/v2/a/b"
    assert Reference.parse("127.0.0.1:5000/b:1").url == "http://127.0.0.1:5000/v2/b"


@pytest.mark.parametrize(
    ("tag", "tags", "found"),
    [
        ("v3.2.2", ["v3.2.10", "v3.2.1", "v3.2.2", "v4.0.0-rc.1", "v3", "release", "v3.3.0"], ["v3.2.10", "v3.3.0"]),
        ("14-vectorchord0.4.3", ["14-vectorchord0.5.0", "14-vectorchord0.5.0-pgvectors0.2.0"], ["14-vectorchord0.5.0"]),
        ("9", ["8", "10", "9.1", "9-alpine"], ["10"]),
        ("stable", ["stable", "stable-perl", "latest"], []),
    ],
)
def test_a_newer_tag_is_written_alike_with_higher_numbers(tag, tags, found):
    assert newer(tag, tags) == found


@pytest.fixture
def image(world):
    world.manifests["app", "v1.0"] = {"schemaVersion": 2}
    world.tags["app"] = ["v0.9", "v1.0", "v1.1", "v1.2", "v2.0"]
    return Reference.parse(f"{world.address}/app:v1.0")


def test_a_registry_is_asked_with_a_token_for_nobody_and_once(world, image):
    registry = Registry()
    assert registry.digest(image) == DIGEST
    assert registry.tags(image) == ["v0.9", "v1.0", "v1.1", "v1.2", "v2.0"]
    assert [path for path in world.asked if path.startswith("/token")] == [
        "/token?service=world&scope=repository%3Aa%3Apull"
    ]


def test_a_registry_without_tokens_is_asked_without(world, image):
    world.open = True
    assert Registry().digest(image) == DIGEST
    assert len(world.asked) == 1


def test_a_digest_that_is_not_said_is_calculated(world, image):
    world.says_digest = False
    body = json.dumps({"schemaVersion": 2}).encode()
    assert Registry().digest(image) == f"sha256:{hashlib.sha256(body).hexdigest()}"


@pytest.mark.parametrize(
    ("status", "said"), [(404, "it has no such image"), (429, "too many requests"), (500, "with 500")]
)
def test_what_a_registry_refuses_is_a_sentence(world, image, status, said):
    world.refuse["/v2/app/manifests/v1.0"] = status
    with pytest.raises(RegistryError, match=said):
        Registry().digest(image)


@pytest.mark.parametrize("token", [{}, [], {"token": None}, b"no JSON"])
def test_a_token_that_is_none_is_a_sentence(world, image, token):
    world.token = token
    with pytest.raises(RegistryError, match="returned no anonymous token for app"):
        Registry().digest(image)


@pytest.mark.parametrize("tags", [{"tags": 1}, {}, b"no JSON"])
def test_tags_that_are_none_are_a_sentence(world, image, tags, monkeypatch):
    world.open = True
    monkeypatch.setattr(asking, "MOST_PAGES", 1)
    world.manifests["app/tags", "list"] = tags
    with pytest.raises(RegistryError, match=r"more than 1 pages|no list of tags"):
        Registry().tags(image)


def test_an_answer_without_end_is_cut_off(world, image, monkeypatch):
    monkeypatch.setattr(asking, "MOST_BYTES", 10)
    world.manifests["app", "v1.0"] = b"x" * 100
    with pytest.raises(RegistryError, match="more than 10 bytes"):
        Registry().digest(image)


def test_a_registry_that_is_away_is_a_sentence_without_addresses_of_objects():
    with pytest.raises(RegistryError, match=r"^127\.0\.0\.1:1 cannot be reached: ") as raised:
        Registry().digest(Reference.parse("127.0.0.1:1/app:v1"))
    assert not re.search(r"0x[0-9a-f]+|HTTPConnection", str(raised.value))


@pytest.fixture
def pins(tmp_path):
    path = tmp_path / "images.yml"
    path.write_text(PINS)
    return Pins.read(path)


def test_a_pin_changes_nothing_but_its_image(pins):
    after = pins.pinned(
        {
            name: Reference.parse(f"{image.registry}/{image.repository}:{image.tag}@{DIGEST}")
            for name, image in pins.images.items()
        }
    )
    after.write()
    expected = PINS.replace("v3.7.15 ", f"v3.7.15@{DIGEST} ").replace(OTHER, DIGEST)
    assert pins.path.read_text() == after.text == expected
    assert [path.name for path in pins.path.parent.iterdir()] == ["images.yml"]


@pytest.mark.parametrize(
    "text", ["", "silo_images: 1\n", "silo_images: {a: [b]}\n", "silo_images: {}\n", "a: [\n", "- 1\n"]
)
def test_a_file_without_images_is_refused_by_a_sentence(tmp_path, text):
    (tmp_path / "images.yml").write_text(text)
    with pytest.raises(ImageError, match=r"it must have lines such as "):
        Pins.read(tmp_path / "images.yml")


def test_an_inventory_with_images_of_its_own_has_them(tmp_path):
    own = tmp_path / "group_vars" / "all" / "images.yml"
    own.parent.mkdir(parents=True)
    own.write_text(PINS)
    assert Pins.of(tmp_path, root()) == Pins.read(own)


def test_the_first_pin_of_an_inventory_leaves_the_repository_as_it_is(tmp_path):
    theirs, own = root() / "group_vars" / "all" / "images.yml", tmp_path / "group_vars" / "all" / "images.yml"
    before = theirs.read_text()
    pins = Pins.of(tmp_path, root())
    assert (pins.path, pins.text) == (own, before)
    image = dataclasses.replace(pins.images["traefik"], digest=DIGEST)
    pins.pinned({"traefik": image}).write()
    assert Pins.read(own).images == {**pins.images, "traefik": image}
    assert theirs.read_text() == before
    assert Pins.of(root() / "inventory" / "demo", root()).path == theirs


def test_every_image_of_the_repository_has_a_tag_by_which_what_is_newer_is_found():
    images = Pins.read(root() / "group_vars" / "all" / "images.yml").images
    assert [name for name, image in images.items() if not image.tag] == []


RUNNING = (
    Running("silo1", "silo-traefik-traefik-1", f"docker.io/library/traefik:v1.0@{DIGEST}", (DIGEST,), "running"),
    Running("silo2", "silo-traefik-traefik-1", "docker.io/library/traefik:v1.0", (OTHER,), "exited"),
    Running("silo2", "silo-pages-pages-1", "sha256:abc", (), "running"),
)


class Known:
    """Registries that know one image."""

    def digest(self, image):
        if image.repository != "library/traefik":
            raise RegistryError("away")
        return OTHER

    def tags(self, _image):
        return ["v1.0", "v1.1"]


def test_an_image_is_told_beside_its_registry_and_what_runs():
    images = {
        "traefik": Reference.parse(f"docker.io/library/traefik:v1.0@{DIGEST}"),
        "pages": Reference.parse("docker.io/a/b:1"),
    }
    traefik, pages = survey(images, RUNNING, Known())
    assert (traefik.current, traefik.newer, traefik.problem) == (OTHER, ("v1.1",), "")
    assert traefik.runs == {"silo1": (DIGEST,), "silo2": (OTHER,)}
    assert (pages.current, pages.runs, pages.problem) == ("", {}, "away")


def test_without_a_registry_nobody_is_asked():
    (row,) = survey({"traefik": Reference.parse("docker.io/library/traefik:v1.0")}, RUNNING, None)
    assert (row.current, row.newer, row.problem) == ("", (), "")


def test_the_list_of_what_runs_is_cyclonedx_and_whole():
    text = json.dumps(document(RUNNING))
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    components = {(one["type"], one["name"], one.get("version")): one for one in json.loads(text)["components"]}
    names = {name for _type, name, _version in components}
    assert {"ansible-core", "click", "docker", "sha256:abc"} <= names
    image = components["container", "docker.io/library/traefik", DIGEST]
    assert image["hashes"] == [{"alg": "SHA-256", "content": "a" * 64}]
    assert image["properties"] == [{"name": "silo:container", "value": "silo1/silo-traefik-traefik-1"}]
    assert image["purl"].startswith(f"pkg:oci/traefik@{DIGEST}?")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_registry_that_does_not_come_to_an_end_is_a_sentence_in_time(name, monkeypatch):
    monkeypatch.setattr(asking, "SECONDS", 0.2)
    with serving(HOSTILE[name]) as (port, _asked):
        begin = time.monotonic()
        with pytest.raises(RegistryError, match=f"^127.0.0.1:{port} cannot be reached: ") as raised:
            Registry().digest(Reference.parse(f"127.0.0.1:{port}/app:v1"))
        assert time.monotonic() - begin < PATIENCE
    assert str(raised.value).isprintable()


def test_tags_that_are_nested_without_end_are_a_sentence():
    with serving(lambda: whole(DEEP)) as (port, _asked), pytest.raises(RegistryError, match="returned no list of tags"):
        Registry().tags(Reference.parse(f"127.0.0.1:{port}/app:v1"))


def test_a_page_of_tags_at_another_host_is_not_asked_for():
    more = b'HTTP/1.1 200 OK\r\nLink: <http://127.0.0.1:1/v2/a/tags/list>; rel="next"\r\n'
    with serving(lambda: whole(b'{"tags": ["v1"]}', more)) as (port, asked):
        with pytest.raises(RegistryError, match="names a page of tags that is at another host"):
            Registry().tags(Reference.parse(f"127.0.0.1:{port}/app:v1"))
        assert len(asked) == 1


def test_authorities_that_are_not_there_are_a_sentence(monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere")
    with pytest.raises(RegistryError, match="REQUESTS_CA_BUNDLE names /nowhere, which holds no certificates"):
        Registry()

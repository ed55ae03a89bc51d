import io
import json
import tarfile

import pytest

from tests.lab.command import LabError
from tests.lab.image_set import PROPERTIES, ImageSet, chosen
from tests.lab.images import STAND_INS


@pytest.fixture
def write(tmp_path):
    def to_file(text):
        path = tmp_path / "images.yml"
        path.write_text(text)
        return str(path)

    return to_file


@pytest.fixture
def archive(tmp_path):
    """An archive as `docker save` makes it, of so many images."""

    def save(name, images=1):
        path = tmp_path / name
        with tarfile.open(path, "w") as tar:
            content = json.dumps([{"Config": "c"}] * images).encode()
            entry = tarfile.TarInfo("manifest.json")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        return path

    return save


def test_without_a_word_all_are_stand_ins_and_have_all_properties():
    images = chosen("")
    assert images.stand_ins == STAND_INS
    assert images.properties == sorted(name for names in PROPERTIES.values() for name in names)


def test_costly_ones_are_stand_ins_without_what_is_cheap_about_them(write):
    costly = chosen("costly")
    assert (costly.stand_ins, costly.costs) == (STAND_INS, "real")
    assert set(chosen("").properties) - set(costly.properties) == {"light"}
    assert chosen(write("costs: real\n")) == costly
    assert costly.key != chosen("").key


def test_official_ones_have_no_property_of_a_stand_in():
    images = chosen("official")
    assert set(images.references) == set(STAND_INS)
    assert (images.stand_ins, images.properties) == ({}, [])


def test_a_file_names_references_and_archives_and_stand_ins_serve_the_rest(write, archive):
    archive("server.tar")
    path = write("immich_server: ./server.tar\npostgres: ghcr.io/immich-app/postgres:14\n")
    images = chosen(path)
    assert images.references == {"postgres": "ghcr.io/immich-app/postgres:14"}
    assert set(images.archives) == {"immich_server"}
    assert set(images.stand_ins) == set(STAND_INS) - {"immich_server", "postgres"}
    assert set(images.properties) == set(PROPERTIES["immich_machine_learning"])


def test_a_set_says_what_it_has_beside_the_interface(write):
    images = chosen(write("immich_machine_learning: example.org/ml:1\nproperties: [models]\n"))
    assert "models" in images.properties
    assert "options-break" not in images.properties


def test_vectors_are_kept_by_what_the_database_has(write):
    assert chosen("").vector_extension == "pgvector"
    assert chosen("official").vector_extension == "vectorchord"
    assert chosen(write("immich_server: example.org/server:1\n")).vector_extension == "pgvector"


def test_another_archive_of_the_same_name_is_another_set(write, archive):
    archive("server.tar")
    path = write("immich_server: ./server.tar\n")
    before = chosen(path).key
    assert chosen(path).key == before != ImageSet().key
    archive("server.tar", images=1).write_bytes(archive("other.tar").read_bytes() + b"\0" * 512)
    assert chosen(path).key != before


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[", "is not YAML"),
        ("- postgres\n", "names no image"),
        ("", "names no image"),
        ("redis: redis:7\n", "redis: 'redis:7' is not known"),
        ("postgres: 14\n", "postgres: 14 is not known"),
        ("postgres: ./missing.tar\n", "missing.tar is no archive of `docker save`"),
        ("postgres: ./images.yml\n", "images.yml is no archive of `docker save`"),
        ("costs: half\n", "costs: 'half' is not known; none or real is right"),
        ("postgres: a/b:1\nproperties: [faces]\n", "properties: faces is not known"),
        ("postgres: a/b:1\nproperties: models\n", "properties: 'models' is not known"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_sentence(write, text, says):
    with pytest.raises(LabError, match=says) as error:
        chosen(write(text))
    assert "\n" not in str(error.value)


def test_an_archive_of_two_images_is_refused(write, archive):
    archive("both.tar", images=2)
    with pytest.raises(LabError, match="both.tar holds 2 images; it must hold one"):
        chosen(write("postgres: ./both.tar\n"))


def test_a_file_that_is_missing_is_told_with_what_is_right():
    with pytest.raises(LabError, match="IMAGES='offical' is not known: official, costly, a file that exists"):
        chosen("offical")

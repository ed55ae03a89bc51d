"""No tenant gets an image of another major version of Postgres than its database is of."""

import os

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.common.process import Completed
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant import major
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.converge import converge
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.files import make_directory, write_file
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.plan import plan
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.stack import StackError

OLD, NEW = "ghcr.io/a/postgres:14-vectorchord0.4.3@sha256:" + "1" * 64, "ghcr.io/a/postgres:17-vectorchord1.1.1"


@pytest.fixture(autouse=True)
def engine(monkeypatch):
    """The images that the server has, by name: what they say of themselves. It has none at first."""
    there = {}

    def get(path, _query):
        image = path.removeprefix("/images/").removesuffix("/json")
        if image not in there:
            raise StackError("No such image")
        return {"Config": {"Env": there[image]}}

    monkeypatch.setattr(major.engine, "get", get)
    return there


@pytest.fixture
def tenant(server, containers):
    """Gives a function that makes a tenant with a database of a major version, and the plan of another image."""

    def make(name="hans", version="14", former=OLD, image=NEW, **changes):
        stack = server.stack(name, env=f"DATABASE_IMAGE={image}\n", digests={"database": "d2"}, **changes)
        for part in stack.directories:
            make_directory(part)
        for file in stack.files:
            write_file(file)
        (stack.disk / "database" / "PG_VERSION").write_text(f"{version}\n")
        (stack.directory / ".env").write_text(f"DATABASE_IMAGE={former}\n")
        stack.marker.path.touch()
        return plan(stack, [one for one in containers(name) if one.service == "database"])

    return make


def test_a_newer_major_version_is_refused_and_nothing_is_done(server, tenant):
    before = tenant()
    (outcome,) = converge([before], server.tools)
    assert outcome.error == (
        f"its database is of Postgres 14, and {NEW} is of Postgres 17, which cannot read it; nothing was changed. "
        f"'tenant_database_image: {OLD}' in its overrides.yml keeps it as it is"
    )
    assert (server.done, server.routes()) == ([], {})
    assert (before.stack.directory / ".env").read_text() == f"DATABASE_IMAGE={OLD}\n"


def test_an_older_one_is_refused_too(server, tenant):
    (outcome,) = converge([tenant(version="17", former=NEW, image=OLD)], server.tools)
    assert outcome.error.startswith(f"its database is of Postgres 17, and {OLD} is of Postgres 14, ")


def test_the_image_that_keeps_it_is_taken(server, tenant):
    (outcome,) = converge([tenant(image=OLD)], server.tools)
    assert (outcome.error, server.done[0]) == ("", "up hans")


def test_a_tenant_that_is_refused_keeps_no_other_from_its_images(server, tenant):
    refused, taken = tenant(), tenant("maria", version="17", former="ghcr.io/a/postgres:17-vectorchord1.0.0")
    outcomes = converge([refused, taken], server.tools)
    assert [bool(outcome.error) for outcome in outcomes] == [True, False]
    assert server.done[:2] == ["template 0123456789abcdef", "up maria"]


def test_without_a_record_of_its_image_the_sentence_says_of_which_version_it_has_to_be(server, tenant):
    before = tenant()
    (before.stack.directory / ".env").unlink()
    (outcome,) = converge([before], server.tools)
    assert "'tenant_database_image: <an image of Postgres 14>'" in outcome.error


@pytest.mark.parametrize("state", ["stopped", "suspended", "absent"])
def test_who_does_not_start_is_not_asked(server, tenant, state):
    (outcome,) = converge([tenant(state=state)], server.tools)
    assert outcome.error == ""


def test_a_database_that_stays_as_it_is_is_not_asked(server, containers, monkeypatch):
    monkeypatch.setattr(major, "of_files", lambda _directory: pytest.fail("nobody has to know"))
    stack = server.stack(env=f"DATABASE_IMAGE={NEW}\n")
    stack.marker.path.parent.mkdir(parents=True)
    stack.marker.path.touch()
    assert major.refusal(plan(stack, containers()), major.of_image) == ""


@pytest.mark.parametrize(
    ("image", "version"),
    [
        (OLD, "14"),
        (NEW, "17"),
        ("postgres:17", "17"),
        ("postgres:17.6-trixie", "17"),
        ("registry.test:5000/postgres@sha256:" + "17ab" * 16, ""),
        ("registry.test:5000/postgres", ""),
        ("postgres:17ab34", ""),
        ("postgres:latest", ""),
    ],
)
def test_what_the_name_of_an_image_says(image, version):
    assert major.of_image(image) == version


def test_what_an_image_says_itself_counts_more_than_its_name(engine):
    engine[NEW] = ["PATH=/bin", "PG_MAJOR=18", "PG_VERSION=18.1"]
    assert major.of_image(NEW) == "18"
    engine[NEW] = None
    assert major.of_image(NEW) == "17"


def test_an_image_whose_name_says_nothing_is_fetched_first(engine, monkeypatch):
    calls = []
    image = "registry.test/postgres@sha256:" + "0" * 64

    def run(command, _environment, seconds):
        calls.append((command, seconds))
        engine[image] = ["PG_MAJOR=17"]
        return Completed(0, "", "")

    monkeypatch.setattr(major, "run_command", run)
    assert (major.of_pulled_image(image), major.of_pulled_image(NEW)) == ("17", "17")
    assert calls == [(("docker", "pull", "--quiet", image), major.PULL_SECONDS)]


def test_an_image_that_cannot_be_fetched_is_told(server, tenant, monkeypatch):
    ended = Completed(1, "", "no such\nhost\n")
    monkeypatch.setattr(major, "run_command", lambda *_arguments, **_more: ended)
    found = major.refusals([tenant(image="a/b@sha256:" + "0" * 64)], major.of_pulled_image)
    assert found == {"hans": f"a/b@sha256:{'0' * 64} cannot be fetched: no such host"}


@pytest.mark.parametrize("text", ["", "seventeen", "17" * 100, "17\nand more"])
def test_a_file_of_the_tenant_that_says_nothing_of_sense_is_no_version(tmp_path, text):
    (tmp_path / "database").mkdir()
    (tmp_path / "database" / "PG_VERSION").write_text(text)
    assert major.of_files(tmp_path) == ""


def test_a_file_of_the_tenant_that_is_none_ends_at_once(tmp_path):
    database = tmp_path / "database"
    assert major.of_files(tmp_path) == ""
    database.mkdir()
    (database / "PG_VERSION").symlink_to("/etc/hostname")
    assert major.of_files(tmp_path) == ""
    (database / "PG_VERSION").unlink()
    os.mkfifo(database / "PG_VERSION")
    assert major.of_files(tmp_path) == ""
    (database / "PG_VERSION").unlink()
    (database / "PG_VERSION").mkdir()
    assert major.of_files(tmp_path) == ""

"""Templates on a NAS: kept whole or not at all, told from damaged ones, and made in a stack that leaves nothing."""

import os
import types

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.common.process import Completed
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant import packing, template_stack
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.compose import Compose
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.stack import Container, File, StackError
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.stock import Stock
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.template import PROJECT, Store, Template

from .conftest import KEY


@pytest.fixture
def store(tmp_path):
    (tmp_path / "templates").mkdir()
    return Store(tmp_path / "templates")


@pytest.fixture
def template(tmp_path):
    place = tmp_path / "template"
    files = (File(place / "compose.yaml", "services: {}\n"), File(place / "secrets" / "database_password", "D", 0o400))
    made_of = {"server": "immich:3", "database": "postgres:14", "vector_extension": "vectorchord"}
    return Template(KEY, made_of, place, os.getuid(), files, ("database", "backups"), "http://10.83.0.2:2283")


@pytest.fixture
def database(tmp_path):
    folder = tmp_path / "database"
    (folder / "base").mkdir(parents=True)
    (folder / "base" / "1").write_bytes(b"row" * 1000)
    (folder / "PG_VERSION").write_text("14\n")
    (folder / "PG_VERSION").chmod(0o600)
    return folder


def test_what_is_kept_is_unpacked_as_it_was(store, template, database, tmp_path):
    kept = store.keep(template, database, "Psecret")
    assert store.find(KEY) == kept
    assert store.sound(kept)
    target = tmp_path / "target"
    target.mkdir(0o700)
    packing.unpack(kept.path, target, os.getuid())
    assert (target / "base" / "1").read_bytes() == b"row" * 1000
    assert (target / "PG_VERSION").stat().st_mode & 0o777 == 0o600
    assert kept.unpacked == 3003 > kept.size


def test_nobody_else_reads_a_template_and_nobody_is_told_the_password(store, template, database):
    kept = store.keep(template, database, "Psecret")
    assert {path.stat().st_mode & 0o777 for path in store.folder.iterdir()} == {0o640}
    assert "Psecret" not in f"{kept} {kept.told()}"
    assert kept.told()["made_of"] == template.made_of


def test_a_file_with_another_byte_is_not_sound(store, template, database):
    kept = store.keep(template, database, "Psecret")
    content = bytearray(kept.path.read_bytes())
    content[-1] ^= 1
    kept.path.write_bytes(content)
    assert store.find(KEY) == kept
    assert not store.sound(kept)


@pytest.mark.parametrize("record", ["", "[]", "{}", '{"digest": 1}', "{" * 100, " " * 70_000])
def test_a_record_that_says_nothing_is_no_template(store, template, database, record):
    store.keep(template, database, "Psecret")
    (store.folder / f"{KEY}.json").write_text(record)
    assert store.find(KEY) is None


def test_without_its_file_or_its_record_there_is_no_template(store, template, database):
    for ending in ("json", "tar.zst"):
        store.keep(template, database, "Psecret")
        (store.folder / f"{KEY}.{ending}").unlink()
        assert store.find(KEY) is None
    assert store.all() == []


def test_an_archive_that_cannot_be_unpacked_is_told(tmp_path):
    (tmp_path / "file").write_bytes(b"no archive")
    (tmp_path / "target").mkdir()
    with pytest.raises(StackError, match=r"file cannot be unpacked into .*target: "):
        packing.unpack(tmp_path / "file", tmp_path / "target", os.getuid())


def test_a_database_that_is_not_there_is_told(store, template, tmp_path):
    (tmp_path / "empty").touch()
    with pytest.raises((StackError, OSError)):
        store.keep(template, tmp_path / "empty", "Psecret")
    assert store.all() == []


def test_what_nobody_needs_goes_with_what_was_cut_off(store, template, database):
    store.keep(template, database, "Psecret")
    (store.folder / "fedcba9876543210.tar.new").touch()
    (store.folder / "somebody's file").touch()
    stock = Stock(store, {}, lambda _template, _store: None, [])
    assert stock.sweep() == [KEY, "fedcba9876543210"]  # pragma: allowlist secret
    assert sorted(path.name for path in store.folder.iterdir()) == [".lock", "somebody's file"]


def test_without_a_directory_nothing_is_made(tmp_path):
    stock = Stock(Store(tmp_path / "none"), {}, lambda _template, _store: None)
    found = stock.provide([KEY])
    assert found.problems[KEY].endswith("none is missing on the NAS; the storage part of an apply makes it")
    assert stock.sweep() == []


class Making:
    """A throw-away stack; `done` is what happened to it, in order."""

    def __init__(self, template):
        self.template, self.done = template, []
        self.places, self.fail, self.code, self.now = ["0", "1"], "", 0, 0.0
        self.states = {"server": "running", "database": "running"}

    def run(self, command, _environment):
        verb = command[4]
        if verb == "logs":
            return Completed(0, "Nest started\nFATAL out of cheese\n", "")
        self.done.append(" ".join(arg for arg in command[4:] if not arg.startswith("-")))
        if verb == "up":
            # What the photo server and Postgres leave.
            (self.template.directory / "database" / "PG_VERSION").write_text("14\n")
        return Completed(int(verb == self.fail), "", "no such image\n")

    def containers(self, _name):
        return [
            Container(service, f"silo-{PROJECT}-{service}-1", PROJECT, service, "", state, "healthy")
            for service, state in self.states.items()
        ]

    def ask(self, name, statement, _values):
        assert name == PROJECT
        if "system_metadata" in statement:
            return self.places.pop(0) if self.places else "0"
        self.done.append(statement.split()[0].lower())
        return ""

    def sleep(self, seconds):
        self.now += seconds

    @property
    def tools(self):
        return template_stack.Tools(
            lambda path: Compose(path, 10, self.run, lambda *_asked: "", PROJECT),
            self.containers,
            lambda _container: self.code,
            lambda admin: self.done.append(f"sign-up {admin.email} at {admin.url}"),
            self.ask,
            self.sleep,
            lambda: self.now,
        )


@pytest.fixture
def making(template):
    return Making(template)


def test_a_template_is_made_by_the_photo_server_itself_and_its_stack_is_gone(store, template, making):
    kept = template_stack.make(template, store, making.tools)
    assert making.done == [
        "up",
        "sign-up placeholder@silo.invalid at http://10.83.0.2:2283",
        "stop server",
        "vacuum",
        "stop",
        "down",
    ]
    assert store.find(KEY) == kept
    assert not template.directory.exists()


def test_what_a_killed_run_left_goes_first(store, template, making):
    (template.directory / "database").mkdir(parents=True)
    (template.directory / "database" / "half").touch()
    (template.directory / "compose.yaml").touch()
    template_stack.make(template, store, making.tools)
    assert making.done[:2] == ["down", "up"]


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"fail": "up"}, "docker compose up failed with code 1: no such image"),
        ({"places": []}, "its photo server has not imported the places within 900 s"),
        ({"places": [], "states": {"server": "exited", "database": "running"}}, "ended while it imported the places"),
        ({"code": 137}, "its database did not shut down cleanly, it ended with code 137"),
    ],
)
def test_images_that_make_no_template_are_told_by_name_and_leave_nothing(store, template, making, broken, said):
    vars(making).update(broken)
    with pytest.raises(StackError, match=said) as told:
        template_stack.make(template, store, making.tools)
    assert "(server immich:3, database postgres:14, vector_extension vectorchord)" in str(told.value)
    assert str(told.value).endswith("; the last line of its photo server is: FATAL out of cheese")
    assert making.done[-1] == "down"
    assert (store.all(), template.directory.exists()) == ([], False)


def test_a_template_that_another_server_has_made_meanwhile_is_taken(store, template, database):
    made = []
    stock = Stock(store, {KEY: template}, lambda one, there: made.append(one) or there.keep(one, database, "P"))
    first, second = stock.provide([KEY]), stock.provide([KEY])
    assert (dict(first.actions), dict(second.actions), len(made)) == ({KEY: "make"}, {}, 1)
    assert first.kept == second.kept


def test_one_set_of_images_that_fails_is_its_own_problem(store, template, database):
    def make(one, there):
        if one.key == KEY:
            raise StackError("no such image")
        return there.keep(one, database, "P")

    other = types.SimpleNamespace(**{**vars(template), "key": "fedcba9876543210"})
    found = Stock(store, {KEY: template, other.key: other}, make).provide([KEY, other.key])
    assert (dict(found.problems), list(found.kept)) == ({KEY: "no such image"}, [other.key])

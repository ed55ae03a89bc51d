"""What a server recorded of one tenant: times of files, containers and the journal; a part that fails is a sentence."""

import json
import os

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.common.process import Completed
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant import records
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.records import Record, RecordsError, RecordTools
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.stack import Container, StackError

SERVER = Container("1a", "silo-hans-server-1", "hans", "server", "s1", "running", "healthy")
STATE = {
    "Running": True,
    "StartedAt": "2026-11-23T16:57:05.123456789Z",
    "FinishedAt": "0001-01-01T00:00:00Z",
    "ExitCode": 0,
    "OOMKilled": False,
}
AT = 1795453025.0


def details(restarts=0, **state):
    made = "2026-11-23T16:57:01.5Z"
    return {"Created": made, "RestartCount": restarts, "Config": {"Image": "immich:1"}, "State": STATE | state}


def tools(found=None, journal=""):
    return RecordTools(lambda name: [SERVER] if found else [], lambda _container: found, lambda: journal)


def line(at, message):
    return json.dumps({"__REALTIME_TIMESTAMP": str(int(at * 1e6)), "MESSAGE": message})


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "hans").mkdir()
    return tmp_path


def test_the_files_of_a_tenant_say_when_it_was_born_and_what_was_set(folder):
    for number, (name, text) in enumerate(
        {".admin-created": '{"from": "template 7, SHA-256 8"}\n', ".login": "hans@example.ch\n"}.items()
    ):
        (folder / "hans" / name).write_text(text)
        os.utime(folder / "hans" / name, (AT + number, AT + number))
    found, problems = records.read(folder, "hans", tools())
    assert found == [Record(AT, "it was born", "template 7, SHA-256 8"), Record(AT + 1, "the login was set")]
    assert problems == []


@pytest.mark.parametrize("text", ["The first admin of this instance exists.\n", '["from"]', "\x00", '{"from": "\x1b"}'])
def test_a_marker_that_says_nothing_of_a_template_is_a_birth_all_the_same(folder, text):
    (folder / "hans" / ".admin-created").write_text(text)
    (found,), problems = records.read(folder, "hans", tools())
    assert (found.what, found.why, problems) == ("it was born", "", [])


def test_a_container_says_when_it_was_made_and_started_and_how_often(folder):
    found, _problems = records.read(folder, "hans", tools(details(restarts=3)))
    assert found == [
        Record(AT - 4, "container server was made", "of immich:1"),
        Record(AT, "container server started", "the engine restarted it 3 times"),
    ]


def test_a_container_that_was_killed_says_so(folder):
    ended = details(Running=False, FinishedAt="2026-11-23T17:00:00Z", ExitCode=137, OOMKilled=True)
    found, _problems = records.read(folder, "hans", tools(ended))
    assert found[-1] == Record(AT + 175, "container server ended", "with code 137, as its memory was full")


def test_the_journal_tells_of_this_tenant_alone(folder):
    said = [
        '"__REALTIME_TIMESTAMP": "1", "MESSAGE": "started hans"}',
        line(AT, "started anna, hans"),
        line(AT + 1, "started hansi"),
        line(AT + 2, "hans: no such image\x1b[2J"),
        line(AT + 3, "hansi: no such image"),
        json.dumps({"__REALTIME_TIMESTAMP": "7", "MESSAGE": [104, 97]}),
        "[" * 5000,
    ]
    found, problems = records.read(folder, "hans", tools(journal="\n".join(said)))
    assert found == [
        Record(AT, "silo-recovery started it"),
        Record(AT + 2, "silo-recovery could not start it", "no such image\\x1b[2J"),
    ]
    assert problems == []


def test_what_cannot_be_read_takes_nothing_from_the_rest(folder):
    (folder / "hans" / ".login").touch()

    def away(_name):
        raise StackError("the engine is away")

    def silent():
        raise RecordsError("the journal cannot be read: no")

    found, problems = records.read(folder, "hans", RecordTools(away, journal=silent))
    assert [one.what for one in found] == ["the login was set"]
    assert problems == ["the engine is away", "the journal cannot be read: no"]


def test_an_answer_of_the_engine_without_its_times_is_a_problem(folder):
    found, problems = records.read(folder, "hans", tools({"State": {}}))
    assert found == []
    assert len(problems) == 1


@pytest.mark.parametrize("ended", [Completed(1, "", "no\n"), Completed(0, "x", "", "did not end within 30 s")])
def test_a_journal_that_does_not_answer_is_told(monkeypatch, ended):
    monkeypatch.setattr(records.process, "run", lambda *_command, **_options: ended)
    with pytest.raises(RecordsError, match="the journal cannot be read: (it ends with code 1: no|did not end)"):
        records.RecordTools().journal()


def test_of_a_long_journal_the_end_is_read(monkeypatch):
    given = {}
    monkeypatch.setattr(
        records.process, "run", lambda command, **options: given.update(options) or Completed(0, " ".join(command))
    )
    assert "--unit=silo-recovery" in records.RecordTools().journal()
    assert (given["tail"], given["largest"]) == (True, records.JOURNAL_BYTES)

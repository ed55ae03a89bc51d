"""Services are asked whether they work, and only one that starts is waited for."""

import dataclasses
import datetime
import json
import socket
import threading
import time

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.common.http_client import Answer
from ansible_collections.swissphoto.silo.plugins.module_utils.common.process import Completed
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant import engine, health
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.compose import Compose
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.health import Questions, asked, is_young
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.stack import StackError

from tests.unit.patience import PATIENCE

STALE = {"health": "starting"}
PERIOD = 300 * 10**9


def details(seconds=3600.0, code=1, status="running", restarts=0):
    """What the engine says of a container that started so many seconds ago."""
    started = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=seconds)
    return {
        "State": {"StartedAt": started.strftime("%Y-%m-%dT%H:%M:%S.123456789Z"), "ExitCode": code, "Status": status},
        "RestartCount": restarts,
        "Config": {"Healthcheck": {"Test": ["CMD", "x"], "StartPeriod": PERIOD}},
    }


class Tenant:
    """A tenant whose services work, but for those in `broken`; `asked` is who was asked, in order."""

    def __init__(self, *broken, age=3600.0):
        self.broken, self.age, self.asked = set(broken), age, []

    def works(self, address):
        self.asked.append("server")
        assert address == "10.83.0.18"
        return "server" not in self.broken

    def check(self, container, _details):
        self.asked.append(container.service)
        return container.service not in self.broken

    @property
    def questions(self):
        return Questions(self.works, lambda _container: details(self.age), self.check)


@pytest.fixture
def states(containers):
    """Service to its health once it has been asked."""

    def of(tenant, **changes):
        found = [dataclasses.replace(one, address="10.83.0.18") for one in containers(**changes)]
        return {one.service: one.health for one in asked(found, tenant.questions)}

    return of


ALL_WELL = {"server": "healthy", "database": "healthy", "cache": "healthy"}


def test_of_who_is_well_the_photo_server_alone_is_asked(states):
    tenant = Tenant()
    assert states(tenant) == ALL_WELL
    assert tenant.asked == ["server"]


def test_after_a_restart_of_the_engine_all_are_asked_and_nobody_is_waited_for(states):
    tenant = Tenant()
    assert states(tenant, server=STALE, database=STALE, cache=STALE) == ALL_WELL
    assert tenant.asked[0] == "server"
    assert sorted(tenant.asked) == ["cache", "database", "server"]


def test_a_photo_server_without_a_database_does_not_work_whatever_the_engine_says(states):
    stopped = {"state": "exited", "health": ""}
    found = states(Tenant("server"), database=stopped)
    assert found == {"server": "not answering", "database": "", "cache": "healthy"}


def test_where_a_photo_server_does_not_work_the_others_are_asked_too(states):
    assert states(Tenant("server", "database")) == {**ALL_WELL, "server": "not answering", "database": "not answering"}


def test_who_works_again_is_well_though_the_engine_does_not_know_it(states):
    ill = {"health": "unhealthy"}
    assert states(Tenant(), server=ill, cache=ill) == ALL_WELL
    assert states(Tenant("server", "cache"), server=ill, cache=ill) == {
        **ALL_WELL,
        "server": "unhealthy",
        "cache": "unhealthy",
    }


def test_who_starts_is_probed_by_the_engine_each_moment_and_not_by_us_as_well(states):
    tenant = Tenant("server", "database", "cache", age=1)
    assert states(tenant, server=STALE, database=STALE) == {**ALL_WELL, "server": "starting", "database": "starting"}
    assert tenant.asked == ["server"]


def test_who_was_well_and_is_not_any_more_does_not_start(states):
    found = states(Tenant("server", "database", age=1))
    assert found == {**ALL_WELL, "server": "not answering", "database": "not answering"}


@pytest.mark.parametrize("change", [{"state": "exited"}, {"state": "paused"}, {"health": ""}])
def test_who_does_not_run_or_has_no_check_is_not_asked(states, change):
    tenant = Tenant("server", "cache")
    assert states(tenant, server=change, cache=change)["server"] == change.get("health", "healthy")
    assert tenant.asked == []


def test_a_container_without_an_address_works_for_nobody(containers):
    found = asked(containers(), Tenant().questions)
    assert next(one.health for one in found if one.service == "server") == "not answering"


def test_a_container_that_vanishes_meanwhile_is_no_error(containers):
    def gone(_container):
        raise StackError("the Docker Engine answers with 404")

    questions = Questions(lambda _address: False, gone, lambda *_asked: True)
    assert {one.health for one in asked(containers(), questions)} == {"not answering"}


@pytest.mark.parametrize(("seconds", "young"), [(10, True), (310, False)])
def test_a_container_is_young_as_long_as_its_start_period(seconds, young):
    assert is_young(details(seconds)) is young


def test_a_container_without_a_start_period_is_never_young():
    assert not is_young({**details(0), "Config": {"Healthcheck": {}}})


@pytest.fixture
def photo_server():
    """A port at which each connection is answered by pieces, one each tenth of a second."""
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answers(*pieces):
            def serve():
                channel, _address = listener.accept()
                with channel:
                    assert channel.recv(1024).startswith(b"GET /api/server/config HTTP/1.1\r\n")
                    for piece in pieces:
                        if ended.wait(0.1):
                            return
                        channel.sendall(piece)

            thread = threading.Thread(target=serve, daemon=True)
            thread.start()
            return listener.getsockname()[1]

        yield answers
        ended.set()


@pytest.mark.parametrize(
    ("pieces", "well"),
    [
        ((b"HTTP/1.1 200 OK\r\n\r\n",), True),
        ((b"HTTP/1.1 20", b"0 OK\r\nContent-Length: 2\r\n\r\n{}"), True),
        ((b"HTTP/1.1 500 Internal Server Error\r\n\r\n200",), False),
        ((b"x" * 5000,), False),
        ((b"",), False),
    ],
)
def test_a_photo_server_works_that_answers_with_200(photo_server, pieces, well):
    assert health.works("127.0.0.1", PATIENCE, photo_server(*pieces)) is well


def test_an_answer_that_trickles_has_all_in_all_the_time_that_one_has(photo_server):
    port, start = photo_server(*[b"x"] * 1000), time.monotonic()
    assert not health.works("127.0.0.1", 0.5, port)
    assert time.monotonic() - start < PATIENCE


def test_a_photo_server_that_is_not_there_does_not_work():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert not health.works("127.0.0.1", 1, port)


class Exec:
    """An engine that runs a health check: how it is asked, and how often that runs before it ends with a code."""

    def __init__(self, monkeypatch, code=0, looks=1):
        self.asked, self.code, self.looks = [], code, looks
        monkeypatch.setattr(engine, "get", self.get)
        monkeypatch.setattr(engine, "post", self.post)
        monkeypatch.setattr(engine.time, "sleep", lambda _seconds: None)

    def post(self, path, body, _socket):
        self.asked.append((path, body))
        return Answer(201, {}, json.dumps({"Id": "e1"}).encode() if path.endswith("/exec") else b"")

    def get(self, path, _query, _socket):
        assert path == "/exec/e1/json"
        self.looks -= 1
        return {"Running": self.looks > 0, "ExitCode": self.code}


@pytest.mark.parametrize(
    ("test", "command"),
    [
        (["CMD", "pg_isready", "--quiet"], ["pg_isready", "--quiet"]),
        (["CMD-SHELL", "ping | grep -q PONG"], ["/bin/sh", "-c", "ping | grep -q PONG"]),
    ],
)
def test_a_health_check_is_run_in_the_container_with_a_bound_and_nothing_of_it_is_read(
    monkeypatch, containers, test, command
):
    found = Exec(monkeypatch, looks=3)
    given = {"Config": {"Healthcheck": {"Test": test}}}
    assert engine.check(containers()[0], given, 10)
    assert found.asked == [
        ("/containers/server/exec", {"Cmd": ["timeout", "-s", "KILL", "10", *command]}),
        ("/exec/e1/start", {"Detach": True}),
    ]


def test_a_health_check_that_fails_or_does_not_end_is_a_no(monkeypatch, containers):
    Exec(monkeypatch, code=1)
    assert not engine.check(containers()[0], details(), 10)
    Exec(monkeypatch, looks=10**9)
    assert not engine.check(containers()[0], details(), 0)


class Engine:
    """An engine that answers one look after the other, the last one again and again; its word is the truth."""

    def __init__(self, *looks, age=1.0, now="", restarts=3):
        self.looks, self.asked, self.slept, self.age = list(looks), [], 0, age
        self.now, self.restarts = now, restarts
        self.last = []

    def look(self, tenant):
        self.asked.append(tenant)
        self.last = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        return [dataclasses.replace(one, address="10.83.0.18") for one in self.last]

    def sleep(self, _seconds):
        self.slept += 1

    @property
    def questions(self):
        def works(_address):
            return all(one.health == "healthy" for one in self.last if one.service == "server" and not one.stray)

        def inspect(container):
            return details(self.age, 137, self.now or container.state, self.restarts)

        return Questions(works, inspect, lambda *_asked: False)


def wait(found, seconds=5.0, services=()):
    return health.wait("hans", seconds, services, found.look, found.sleep, found.questions)


def test_who_is_well_is_not_waited_for(containers):
    found = Engine(containers())
    assert wait(found) == ""
    assert (found.asked, found.slept) == (["hans"], 0)


def test_it_is_asked_until_all_are_well(containers):
    starting = containers(server=STALE, database=STALE)
    found = Engine([], starting, containers(server=STALE), containers())
    assert wait(found) == ""
    assert found.slept == 3


@pytest.mark.parametrize(
    ("server", "told"),
    [
        ({"state": "exited", "health": ""}, "silo-hans-server-1 ended with code 137"),
        ({"state": "restarting", "health": ""}, "silo-hans-server-1 ended with code 137"),
        ({"health": "unhealthy"}, "silo-hans-server-1 runs, and does not work"),
    ],
)
def test_who_has_ended_or_is_ill_is_not_waited_for(containers, server, told):
    found = Engine(containers(server=STALE), containers(server=server))
    assert wait(found) == told
    assert found.slept == 1


@pytest.mark.parametrize("changes", [{"restarts": 2}, {"now": "running"}])
def test_who_ended_once_or_runs_again_is_waited_for(containers, changes):
    """The engine starts it again; an exit code would be that of an end that is yet to come."""
    restarting = {"state": "restarting", "health": ""}
    found = Engine(containers(server=restarting), containers(), **changes)
    assert wait(found) == ""
    assert found.slept == 1


def test_what_is_not_of_the_stack_is_not_waited_for(containers):
    guest = dataclasses.replace(containers()[0], name="somebodys-own", health="")
    assert wait(Engine([*containers(), guest])) == ""


def test_the_wait_ends(containers):
    assert wait(Engine(containers(server=STALE)), seconds=0) == "silo-hans-server-1 did not work within 0 s"
    assert wait(Engine([]), seconds=0) == "no container of hans did not work within 0 s"


def test_those_services_are_waited_for_that_were_started(containers):
    waiting = {"state": "created", "health": ""}
    assert wait(Engine(containers(server=waiting, cache=waiting)), services=["database"]) == ""


class Calls:
    """Commands, written down; `running` are the services that run."""

    def __init__(self, *running):
        self.made, self.running = [], running

    def __call__(self, command, environment):
        assert environment == {}
        if command[1] == "ps":
            assert "label=ch.swissphoto.silo.tenant=hans" in command
            assert command[-1] == '{{.Label "ch.swissphoto.silo.service"}}'
            return Completed(0, "".join(f"{one}\n" for one in self.running))
        self.made.append(command[4:] if command[1] == "compose" else command[1:])
        return Completed(0)


UP = ("up", "--detach", "--quiet-pull", "--remove-orphans")


def test_compose_is_called_once_and_does_not_wait(tmp_path):
    calls = Calls()
    Compose(tmp_path / "hans", 10, calls, lambda *_asked: "nobody is asked").up()
    Compose(tmp_path / "hans", 10, calls, lambda *_asked: "nobody is asked").up(["server"])
    assert calls.made == [UP, (*UP, "--no-deps", "server")]


def test_what_is_made_is_started_by_the_engine_without_what_it_waits_for(tmp_path):
    calls, started = Calls(), []
    Compose(tmp_path / "x", 10, calls, name="hans", begin=started.append).start(["database", "cache"])
    assert (calls.made, started) == ([], ["silo-hans-database-1", "silo-hans-cache-1"])


def test_what_cannot_be_started_is_told_with_the_way_to_its_log(tmp_path):
    def begin(_container):
        raise StackError("the Docker Engine answers with 500")

    told = rf"^the database cannot be started: the .* with 500; see more by 'docker compose logs' in {tmp_path}/hans$"
    with pytest.raises(StackError, match=told):
        Compose(tmp_path / "hans", 10, Calls(), begin=begin).start(["database", "cache"])


def test_what_does_not_work_is_told_with_the_way_to_its_log(tmp_path):
    project = Compose(tmp_path / "hans", 10, Calls(), lambda *_asked: "silo-hans-server-1 ended with code 1")
    told = rf"^silo-hans-server-1 ended with code 1; see more by 'docker compose logs' in {tmp_path}/hans$"
    with pytest.raises(StackError, match=told):
        project.wait()


def test_single_containers_are_killed_by_their_ids(tmp_path):
    calls = Calls()
    Compose(tmp_path / "hans", 10, calls).kill(("7f3a", "1ba0"))
    assert calls.made == [("kill", "7f3a", "1ba0")]


@pytest.mark.parametrize(
    ("running", "more"), [((), ()), (("database", "cache"), ("--no-deps", "server"))], ids=["nobody", "some"]
)
def test_what_runs_is_not_waited_for_when_the_rest_is_started_again(tmp_path, running, more):
    (tmp_path / "hans").mkdir()
    (tmp_path / "hans" / ".env").write_text("SERVER_DIGEST=1\nDATABASE_DIGEST=2\nCACHE_DIGEST=3\nTENANT_NAME=hans\n")
    calls = Calls(*running)
    Compose(tmp_path / "hans", 10, calls).resume()
    assert calls.made == [("up", "--detach", "--no-recreate", "--pull", "never", *more)]


def test_the_last_word_of_a_log_is_told_and_bounded(tmp_path):
    told = Completed(0, "first\n" + "x" * 1000 + "\n\n", "")
    word = Compose(tmp_path / "hans", 10, lambda *_given: told).last_words("server")
    assert (word[:200], len(word)) == ("x" * 200, 300)
    said = Completed(0, "", "\x1b[2Jhans\u202e\n \n")
    assert Compose(tmp_path / "hans", 10, lambda *_given: said).last_words("server") == r"\x1b[2Jhans\u202e"

"""A stack is waited for by asking the engine, and Compose is asked again where it is not well."""

import dataclasses
import subprocess

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant import health
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.compose import Compose
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.stack import StackError


class Engine:
    """An engine that answers one look after the other, the last one again and again."""

    def __init__(self, *looks):
        self.looks, self.asked, self.slept = list(looks), [], 0

    def look(self, tenant):
        self.asked.append(tenant)
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]

    def sleep(self, _seconds):
        self.slept += 1


def wait(engine, seconds=5.0, services=()):
    return health.wait("hans", seconds, services, engine.look, engine.sleep)


def test_who_is_well_is_not_waited_for(containers):
    engine = Engine(containers())
    assert wait(engine)
    assert (engine.asked, engine.slept) == (["hans"], 0)


def test_it_is_asked_until_all_are_well(containers):
    starting = containers(server={"health": "starting"}, database={"health": "starting"})
    engine = Engine([], starting, containers(server={"health": "starting"}), containers())
    assert wait(engine)
    assert engine.slept == 3


@pytest.mark.parametrize(
    "server", [{"state": "exited", "health": ""}, {"state": "restarting"}, {"health": "unhealthy"}]
)
def test_who_has_ended_or_is_ill_is_not_waited_for(containers, server):
    engine = Engine(containers(server={"health": "starting"}), containers(server=server))
    assert wait(engine) is False
    assert engine.slept == 1


def test_what_is_not_of_the_stack_is_not_waited_for(containers):
    guest = dataclasses.replace(containers()[0], name="somebodys-own", health="")
    assert wait(Engine([*containers(), guest]))


def test_the_wait_ends(containers):
    assert wait(Engine(containers(server={"health": "starting"})), seconds=0) is False


def test_those_services_are_waited_for_that_were_started(containers):
    waiting = {"state": "created", "health": ""}
    assert wait(Engine(containers(server=waiting, cache=waiting)), services=["database"])


class Calls:
    """Commands, written down; one that waits ends with a code."""

    def __init__(self, code=0):
        self.made, self.code = [], code

    def __call__(self, command, environment):
        assert environment == {}
        self.made.append(command[4:] if command[1] == "compose" else command[1:])
        code = self.code if "--wait" in command else 0
        return subprocess.CompletedProcess(command, code, "", "container silo-hans-server-1 exited\n")


UP = ("up", "--detach", "--quiet-pull", "--remove-orphans")


def test_where_all_is_well_compose_is_called_once_and_does_not_wait(tmp_path):
    calls = Calls()
    Compose(tmp_path / "hans", 10, calls, lambda *asked: asked == ("hans", 10, ())).up()
    assert calls.made == [UP]


def test_what_is_made_is_started_without_what_it_waits_for(tmp_path):
    calls = Calls()
    Compose(tmp_path / "x", 10, calls, lambda *asked: asked == ("hans", 10, ["database"]), "hans").start(["database"])
    assert calls.made == [("start", "silo-hans-database-1")]


def test_where_a_started_one_is_not_well_compose_says_why(tmp_path):
    calls = Calls(code=1)
    with pytest.raises(StackError, match=r"docker compose up failed with code 1: container silo-hans-server-1 exited"):
        Compose(tmp_path / "hans", 10, calls, lambda *_asked: False).start(["server"])
    assert calls.made[-1] == (*UP, "--wait", "--wait-timeout", "10", "--no-deps", "server")


def test_where_something_is_not_compose_says_what(tmp_path):
    calls = Calls(code=1)
    with pytest.raises(StackError, match=r"docker compose up failed with code 1: container silo-hans-server-1 exited"):
        Compose(tmp_path / "hans", 10, calls, lambda *_asked: False).up()
    assert calls.made[-1] == (*UP, "--wait", "--wait-timeout", "10")


def test_the_last_word_of_a_log_is_told_and_bounded(tmp_path):
    told = subprocess.CompletedProcess([], 0, "first\n" + "x" * 1000 + "\n\n", "")
    assert Compose(tmp_path / "hans", 10, lambda *_given: told).last_words("server") == "x" * 300

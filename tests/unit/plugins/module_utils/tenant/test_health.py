"""A stack is waited for by asking the engine, and Compose is asked again where it is not well."""

import dataclasses
import subprocess

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant import health
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.compose import OPEN_SETUP, Compose
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


def wait(engine, seconds=5.0):
    return health.wait("hans", seconds, engine.look, engine.sleep)


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


@pytest.mark.parametrize("environment", [None, OPEN_SETUP])
def test_where_all_is_well_compose_is_called_once_and_does_not_wait(tmp_path, environment):
    seen = []

    def run(command, given):
        seen.append((command[4:], given))
        return subprocess.CompletedProcess(command, 0, "", "")

    Compose(tmp_path / "hans", 10, run, lambda tenant, seconds: (tenant, seconds) == ("hans", 10)).up(environment)
    assert seen == [(("up", "--detach", "--quiet-pull", "--remove-orphans"), environment or {})]


def test_one_service_is_changed_without_a_look_at_what_it_waits_for(tmp_path):
    seen = []

    def run(command, _environment):
        seen.append(command[4:])
        return subprocess.CompletedProcess(command, 0, "", "")

    Compose(tmp_path / "hans", 10, run, lambda _tenant, _seconds: True).up(only="server")
    assert seen == [("up", "--detach", "--quiet-pull", "--remove-orphans", "--no-deps", "server")]


def test_where_something_is_not_compose_says_what(tmp_path):
    seen = []

    def run(command, given):
        seen.append((command[4:], given))
        return subprocess.CompletedProcess(
            command, int("--wait" in command), "", "container silo-hans-server-1 exited\n"
        )

    with pytest.raises(StackError, match=r"docker compose up failed with code 1: container silo-hans-server-1 exited"):
        Compose(tmp_path / "hans", 10, run, lambda _tenant, _seconds: False).up(OPEN_SETUP)
    (_first, (again, environment)) = seen
    assert again[-3:] == ("--wait", "--wait-timeout", "10")
    assert environment == OPEN_SETUP

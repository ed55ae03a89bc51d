"""One of two servers is gone, and comes back."""

import contextlib

from ..waiting import wait_for
from .conftest import as_program, check_told


@contextlib.contextmanager
def unplugged(server):
    """Nobody has the machine's address."""
    route = server.run("ip", "-4", "route", "show", "default").split()
    server.run("ip", "link", "set", "eth0", "down")
    try:
        yield
    finally:
        server.run("ip", "link", "set", "eth0", "up")
        server.run("ip", "route", "replace", *route)


def test_what_a_machine_missed_is_completed_when_it_is_back(silo, second, bea):
    with unplugged(second):
        answer, run = as_program(silo, "list")
        check_told(run)
        assert {one["name"]: one["observed"] for one in answer["tenants"]}[bea] == "unknown"
        assert silo.try_run("stop", bea, "--yes").code == 4
    wait_for(lambda: silo.try_run("apply", bea).code == 0, 60)
    assert silo.json("show", bea)["observed"] == "stopped"
    assert f"{bea} runs." in silo.run("start", bea)

"""One of two servers is away for a while, and comes back."""

from ..waiting import wait_for
from .conftest import unplugged


def test_what_a_machine_missed_is_completed_when_it_is_back(silo, second, bea):
    with unplugged(second):
        assert silo.try_run("stop", bea, "--yes").code == 4
    wait_for(lambda: silo.try_run("apply", bea).code == 0, 60)
    assert silo.json("show", bea)["observed"] == "stopped"
    assert f"{bea} runs." in silo.run("start", bea)

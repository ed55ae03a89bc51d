"""Whether a tenant works is asked of it: of a photo server that answers a ping and has no database, all say no."""

import contextlib

from silo.diagnostics import verify

from ..cloud import Cloud
from ..waiting import wait_for

NAME = "hans"


def states(operator):
    """Service to what `silo verify` saw of its state, where that is not as it should be."""
    checks = verify.verify(operator.inventory, [NAME])
    return {check.subject.partition("/")[2]: check.seen for check in checks if check.id == "state" and not check.ok}


def listed(silo):
    (tenant,) = (tenant for tenant in silo.json("list")["tenants"] if tenant["name"] == NAME)
    return tenant["observed"]


@contextlib.contextmanager
def held(lab, container):
    """What runs in a container does not get on; the engine sees nothing of it before its next probe."""
    processes = f"$(docker top {container} -o pid | tail -n +2)"
    lab.shell(f"kill -STOP {processes}")
    try:
        yield
    finally:
        lab.shell(f"kill -CONT {processes}")


def test_a_photo_server_without_its_database_does_not_work_though_it_answers_a_ping(lab, operator, silo):
    assert (listed(silo), states(operator)) == ("running", {})
    with held(lab, f"silo-{NAME}-database-1"):
        assert Cloud(lab, NAME).works(), "this is the ping, which asks nothing"
        assert listed(silo) == "not healthy"
        assert states(operator) == {"server": "running, not answering", "database": "running, not answering"}
    wait_for(lambda: (listed(silo), states(operator)) == ("running", {}), 120)

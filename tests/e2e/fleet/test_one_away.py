"""One of two servers is away: the other is shown and served, one sentence says what is not, and the code says so."""

import pytest

from ..waiting import wait_for
from .conftest import FIRST, SECOND, TENANTS, as_program, check_told, frozen, record, unplugged

LONG = "a machine that never answers costs ten seconds each time; one that is gone goes the same way"


@pytest.fixture(scope="module", params=[unplugged, pytest.param(frozen, marks=pytest.mark.slow(LONG))])
def away(request, silo, second, bea):
    """The second server is away, as long as these tests run; a name that no customer has yet."""
    with request.param(second):
        yield "carlo" if request.param is unplugged else "dora"
    wait_for(lambda: silo.try_run("list").code == 0, 60)


def test_list_and_show_tell_what_is_known(silo, bea, away):
    answer, run = as_program(silo, "list")
    check_told(run)
    states = {one["name"]: one["observed"] for one in answer["tenants"]}
    assert states == {**dict.fromkeys(TENANTS, "running"), bea: "unknown"}
    assert silo.try_run("show", TENANTS[0]).code == 0
    check_told(silo.try_run("show", bea))


def test_numbers_are_those_of_the_machines_that_answer(silo, bea, away):
    answer, run = as_program(silo, "stats")
    check_told(run)
    used = {one["name"]: one["memory_bytes"] for one in answer["tenants"]}
    assert used.pop(bea) is None
    assert all(used.values())
    answer, run = as_program(silo, "report")
    check_told(run)
    assert set(TENANTS) <= {one["name"] for one in answer["tenants"]}
    answer, run = as_program(silo, "capacity")
    check_told(run)
    assert {one["name"]: bool(one["disk"]) for one in answer["servers"]} == {FIRST: True, SECOND: False}


@pytest.mark.slow("four more commands; contract tests have the same answers of them")
def test_the_first_server_is_checked_and_verified_and_its_images_are_shown(silo, away):
    for command in ("check", "images"):
        run = silo.try_run(command)
        assert (run.code, SECOND in run.output) == (1, True), run.output
    assert silo.try_run("verify", *TENANTS).code == 0
    answer, run = as_program(silo, "verify")
    assert run.code == 1
    assert SECOND in {one["subject"] for one in answer["findings"] if one["state"] != "ok"}


def test_a_customer_is_created_on_the_first_server_and_nobody_on_the_other(lab, silo, operator, away):
    refused = silo.try_run("create", "otto", "1", "otto@example.ch", "--server", SECOND, "--nas", FIRST)
    assert (refused.code, f"otto: nothing was changed. {SECOND} fails its checks." in refused.output) == (1, True)
    assert not operator.folder("otto").exists()
    record(lab, away, lab.address)
    run = silo.try_run("create", away, "1", f"{away}@example.ch")
    assert (run.code, f"on {FIRST}." in run.output) == (0, True), run.output


def test_who_is_on_the_first_server_is_changed_and_who_is_not_stays_as_before(silo, bea, operator, away):
    assert silo.try_run("set", TENANTS[0], "--quota", "2G", "--yes").code == 0
    before = operator.settings(bea)
    check_told(silo.try_run("set", bea, "--quota", "2G", "--yes"))
    assert operator.settings(bea) == before


def test_an_apply_of_all_does_its_work_on_the_first_server(lab, silo, away):
    with lab.without_recovery():
        lab.run("docker", "stop", f"silo-{TENANTS[1]}-server-1")
        run = silo.try_run("apply")
        assert (run.code, SECOND in run.output) == (4, True), run.output
        assert silo.try_run("verify", TENANTS[1]).code == 0

"""Apply and plan with two servers and two NAS: one call each, to the right one, for its own tenants."""

import pytest

from silo.ansible import results
from silo.ansible.contract import TaskId
from silo.diagnostics import Finding, address, changed

from .world import TENANTS

ON_SERVERS = [("silo1", ["anna", "bruno"]), ("silo2", ["clara", "david"])]
ON_STORAGES = [("nas1", ["anna", "bruno"]), ("nas2", ["clara", "david"])]


def items(call):
    return call.parameters["tenants"] if call.module == "tenant_stacks" else []


def rows(run):
    """Tenant to the lines of the verdict's table, without its name; what no tenant is named in is the one's above."""
    found, name = {}, ""
    for line in run.told(TaskId.VERDICT).splitlines()[1:]:
        name = name if line.startswith(" ") else line.split()[0]
        found.setdefault(name, []).append(line.removeprefix(name).split())
    return found


@pytest.fixture(scope="module")
def planned(world):
    return world.run("plan.yml")


@pytest.fixture(scope="module")
def secrets_of_a_plan(world, planned):
    return world.vaults()


@pytest.fixture(scope="module")
def applied(world, secrets_of_a_plan):
    """After the plan, which has to find nothing done."""
    world.tell(unlike={"silo2": ["david/server"]})
    return world.run("apply.yml", "letters.yml", "verify-changed.yml")


@pytest.fixture(scope="module")
def limited(world, applied):
    links = f"access_links_directory={world.place / 'links'}"
    return world.run("apply.yml", "tenant-access.yml", arguments=["--limit", "bruno,david", "-e", links])


@pytest.mark.parametrize("run", ["planned", "applied"])
def test_each_server_and_each_nas_is_called_once_for_its_own_tenants(run, request):
    made = request.getfixturevalue(run)
    assert made.code == 0, made.failures
    assert made.made("tenant_stacks") == made.given("disk") == ON_SERVERS
    assert (made.made("storage_quota"), made.given("storage")) == (ON_STORAGES, [])
    assert sorted(rows(made)) == ["anna", "bruno", "clara", "david"]


def test_each_nas_is_called_as_it_says_of_itself(applied):
    said = {call.host: call.parameters for call in applied.calls if call.module == "storage_quota"}
    assert (said["nas1"]["backend"], said["nas1"]["overcommit"]) == ("auto", 1.0)
    assert (said["nas2"]["backend"], said["nas2"]["overcommit"]) == ("zfs", 1.5)


def test_a_plan_changes_nothing(planned, applied):
    assert {call.check for call in planned.calls} == {True}
    assert {call.check for call in applied.calls if not call.module.endswith("_info")} == {False}
    assert rows(planned) == rows(applied)


def test_only_an_apply_makes_secrets_and_the_next_run_has_the_same(world, secrets_of_a_plan, applied, limited):
    assert (secrets_of_a_plan, world.vaults()) == ([], list(TENANTS))
    assert world.committed() == [f"host_vars/{name}/vault.yml" for name in TENANTS], "each once, and nothing else"
    made = {item["name"]: item for call in applied.calls for item in items(call)}
    again = {item["name"]: item for call in limited.calls for item in items(call)}
    assert again == {name: made[name] for name in ("bruno", "david")}


def test_a_limit_leaves_the_other_tenants_alone(limited):
    assert limited.code == 0, limited.failures
    assert limited.made("tenant_stacks") == [("silo1", ["bruno"]), ("silo2", ["david"])]
    assert limited.given("disk") == [("silo1", ["bruno"]), ("silo2", ["david"])]
    assert limited.made("storage_quota") == [("nas1", ["bruno"]), ("nas2", ["david"])]
    assert list(rows(limited)) == ["bruno", "david"]


def test_the_tenants_that_a_limit_leaves_out_are_known_to_their_servers(limited):
    known = {call.host: call.parameters["known"] for call in limited.calls if call.module == "tenant_stacks"}
    assert known == {"silo1": ["anna", "bruno"], "silo2": ["clara", "david"]}


def test_a_link_leaves_its_ticket_on_the_tenants_own_server(world, limited):
    links = {call.parameters["tenant"]: call.host for call in limited.calls if call.module == "access_link"}
    assert links == {"bruno": "silo1", "david": "silo2"}
    assert sorted(file.name for file in (world.place / "links").iterdir()) == ["bruno", "david"]


def test_what_changed_is_verified_on_each_server_and_each_nas(applied, monkeypatch):
    for look in ("check_answer", "check_certificate"):
        monkeypatch.setattr(address, look, lambda name, *_arguments: Finding("", name, "ok"))
    assert applied.made("diagnostics_info") == ON_SERVERS
    # The limits were read back when they were set.
    assert applied.made("storage_quota_info") == []
    book = {}
    for event in applied.events:
        results.add(event, book)
    assert [(one.id, one.subject) for one in changed.broken(book)] == [("memory", "david/server")]


@pytest.fixture(scope="module")
def broken(world, applied):
    """One tenant of the second server and one of the second NAS fail, and one of the first server was left alone.

    Both servers run what is not theirs.
    """
    world.tell(
        frozen={"anna": "it is frozen"},
        broken={"david": "no container was started"},
        unserved={"clara": "its limit is less than what it uses"},
        orphans={"silo1": ["eve"], "silo2": ["anna", "mallory"]},
    )
    return world.run("apply.yml")


def test_a_tenant_that_fails_is_the_only_one(broken):
    assert broken.code == 2
    assert broken.failures == {
        "clara": "clara: its limit is less than what it uses",
        "david": "david: no container was started",
    }


def test_who_fails_keeps_nobody_from_what_they_should_be(broken):
    assert broken.made("tenant_stacks") == broken.given("disk") == ON_SERVERS
    assert broken.made("storage_quota") == ON_STORAGES
    assert sorted(rows(broken)) == ["anna", "bruno", "clara", "david"]


def test_whose_limit_was_refused_keeps_the_quota_of_the_app(broken):
    kept = {call.host: call.parameters["unlimited"] for call in broken.calls if call.module == "tenant_stacks"}
    assert kept == {"silo1": ["clara"], "silo2": ["clara"]}


def test_the_verdict_says_who_failed(broken):
    failed = {name for name, lines in rows(broken).items() if any("failed" in line for line in lines)}
    assert failed == {"clara", "david"}


def test_who_was_left_alone_is_told_and_is_no_failure(broken):
    assert broken.told(TaskId.LEFT_ALONE) == "anna: it is frozen."
    assert ["left", "alone", "it", "is", "frozen"] in rows(broken)["anna"]


def test_what_runs_where_it_should_not_is_told_with_its_server(broken):
    assert broken.told(TaskId.ORPHANS).splitlines() == [
        "Running on silo1, but in no inventory: eve",
        "Running on silo2, but in no inventory: mallory",
        "Running on silo2, but another server's: anna",
    ]


@pytest.fixture(scope="module")
def away(world, applied):
    """The second server cannot converge anything, and nobody reaches the first NAS."""
    world.tell(away={"silo2": "the engine does not answer"})
    with world.unreachable("nas1"):
        return world.run("apply.yml")


def test_a_machine_that_is_away_fails_all_of_its_tenants_and_no_other(away):
    assert away.code == 2
    assert sorted(away.failures) == ["anna", "bruno", "clara", "david"]
    for name in ("clara", "david"):
        assert away.failures[name] == f"{name}: silo2: the engine does not answer"
    for name in ("anna", "bruno"):
        assert away.failures[name].startswith(f"{name}: nas1: ")


def test_a_machine_that_is_away_keeps_no_other_from_its_work(away):
    assert away.made("storage_quota") == ON_STORAGES[1:]
    assert away.made("tenant_stacks") == ON_SERVERS


def test_nobody_reads_that_nothing_differs_where_a_machine_is_away(away):
    found = rows(away)
    assert sorted(found) == ["anna", "bruno", "clara", "david"]
    assert not [name for name, lines in found.items() if any("nothing" in line for line in lines)]


def test_a_server_that_is_its_own_nas_gets_one_call(own):
    run = own.run("apply.yml")
    assert run.code == 0, run.failures
    assert run.made("tenant_stacks") == run.given("disk") == ON_SERVERS
    assert run.given("storage") == ON_SERVERS[:1]
    assert run.made("storage_quota") == ON_STORAGES[1:]
    assert rows(run)["anna"] == [["absent", "running", "storage,", "disk", "make"], ["server", "create"]]
    book = {}
    for event in run.events:
        results.add(event, book)
    assert {host: sorted(one.values["tenants"]) for host, one in book[TaskId.STORAGE].items()} == {
        "anna": ["anna", "bruno"],
        "clara": ["clara", "david"],
    }


@pytest.mark.parametrize("tags", [("--tags", "storage,disk"), ("--skip-tags", "stacks")])
def test_limits_can_be_set_without_the_stacks(own, tags):
    """As docs/operate/runbooks has it, where a NAS or a server is replaced."""
    run = own.run("apply.yml", arguments=tags)
    assert run.code == 0, run.failures
    assert run.made("tenant_stacks") == []
    assert run.made("storage_quota") == sorted([*ON_SERVERS, ON_SERVERS[0], ON_STORAGES[1]])


def test_stacks_can_be_converged_without_a_limit(own):
    run = own.run("apply.yml", arguments=["--tags", "stacks"])
    assert (run.made("tenant_stacks"), run.made("storage_quota")) == (ON_SERVERS, [])
    assert run.given("storage") == run.given("disk") == []

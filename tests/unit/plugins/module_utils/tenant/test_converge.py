"""From plan to outcome: what is done, in which order, to whom, and what is left alone."""

import dataclasses
import shutil

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.common.process import Completed
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant import execution, payload
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.converge import converge, rehearse, sweep
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.lending import Lent
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.plan import plan
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.stack import StackError

from .conftest import DIGESTS, KEY

GIB = 1024**3


def actions(of):
    return [(change.what, change.action) for change in of.changes]


@pytest.fixture
def hans(server):
    """A tenant that is what it should be."""
    outcomes = converge([plan(server.stack(), [])], server.tools)
    assert [outcome.error for outcome in outcomes] == [""]
    server.done.clear()
    server.services.clear()
    return server.stack()


START = "start silo-hans-"
BIRTH = ["create hans", f"{START}database-1", "password hans", f"{START}server-1", "admin hans@example.ch"]
CACHE = f"{START}cache-1"


def without_cache(done):
    """What is done without the start of the cache, which comes at any time between database and photo server."""
    found = [one for one in done if one in (*BIRTH, CACHE)]
    assert found.index(f"{START}database-1") < found.index(CACHE) < found.index(f"{START}server-1")
    return [one for one in done if one != CACHE]


def test_a_new_tenant_is_born_of_a_template_and_its_route_is_last(server):
    stack = server.stack()
    todo = plan(stack, [])
    assert todo.observed == "absent"
    assert actions(todo)[-4:] == [
        ("database", "from the template of its images"),
        ("first admin", "the customer"),
        ("app quota", "85G"),
        ("route", "open"),
    ]
    (outcome,) = converge([todo], server.tools)
    assert (outcome.error, actions(outcome.plan)[0]) == ("", ("template", "make"))
    assert without_cache(server.done) == [f"template {KEY}", *BIRTH, "address hans.swissphoto.ch"]
    assert (server.quotas, stack.granted.path.read_text()) == ({"hans": 85 * GIB}, f"{85 * GIB}\n")
    assert server.routes() == {"tenant-hans.yml": "route: hans running\n"}
    assert (stack.disk / "database" / "PG_VERSION").read_text() == "17\n"
    assert not stack.birth.exists()
    assert f"template {KEY}, SHA-256 " in stack.marker.path.read_text()


def test_a_database_that_is_asked_too_early_is_asked_once_more(server):
    """As where it ended, and the engine started it again."""
    server.not_ready = ["silo-hans-database-1 ends with code 137: no message"]
    (outcome,) = converge([plan(server.stack(), [])], server.tools)
    assert (outcome.error, server.done.count("password hans")) == ("", 2)
    assert server.services[-2:] == [("wait hans", ["database"]), ("wait hans", ["server", "database", "cache"])]


def test_a_database_that_does_not_start_is_told_and_no_photo_server_starts(server):
    server.not_ready = ["silo-hans-database-1 ends with code 1: it is not running"]
    server.unwell["database"] = "silo-hans-database-1 ended with code 1"
    (outcome,) = converge([plan(server.stack(), [])], server.tools)
    assert outcome.error.startswith("silo-hans-database-1 ended with code 1; see more by")
    assert f"{START}server-1" not in server.done
    assert server.stack().birth.exists()


def test_a_template_without_an_admin_is_nobodys(server):
    server.admins = "0"
    (outcome,) = converge([plan(server.stack(), [])], server.tools)
    assert "this instance has no admin" in outcome.error
    assert (f"{START}server-1" in server.done, server.routes()) == (False, {})


def test_a_quota_of_a_database_that_was_lost_is_set_in_the_next_one(server, hans):
    """Its file says that it is granted already."""
    shutil.rmtree(hans.disk / "database")
    (hans.disk / "database").mkdir()
    server.quotas.clear()
    todo = plan(server.stack(), [])
    assert (todo.birth, todo.app_quota) == (True, False)
    converge([todo], server.tools)
    assert server.quotas == {"hans": 85 * GIB}


def test_the_next_tenant_is_born_of_the_same_template(server, hans):
    converge([plan(server.stack("maria"), [])], server.tools)
    assert server.done[0] == "create maria"


def test_the_marks_of_a_photo_server_are_there_before_it_starts(server):
    seen = []
    begin = server.begin

    def watch(container):
        if container == "silo-hans-server-1":
            seen.extend(sorted(path.parent.name for path in server.root.rglob(".immich")))
        begin(container)

    server.begin = watch
    converge([plan(server.stack(), [])], server.tools)
    assert seen == ["backups", "encoded-video", "library", "profile", "thumbs", "upload"]


def test_without_its_disk_a_tenant_is_left_as_it_is_and_the_others_go_on(server, hans, containers):
    shutil.rmtree(server.root / "disk" / "hans")
    routes = server.routes()
    maria = server.stack("maria")
    away, born = converge([plan(hans, containers()), plan(maria, [])], server.tools)
    assert f"{hans.disk} is missing on this server; see that its disk is mounted" in away.error
    assert (born.error, hans.disk.exists()) == ("", False)
    assert routes.items() <= server.routes().items()
    assert not any("hans" in done for done in server.done)


def test_a_database_of_before_there_was_a_disk_is_not_left_behind(server, hans, containers):
    (hans.disk / "database").rename(hans.directory / "database")
    routes = server.routes()
    for carry_out in (rehearse, converge):
        (outcome,) = carry_out([plan(hans, containers())], server.tools)
        assert f"its database still lies in {hans.directory / 'database'}" in outcome.error
    assert (server.routes(), server.done) == (routes, [])
    # To stop it is always right.
    (stopped,) = converge([plan(server.stack(state="stopped"), containers())], server.tools)
    assert stopped.error == ""


def test_images_that_make_no_template_are_met_by_no_tenant(server, hans, containers):
    server.fail["template"] = 1
    server.stock.store.remove([KEY])
    old = plan(server.stack("hans"), containers())
    maria = plan(server.stack("maria"), [])
    born, runs = converge([maria, old], server.tools)
    assert born.error == "the template of these images cannot be made"
    assert (runs.error, server.done) == ("", [f"template {KEY}"])
    assert "starting-maria.yml" not in server.routes()


def test_a_template_whose_file_is_damaged_is_made_anew(server, hans):
    (kept,) = server.stock.store.all()
    kept.path.write_bytes(bytes(kept.size))
    (outcome,) = converge([plan(server.stack("maria"), [])], server.tools)
    assert actions(outcome.plan)[0] == ("template", "make anew, its file is damaged")
    assert server.done[0] == f"template {KEY}"
    assert outcome.error == ""


@pytest.mark.parametrize("step", ["create hans", f"{START}database-1", CACHE, f"{START}server-1", "admin"])
def test_a_birth_that_was_cut_off_begins_anew(server, containers, step):
    server.fail[step] = 137
    (outcome,) = converge([plan(server.stack(), [])], server.tools)
    assert outcome.error
    assert server.routes() == {}
    server.fail.clear()
    server.done.clear()
    (server.stack().disk / "database" / "half").touch()
    todo = plan(server.stack(), containers())
    assert todo.birth
    (outcome,) = converge([todo], server.tools)
    assert outcome.error == ""
    assert server.done[0] == "rm --force server database cache"
    assert without_cache(server.done)[1:6] == BIRTH
    assert not (server.stack().disk / "database" / "half").exists()


def test_a_database_that_somebody_put_in_place_is_taken_where_it_has_an_admin(server, hans, containers):
    hans.marker.path.unlink()
    todo = plan(hans, containers())
    assert ("database", "take what is there, where it has an admin") in actions(todo)
    (outcome,) = converge([todo], server.tools)
    assert (outcome.error, server.done) == ("", ["admins hans", "address hans.swissphoto.ch"])
    assert server.services == [("wait hans", ["database", "cache"]), ("wait hans", ["server"])]
    assert hans.marker.path.exists()


def test_a_database_without_an_admin_is_nobodys_and_gets_no_route(server, hans, containers):
    hans.marker.path.unlink()
    server.admins = "0"
    (outcome,) = converge([plan(hans, containers())], server.tools)
    assert outcome.error.startswith("its database has no admin, so it is nobody's; remove ")
    assert (server.done[-1], server.routes()) == ("stop hans", {})


@pytest.fixture
def lost(server, hans):
    """A tenant with a photo whose database is gone, as where a disk is not mounted."""
    (hans.disk / "database" / "PG_VERSION").unlink()
    (hans.uploads / "upload" / "photo.jpg").touch()
    return hans


REFUSED = "holds files, and there is no database of it in"


@pytest.mark.parametrize("whole", [False, True])
def test_no_empty_cloud_is_put_over_somebodys_photos(server, lost, whole):
    if whole:
        shutil.rmtree(lost.directory)
    for outcomes in (rehearse([plan(lost, [])], server.tools), converge([plan(lost, [])], server.tools)):
        assert [REFUSED in outcome.error for outcome in outcomes] == [True]
    assert "'silo apply hans --anew'" in outcomes[0].error
    assert server.done == []
    assert not lost.birth.exists()


def test_by_a_word_of_the_operator_it_begins_anew_and_the_files_stay(server, lost):
    server.anew = ["hans"]
    (outcome,) = converge([plan(server.stack(), [])], server.tools)
    assert outcome.error == ""
    assert without_cache(server.done)[:5] == BIRTH
    assert (lost.uploads / "upload" / "photo.jpg").exists()
    server.anew = []
    assert server.stack().marker.path.exists()


def test_a_plan_tells_of_a_template_and_makes_none(server):
    (outcome,) = rehearse([plan(server.stack(), [])], server.tools)
    assert actions(outcome.plan)[0] == ("template", "make")
    assert (outcome.error, server.done, server.stock.store.all()) == ("", [], [])


def test_before_the_first_run_a_plan_has_no_nas_to_look_at(server):
    server.mounts.write_text("")
    (outcome,) = rehearse([plan(server.stack(), [])], server.tools)
    assert outcome.error == ""


def test_a_template_that_nobody_needs_goes_where_all_went_well(server, hans, containers):
    old = server.root / "nas" / ".templates" / "fedcba9876543210.json"
    old.write_text("{}")
    assert sweep(converge([plan(server.stack(), containers())], server.tools), server.tools) == []
    server.fail["create maria"] = 1
    assert sweep(converge([plan(server.stack("maria"), [])], server.tools), server.tools) == []
    server.fail.clear()
    outcomes = converge([plan(server.stack("maria"), [])], server.tools)
    assert sweep(outcomes, server.tools) == ["fedcba9876543210"]  # pragma: allowlist secret
    assert [kept.key for kept in server.stock.store.all()] == [KEY]


def test_an_address_that_does_not_come_is_asked_for_anew_by_the_next_run(server, containers):
    server.fail["address hans.swissphoto.ch"] = 1
    for there in ([], containers()):
        (outcome,) = converge([plan(server.stack(), there)], server.tools)
        assert outcome.error == "hans.swissphoto.ch has no certificate"
        assert server.routes() == {}
    server.fail.clear()
    (outcome,) = converge([plan(server.stack(), containers())], server.tools)
    assert outcome.error == ""
    assert server.routes() == {"tenant-hans.yml": "route: hans running\n"}


def test_an_address_that_does_not_come_is_that_tenants_alone(server):
    server.fail["address hans.swissphoto.ch"] = 1
    hans, maria = converge([plan(server.stack(name), []) for name in ("hans", "maria")], server.tools)
    assert (hans.error, maria.error) == ("hans.swissphoto.ch has no certificate", "")
    assert list(server.routes()) == ["tenant-maria.yml"]


def test_a_route_that_was_there_stays_where_its_address_does_not_answer(server, hans, containers):
    server.fail["address hans.swissphoto.ch"] = 1
    (outcome,) = converge([plan(server.stack(route="route: another\n"), containers())], server.tools)
    assert outcome.error
    assert server.routes() == {"tenant-hans.yml": "route: another\n"}


def test_a_tenant_that_is_what_it_should_be_is_left_alone(server, hans, containers):
    todo = plan(hans, containers())
    assert actions(todo) == []
    converge([todo], server.tools)
    assert server.done == []


def test_a_plan_changes_nothing(server):
    before = sorted(server.root.rglob("*"))
    plan(server.stack(), [])
    assert [
        path for path in sorted(server.root.rglob("*")) if path not in before and not {"nas", "disk"} & {*path.parts}
    ] == []


@pytest.mark.parametrize(
    ("found", "action"),
    [
        (None, "create"),
        ({"digest": "old"}, "recreate"),
        ({"state": "exited", "health": ""}, "start"),
        ({"health": "unhealthy"}, "restart"),
        ({"state": "restarting", "health": ""}, "restart"),
        ({"health": "starting"}, "wait for it"),
        ({"health": "not answering"}, "wait for it"),
    ],
)
def test_a_container_that_is_not_well_is_brought_back(server, hans, containers, found, action):
    todo = plan(hans, containers(server=found))
    assert actions(todo) == [("server", action)]
    converge([todo], server.tools)
    assert server.done == {"restart": ["restart hans"], "wait for it": []}.get(action, ["up hans"])
    work = [(command, ["server"]) for command in server.done]
    assert server.services == [("wait hans", ["database", "cache"]), *work, ("wait hans", ["server"])]


def test_nobodys_container_goes_before_what_its_successor_needs_works(server, hans, containers):
    server.unwell["database"] = "silo-hans-database-1 did not work within 300 s"
    (outcome,) = converge([plan(hans, containers(server={"digest": "old"}))], server.tools)
    assert outcome.error.startswith("silo-hans-database-1 did not work within 300 s; see more by")
    assert server.done == []


def test_a_service_is_made_after_those_that_it_needs(server, hans, containers):
    changed = dict.fromkeys(("server", "database"), {"digest": "old"})
    converge([plan(hans, containers(**changed))], server.tools)
    assert server.services == [
        ("up hans", ["database"]),
        ("wait hans", ["database", "cache"]),
        ("up hans", ["server"]),
        ("wait hans", ["server"]),
    ]


def test_services_that_wait_for_each_other_are_left_to_compose(server, hans, containers):
    """It refuses them."""
    both = dataclasses.replace(hans, after={"server": ["cache"], "cache": ["server"]})
    assert [layer.services for layer in plan(both, containers()).layers] == [("database",), ("server", "cache")]


def test_a_mounted_file_that_was_changed_on_the_server_is_mended_and_its_services_restarted(server, hans, containers):
    (hans.directory / "immich.json").chmod(0o600)
    (hans.directory / "immich.json").write_text("{tampered}")
    todo = plan(hans, containers())
    assert actions(todo) == [("immich.json", "write"), ("server", "restart")]
    converge([todo], server.tools)
    assert (hans.directory / "immich.json").read_text() == "{}\n"
    assert server.done == ["restart hans"]


def test_a_file_with_the_wrong_mode_is_mended(server, hans, containers):
    (hans.directory / ".env").chmod(0o644)
    todo = plan(hans, containers())
    assert actions(todo) == [(".env", "write")]
    converge([todo], server.tools)
    assert (hans.directory / ".env").stat().st_mode & 0o777 == 0o600


PAUSED = {"state": "paused", "health": ""}


@pytest.mark.parametrize("paused", [("server", "database", "cache"), ("cache",)], ids=["all", "one"])
@pytest.mark.parametrize("carry_out", [rehearse, converge])
def test_who_is_frozen_is_left_alone_whatever_it_should_be_and_the_others_go_on(
    server, hans, containers, carry_out, paused
):
    """An operator did it on purpose; nobody waits for who cannot answer."""
    frozen = containers(**dict.fromkeys(paused, PAUSED))
    cold = plan(server.stack(env="A=2\n", route="route: another\n"), frozen)
    assert (cold.observed, cold.changes, cold.up) == ("frozen", (), False)
    routes = server.routes()
    told, born = carry_out([cold, plan(server.stack("maria"), [])], server.tools)
    assert (told.error, born.error, born.note) == ("", "", "")
    assert told.note == (
        f"it is frozen, so nothing of it was changed; 'docker compose unpause' in {hans.directory} on the server lets "
        "it run on, 'silo stop hans' ends it"
    )
    assert hans.record.path.read_text() == "A=1\n"
    assert routes.items() <= server.routes().items()
    assert not any("hans" in done for done in server.done)


@pytest.mark.parametrize(
    ("state", "last"), [("stopped", "stop hans"), ("suspended", "stop hans"), ("absent", "down hans")]
)
def test_who_is_frozen_and_should_not_run_is_killed_and_runs_no_moment_longer(server, hans, containers, state, last):
    frozen = containers(server=PAUSED, cache=PAUSED)
    (outcome,) = converge([plan(server.stack(state=state), frozen)], server.tools)
    assert (outcome.error, outcome.note) == ("", "")
    assert server.done == ["kill server cache", last]


@pytest.mark.parametrize("state", ["stopped", "suspended"])
def test_who_stops_keeps_files_and_data_and_gets_the_page_first(server, hans, containers, state):
    todo = plan(server.stack(state=state), containers())
    assert actions(todo) == [("route", "to the pages"), ("stack", "stop")]
    server.fail["stop hans"] = 1
    (outcome,) = converge([todo], server.tools)
    assert "docker compose stop failed with code 1: no such image" in outcome.error
    assert server.routes() == {"tenant-hans.yml": f"route: hans {state}\n"}
    assert hans.marker.path.exists()


def test_who_is_absent_keeps_the_data(server, hans, containers):
    todo = plan(server.stack(state="absent"), containers())
    converge([todo], server.tools)
    assert server.done == ["down hans"]
    assert server.routes() == {}
    assert (hans.disk / "database").is_dir()
    assert plan(server.stack(state="absent"), []).changes == ()


def test_the_record_says_stopped_before_anything_stops(server, hans, containers):
    """Who starts again what should run reads it at any time."""
    todo = plan(server.stack(state="stopped", env="A=1\nTENANT_STATE=stopped\n"), containers())
    assert actions(todo) == [("route", "to the pages"), (".env", "write"), ("stack", "stop")]
    server.fail["stop hans"] = 1
    converge([todo], server.tools)
    assert hans.record.path.read_text() == "A=1\nTENANT_STATE=stopped\n"


@pytest.mark.parametrize("state", ["stopped", "suspended", "absent"])
def test_the_record_of_who_rests_is_kept_right_and_made_for_nobody(server, hans, containers, state):
    former = [] if state == "absent" else containers(**{service: {"state": "exited"} for service in hans.digests})
    converge([plan(server.stack(state=state), former)], server.tools)
    todo = plan(server.stack(state=state, env="A=2\n"), former)
    assert actions(todo) == [(".env", "write")]
    converge([todo], server.tools)
    assert hans.record.path.read_text() == "A=2\n"
    assert plan(server.stack(state=state, env="A=2\n"), former).changes == ()
    stranger = plan(server.stack("maria", state=state), [])
    assert [what for what, _action in actions(stranger)] == ([] if state == "absent" else ["route"])


def test_without_the_nas_nothing_starts(server):
    (server.root / "nas" / ".silo-nas").unlink()
    (outcome,) = converge([plan(server.stack(), [])], server.tools)
    assert "is not the NAS" in outcome.error
    assert outcome.error.endswith("No such file or directory; no container was started")
    assert server.done == []
    assert server.routes() == {}


def test_who_runs_is_left_alone_while_the_nas_is_away(server, hans, containers):
    server.mounts.write_text("")
    changed = server.stack(route="route: hans in another language\n")
    outcomes = converge([plan(hans, containers()), plan(changed, containers())], server.tools)
    assert [outcome.error for outcome in outcomes] == ["", ""]
    assert server.done == ["address hans.swissphoto.ch"]


def test_the_nas_is_looked_at_once_for_all(server):
    stacks = [server.stack(name) for name in ("hans", "maria", "peter")]
    stacks[1].uploads.rmdir()
    hans, maria, peter = converge([plan(stack, []) for stack in stacks], server.tools)
    assert server.looks == [[], [stack.uploads for stack in stacks]]
    assert (hans.error, peter.error) == ("", "")
    assert maria.error == f"{stacks[1].uploads} is missing on the NAS; an apply with its storage part creates it"


def test_one_tenant_that_fails_does_not_keep_the_others_from_their_state(server):
    server.fail["create hans"] = 17
    hans, maria = converge([plan(server.stack(name), []) for name in ("hans", "maria")], server.tools)
    assert "docker compose up failed with code 17" in hans.error
    assert maria.error == ""
    assert list(server.routes()) == ["tenant-maria.yml"]


def test_a_route_that_stands_is_closed_while_nobody_knows_whose_it_is(server, hans, containers):
    hans.marker.path.unlink()
    server.unwell["server"] = "it does not work"
    converge([plan(hans, containers())], server.tools)
    assert server.routes() == {}


STARTING = {"starting-hans.yml": "route: hans starting\n"}


def test_the_pages_answer_for_a_new_tenant_while_its_stack_starts(server):
    """So that its certificate is there when its route is."""
    seen = []
    run, begin = server.run, server.begin
    server.run = lambda command, environment: seen.append(server.routes()) or run(command, environment)
    server.begin = lambda container: seen.append(server.routes()) or begin(container)
    converge([plan(server.stack(), [])], server.tools)
    assert seen == [STARTING] * 4
    assert server.routes() == {"tenant-hans.yml": "route: hans running\n"}


def test_who_has_a_route_is_not_announced(server, hans, containers):
    assert plan(hans, containers(server=None)).announce is False


def test_who_has_been_absent_is_announced(server, hans):
    """Its admin and its data exist, as on a server to which it has moved; its address and certificate may not."""
    hans.route.path.unlink()
    seen = []
    run = server.run
    server.run = lambda command, environment: seen.append(server.routes()) or run(command, environment)
    converge([plan(hans, [])], server.tools)
    assert (seen, server.done[-1]) == ([STARTING] * 2, "address hans.swissphoto.ch")
    assert server.routes() == {"tenant-hans.yml": "route: hans running\n"}


def test_a_route_that_alone_is_missing_is_opened_without_a_look_at_the_nas(server, hans, containers):
    hans.route.path.unlink()
    server.mounts.write_text("")
    (outcome,) = converge([plan(hans, containers())], server.tools)
    assert (outcome.error, server.done) == ("", ["address hans.swissphoto.ch"])


def test_no_page_promises_a_start_that_has_failed(server):
    server.fail["create hans"] = 1
    converge([plan(server.stack(), [])], server.tools)
    assert server.routes() == {}


@pytest.mark.parametrize("state", ["running", "stopped", "suspended", "absent"])
def test_a_page_that_a_run_left_which_was_cut_off_is_removed(server, hans, containers, state):
    stack = server.stack(state=state)
    converge([plan(stack, containers())], server.tools)
    stack.starting.path.write_text("route: hans starting\n")
    todo = plan(stack, containers() if state == "running" else [])
    assert actions(todo) == [("route of its start", "remove")]
    converge([todo], server.tools)
    assert "starting-hans.yml" not in server.routes()
    assert plan(stack, containers() if state == "running" else []).changes == ()


def test_a_start_that_was_cut_off_is_announced_again(server, containers):
    stack = server.stack()
    stack.starting.path.write_text("route: hans starting\n")
    (outcome,) = converge([plan(stack, containers())], server.tools)
    assert outcome.error == ""
    assert list(server.routes()) == ["tenant-hans.yml"]


def test_a_diff_shows_files_and_hides_secrets(server, hans, containers):
    todo = plan(server.stack(env="A=2\n", configuration="smtp password\n"), containers())
    shown = {diff.path.rsplit("/", 1)[1]: (diff.before, diff.after) for diff in todo.diffs}
    assert shown[".env"] == ("A=1\n", "A=2\n")
    assert "smtp password" not in str(shown["immich.json"])


def test_the_record_of_a_tenant_is_written_after_all_that_it_needs(server, monkeypatch):
    written, write = [], execution.write_file
    monkeypatch.setattr(execution, "write_file", lambda file: (write(file), written.append(file.path.name)))
    stack = server.stack()
    converge([plan(stack, [])], server.tools)
    names = {file.path.name for file in stack.files}
    assert len(names) > 5
    assert {*written[1 : len(names)]} == names - {".env"}
    assert written[len(names)] == ".env"


def test_a_file_that_cannot_be_written_is_told_and_nothing_starts(server, monkeypatch):
    def write(file):
        if file.path.name == "immich.json":
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(execution, "write_file", write)
    (outcome,) = converge([plan(server.stack(), [])], server.tools)
    assert "No space left on device" in outcome.error
    assert [one for one in server.done if one != f"template {KEY}"] == []


def test_secrets_belong_to_the_tenant_alone(server, hans):
    for path in (hans.directory / "secrets").iterdir():
        assert path.stat().st_mode & 0o777 == 0o400


def test_a_password_that_the_database_does_not_know_is_refused(server, hans, containers):
    secrets = {"database_password": "other", "cache_password": "Csecret", "valkey.conf": "Csecret\n"}
    (outcome,) = converge([plan(server.stack(secrets=secrets), containers())], server.tools)
    assert outcome.error.startswith("its database was made with another password than that of its vault.yml")
    assert (hans.directory / "secrets" / "database_password").read_text() == "Dsecret"
    assert server.done == []


def test_what_a_replacement_left_that_was_cut_off_is_removed_first(server, hans, containers):
    half = dataclasses.replace(containers()[0], identity="1ba0", name="1ba0_silo-hans-server-1", state="created")
    todo = plan(hans, [*containers(server={"digest": "old"}), half])
    assert actions(todo) == [("1ba0_silo-hans-server-1", "remove, an earlier run left it"), ("server", "recreate")]
    converge([todo], server.tools)
    assert server.done == ["rm --force 1ba0", "up hans"]


def test_another_app_quota_is_set_without_a_run_of_compose_and_once(server, hans, containers):
    server.mounts.write_text("")
    grown = server.stack(app_quota=170 * GIB)
    todo = plan(grown, containers())
    assert actions(todo) == [("app quota", "85G -> 170G")]
    (outcome,) = converge([todo], server.tools)
    assert outcome.error == ""
    assert server.done == [f"quota hans {170 * GIB}"]
    assert plan(grown, containers()).changes == ()


def test_whose_limit_was_refused_keeps_the_app_quota_until_it_is_set(server, hans, containers):
    server.unlimited = ["hans"]
    assert plan(server.stack(app_quota=GIB), containers()).changes == ()
    server.unlimited = ["maria"]
    assert actions(plan(server.stack(app_quota=GIB), containers())) == [("app quota", "85G -> 1G")]


def test_an_app_quota_that_could_not_be_set_is_set_by_the_next_run(server, hans, containers):
    grown = server.stack(app_quota=170 * GIB)
    server.fail["quota"] = 1
    (outcome,) = converge([plan(grown, containers())], server.tools)
    assert outcome.error == "the app quota cannot be set"
    assert actions(plan(grown, containers())) == [("app quota", "85G -> 170G")]


def test_another_address_is_the_login_without_a_run_of_compose_and_once(server, hans, containers):
    moved = server.stack(email="hans@new.example.ch")
    todo = plan(moved, containers())
    assert actions(todo) == [("login", "the tenant's new address")]
    (outcome,) = converge([todo], server.tools)
    assert outcome.error == ""
    assert server.done == ["login hans hans@new.example.ch"]
    assert plan(moved, containers()).changes == ()
    assert moved.login.path.stat().st_mode & 0o777 == 0o600


def test_a_login_that_could_not_be_set_is_set_by_the_next_run(server, hans, containers):
    moved = server.stack(email="hans@new.example.ch")
    server.fail["login"] = 1
    (outcome,) = converge([plan(moved, containers())], server.tools)
    assert outcome.error == "the login cannot be changed"
    assert actions(plan(moved, containers())) == [("login", "the tenant's new address")]


@pytest.mark.parametrize("state", ["stopped", "suspended"])
def test_who_rests_gets_the_new_login_when_started_again(server, hans, containers, state):
    converge([plan(server.stack(state=state, email="hans@new.example.ch"), containers())], server.tools)
    assert not [one for one in server.done if one.startswith("login")]
    assert ("login", "the tenant's new address") in actions(plan(server.stack(email="hans@new.example.ch"), []))


@pytest.mark.parametrize("content", ["", "much\n", "-1\n"])
def test_a_record_of_the_app_quota_that_says_nothing_is_written_anew(server, hans, containers, content):
    hans.granted.path.write_text(content)
    assert actions(plan(hans, containers())) == [("app quota", "85G")]


@pytest.mark.parametrize("state", ["stopped", "suspended", "absent"])
def test_who_rests_gets_another_app_quota_when_started_again(server, hans, containers, state):
    converge([plan(server.stack(state=state), containers())], server.tools)
    server.done.clear()
    converge([plan(server.stack(state=state, app_quota=GIB), [])], server.tools)
    assert server.done == []
    assert ("app quota", "85G -> 1G") in actions(plan(server.stack(app_quota=GIB), []))


@pytest.fixture
def units(monkeypatch, tmp_path):
    """The folder in which systemd finds units."""
    (tmp_path / "units").mkdir()
    monkeypatch.setattr(payload, "UNITS", tmp_path / "units")
    return tmp_path / "units"


def test_a_slice_is_there_before_the_containers_and_is_read_again_only_where_it_differs(server, units, containers):
    todo = plan(server.stack(slice="MemoryMax=1\n"), [])
    assert ("silo-hans.slice", "write") in actions(todo)
    converge([todo], server.tools)
    assert server.done[1:3] == ["daemon-reload", "create hans"]
    server.done.clear()
    assert plan(server.stack(slice="MemoryMax=1\n"), containers()).changes == ()
    converge([plan(server.stack(slice="MemoryMax=2\n"), containers())], server.tools)
    assert (units / "silo-hans.slice").read_text() == "MemoryMax=2\n"
    assert server.done == ["daemon-reload"]


def test_the_slice_goes_with_the_containers(server, units, containers):
    converge([plan(server.stack(slice="MemoryMax=1\n"), [])], server.tools)
    converge([plan(server.stack(slice="MemoryMax=1\n", state="absent"), containers())], server.tools)
    assert server.done[-2:] == ["down hans", "stop silo-hans.slice"]
    assert list(units.iterdir()) == []


def test_a_systemd_that_refuses_is_told(monkeypatch):
    failed = Completed(1, "", "Access denied\n")
    monkeypatch.setattr(execution, "run_command", lambda *_arguments, **_options: failed)
    with pytest.raises(StackError, match="systemctl daemon-reload failed: Access denied"):
        execution.systemctl("daemon-reload")


OLD, NEW = (f"A=1\nSERVER_IMAGE=immich:{version}\nCACHE_IMAGE=valkey:9\n" for version in (1, 2))
THREE = ("hans", "maria", "peter")


@pytest.fixture
def three(server):
    """Three tenants that run with the old images."""
    converge([plan(server.stack(name, env=OLD), []) for name in THREE], server.tools)
    server.done.clear()
    return THREE


def update(server, containers, names=THREE, env=NEW, **states):
    """What a run brings to tenants of which some have the digest of the new image already, by their state."""
    plans = []
    for name in names:
        there = {"server": {"digest": "s2", **states[name]}} if name in states else {}
        stack = server.stack(name, env=env, digests={"server": "s2", "database": "d1", "cache": "c1"})
        plans.append(plan(stack, containers(name, **there)))
    return {outcome.plan.stack.name: outcome.error for outcome in converge(plans, server.tools)}


def test_an_image_that_does_not_work_costs_one_tenant(server, three, containers):
    server.fail["up hans"] = 1
    errors = update(server, containers)
    assert errors["hans"].endswith(
        "; no other tenant has its new images yet; to go back, set silo_images to the previous images "
        "(server immich:1), and apply"
    )
    waiting = "not changed, because hans got the same new images first and does not run with them"
    assert (errors["maria"], errors["peter"]) == (waiting, waiting)
    assert server.done == ["up hans"]
    assert [plan(server.stack(name, env=OLD), containers(name)).changes for name in ("maria", "peter")] == [(), ()]


def test_the_next_run_tries_it_on_the_same_tenant_again(server, three, containers):
    server.fail["up hans"] = 1
    update(server, containers)
    server.done.clear()
    server.unwell["server"] = "silo-hans-server-1 ended with code 1"
    errors = update(server, containers, hans={"state": "restarting", "health": ""})
    assert [name for name, error in errors.items() if "does not run with them" in error] == ["maria", "peter"]
    assert server.done == ["restart hans"]


def test_an_image_that_works_is_brought_to_all_after_one(server, three, containers):
    assert set(update(server, containers).values()) == {""}
    assert server.done[0] == "up hans"
    assert sorted(server.done[1:]) == ["up maria", "up peter"]


def test_where_one_runs_well_with_it_nobody_has_to_try_it(server, three, containers):
    update(server, containers, ["peter"])
    server.done.clear()
    server.fail["up hans"] = 1
    errors = update(server, containers, peter={})
    assert [name for name, error in errors.items() if error] == ["hans"]
    assert sorted(server.done) == ["up hans", "up maria"]


def test_the_way_back_is_open_and_touches_nobody_else(server, three, containers):
    server.fail["up hans"] = 1
    update(server, containers)
    server.fail.clear()
    server.done.clear()
    plans = [plan(server.stack("hans", env=OLD), containers("hans", server={"digest": "s2", "state": "restarting"}))]
    plans += [plan(server.stack(name, env=OLD), containers(name)) for name in ("maria", "peter")]
    assert [outcome.error for outcome in converge(plans, server.tools)] == ["", "", ""]
    assert server.done == ["up hans"]


LENDING = "SERVER_MEMORY=1000\nSERVER_BURST=500\nSERVER_DIGEST=s\nCACHE_MEMORY=70\nCACHE_DIGEST=c\n"
BEFORE, AFTER = OLD + LENDING, NEW + LENDING
RUNS = {"image": "immich:1"}


class Lender:
    """Lends all that is asked for, and writes it down; or is `short`."""

    def __init__(self, done, short=0, growing=()):
        self.done, self.asked = done, []
        self.lent = Lent(lent={("hans", "server"): 500}, short=short, growing=frozenset(growing))

    def make_room(self, coming, wanting):
        self.asked.append((sorted(coming), list(wanting)))
        return self.lent

    def give(self, name, services):
        self.done.append(f"give {name} {' '.join(services)}")


@pytest.fixture
def lender(server):
    server.lending = Lender(server.done)
    return server.lending


@pytest.fixture
def runs(server, hans):
    """A tenant that runs with the old images, and may borrow."""
    converge([plan(server.stack(env=BEFORE), [])], server.tools)
    server.done.clear()
    return server.stack(env=BEFORE)


@pytest.mark.parametrize(
    ("there", "moved"),
    [
        ({"digest": "old", "image": "immich:0"}, ("server",)),
        ({"digest": "old", "image": "immich:1"}, ()),  # another limit, or another variable
        ({"image": "immich:1", "state": "created", "health": ""}, ("server",)),  # a run that was cut off made it
        ({"image": "immich:1", "state": "exited", "health": ""}, ()),
        ({"image": "sha256:12", "health": "unhealthy"}, ()),
        (RUNS, ()),
        (None, ()),
    ],
)
def test_other_images_start_with_burst_and_nothing_else_does(server, runs, containers, there, moved):
    assert plan(runs, containers(server=there)).moved == moved


def test_a_container_that_is_missing_starts_with_burst_where_its_image_was_another(server, runs, containers):
    assert plan(server.stack(env=AFTER), containers(server=None)).moved == ("server",)


def test_who_is_born_needs_no_burst_because_its_template_has_the_places(server, hans, containers):
    (hans.disk / "database" / "PG_VERSION").unlink()
    todo = plan(server.stack(env=AFTER), containers())
    assert (todo.birth, todo.moved) == (True, ())


def test_burst_is_there_before_the_first_start_of_other_images(server, runs, containers, lender):
    todo = plan(server.stack(env=AFTER, digests={**DIGESTS, "server": "s2"}), containers(server=RUNS))
    assert [outcome.error for outcome in converge([todo], server.tools)] == [""]
    assert server.done == ["create hans", "give hans server", "up hans"]
    assert lender.asked == [(["hans"], [("hans", "server")])]


def test_what_starts_nothing_asks_for_no_room(server, runs, containers, lender):
    resting = plan(server.stack(env=BEFORE, state="stopped"), containers(server=RUNS))
    converge([resting, plan(runs, containers(server=RUNS))], server.tools)
    assert lender.asked == []


def test_a_tenant_that_has_no_room_yet_does_not_start_and_others_do(server, runs, containers):
    server.lending = Lender(server.done, short=100 * 1024**2, growing=["maria"])
    plans = [plan(server.stack("maria"), []), plan(runs, containers(server={"state": "exited", "image": "immich:1"}))]
    maria, hans = converge(plans, server.tools)
    assert maria.error.startswith("100 MiB of its promised memory is still in use as burst by hans, so nothing was")
    assert (hans.error, "create maria" in server.done, "up hans" in server.done) == ("", False, True)
    assert "starting-maria.yml" not in server.routes()

"""What a tenant's state asks for."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics import state
from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics.subjects import Tenant
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.health import Questions
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.probe import Storage

from tests.unit.hostile_servers import DEEP, HOSTILE, serving
from tests.unit.patience import PATIENCE

OLD = {"State": {"StartedAt": "2026-01-01T00:00:00Z"}, "Config": {"Healthcheck": {"StartPeriod": 300 * 10**9}}}


@pytest.fixture
def items(given):
    """The three containers of hans, of which some differ; None is not there."""

    def of(**changes):
        found = {}
        for service in ("server", "database", "cache"):
            if changes.get(service, {}) is not None:
                name = f"silo-hans-{service}-1"
                found[name] = given.item(identity=service, name=name, **changes.get(service, {}))
        return found

    return of


@pytest.fixture
def failed(given):
    """What does not hold, where hans should be in a state."""

    def of(items, wanted="running", directories=None):
        given.parameters["tenants"] = [given.tenant_item("hans", 1, wanted)]
        hans = given.hans
        (hans.disk / "database").mkdir(parents=True, exist_ok=True)
        hans.directory.mkdir(parents=True, exist_ok=True)
        (hans.disk / "database" / "PG_VERSION").touch()
        (hans.directory / ".admin-created").touch()
        there = {hans.storage / "uploads"} if directories is None else directories
        server = given.server()
        # In place of what it would ask.
        server.__dict__.update(items=tuple(items.values()), storage=Storage("", frozenset(there)))
        tenant = Tenant(server, hans)
        return {one.subject: one.seen for check in (state.state, state.data) for one in check(tenant) if not one.ok}

    return of


def test_one_that_runs(items, failed):
    assert failed(items()) == {}


@pytest.mark.parametrize(
    ("changes", "seen"),
    [
        (None, "no container"),
        ({"state": "exited", "status": "Exited (137)"}, "exited"),
        ({"status": "Up 3 minutes (unhealthy)"}, "running, unhealthy"),
        ({"status": "Up 3 hours (health: starting)"}, "running, not answering"),
        ({"state": "restarting", "status": "Restarting (1)"}, "restarting"),
        ({"state": "paused", "status": "Up 3 hours (Paused)"}, "frozen"),
    ],
)
def test_a_service_that_does_not_run(given, items, failed, changes, seen):
    given.questions = Questions(lambda _address: True, lambda _container: OLD, lambda *_asked: False)
    assert failed(items(cache=changes)) == {"hans/cache": seen}


def test_who_is_frozen_is_told_how_it_ends_and_not_to_apply(given):
    item = given.item(state="paused", name="silo-hans-cache-1", tenant="hans")
    finding = state._running(given.hans.services[-1], item, {})
    assert (finding.seen, "docker compose unpause" in finding.fix, "'silo stop hans'" in finding.fix) == (
        *("frozen", True, True),
    )


def test_a_service_that_works_though_the_engine_has_not_seen_it_yet(given, items, failed):
    """As after a restart of the engine, until its next probe."""
    given.questions = Questions(lambda _address: True, lambda _container: OLD, lambda *_asked: True)
    starting = {"status": "Up 3 hours (health: starting)"}
    assert failed(items(server=starting, database=starting, cache=starting)) == {}


def test_a_photo_server_without_its_database(given, items, failed):
    """The engine calls both healthy until its next probe."""
    stopped = {"state": "exited", "status": "Exited (0)"}
    given.questions = Questions(lambda _address: False, lambda _container: OLD, lambda *_asked: True)
    seen = {"hans/server": "running, not answering", "hans/database": "exited"}
    assert failed(items(database=stopped)) == seen


@pytest.mark.parametrize("wanted", ["stopped", "suspended"])
def test_one_at_rest(given, items, failed, wanted):
    exited = {"state": "exited", "status": "Exited (0)"}
    assert failed(items(server=exited, database=exited, cache=exited), wanted) == {}
    assert failed({}, wanted) == {}
    stays = items(server=exited, database={"state": "running"}, cache=exited)
    assert failed(stays, wanted) == {"hans": "silo-hans-database-1 is running"}


def test_one_that_is_to_be_absent(items, failed):
    assert failed({}, "absent", directories=set()) == {}
    assert failed(items(server={"state": "exited"}, database=None, cache=None), "absent") == {
        "hans": "silo-hans-server-1 is exited"
    }


def test_data_that_is_gone(given, items, failed):
    assert failed(items(), directories=set()) == {"hans": f"{given.hans.storage}/uploads is missing"}
    assert state.stored(given.hans, {given.hans.storage / "uploads"}).ok
    (given.hans.disk / "database" / "PG_VERSION").unlink()
    assert "PG_VERSION is missing" in state.stored(given.hans, {given.hans.storage / "uploads"}).seen


@pytest.fixture
def photo_server():
    """Answers as it is told to whoever asks how it is."""
    answers = {"body": b'{"isInitialized": true}'}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            assert self.path == "/api/server/config"
            self.send_response(200)
            self.send_header("Content-Length", str(len(answers["body"])))
            self.end_headers()
            self.wfile.write(answers["body"])

        def log_message(self, *_arguments):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        answers["port"] = server.server_port
        yield answers
        server.shutdown()
        thread.join(5)


@pytest.fixture
def closed(given, photo_server):
    service = given.parameters["tenants"][0]["services"][0]
    service |= {"address": "127.0.0.1", "port": photo_server["port"]}
    return lambda **changes: state.closed(given.container(processes=(given.process(**changes),)))


def test_set_up_that_is_closed(closed):
    assert (closed().ok, closed().seen) == (True, "closed, with an admin")


@pytest.mark.parametrize(
    ("environment", "seen"),
    [
        (b"A=1\0", "open (IMMICH_ALLOW_SETUP is not set)"),
        (b"IMMICH_ALLOW_SETUP=true\0", "open (IMMICH_ALLOW_SETUP=true)"),
    ],
)
def test_set_up_that_is_open(closed, environment, seen):
    check = closed(environment=environment)
    assert (check.ok, check.seen) == (False, seen)


@pytest.mark.parametrize("body", [{"isInitialized": False}, {}, [], None])
def test_an_instance_without_an_admin(closed, photo_server, body):
    photo_server["body"] = json.dumps(body).encode()
    assert (closed().ok, closed().seen) == (False, "closed, without an admin")


def test_a_photo_server_that_says_nothing_of_use(closed, photo_server):
    photo_server["body"] = b"<html>"
    assert not closed().ok


@pytest.mark.parametrize("name", HOSTILE)
def test_a_photo_server_that_does_not_come_to_an_end_is_a_finding_in_time(closed, given, monkeypatch, name):
    monkeypatch.setattr(state, "SECONDS", 0.2)
    with serving(HOSTILE[name]) as (port, _asked):
        given.parameters["tenants"][0]["services"][0]["port"] = port
        begin = time.monotonic()
        found = closed()
        assert time.monotonic() - begin < PATIENCE
    assert not found.ok
    assert found.seen.startswith("closed, and the photo server does not answer: ")
    assert found.seen.isprintable()


def test_json_that_would_end_the_audit_is_a_finding(closed, photo_server):
    photo_server["body"] = DEEP
    assert "it is nested too deeply" in closed().seen


def test_what_a_process_has_set_is_shown_without_what_does_something(closed):
    assert closed(environment=b"IMMICH_ALLOW_SETUP=\x1b[2J\n" + b"x" * 5000 + b"\0").seen.isprintable()


def test_one_that_was_made_at_rest_has_no_data_yet(given):
    given.parameters["tenants"] = [given.tenant_item("hans", 1, "stopped")]
    hans = given.hans
    uploads = hans.storage / "uploads"
    (uploads / "backups").mkdir(parents=True)
    assert state.stored(hans, {uploads}).ok
    # Photos without a database are no beginning, but a loss.
    (uploads / "library").mkdir()
    (uploads / "library" / ".immich").touch()
    assert not state.stored(hans, {uploads}).ok


def test_one_that_should_run_has_data(given):
    assert not state.stored(given.hans, set()).ok


def test_only_the_photo_server_has_a_set_up(given, photo_server):
    given.parameters["tenants"][0]["services"][0] |= {"address": "127.0.0.1", "port": photo_server["port"]}
    (finding,) = state.setup_closed(given.container())
    assert (finding.id, finding.subject, finding.state) == ("setup_closed", "hans/server", "ok")
    assert state.setup_closed(given.shared()) == []

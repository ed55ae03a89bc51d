"""The engine's answer, read; its refusals, told."""

import http.server
import json
import socketserver
import threading

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant import engine
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.stack import Container, StackError


@pytest.mark.parametrize(
    ("status", "health"),
    [
        ("Up 3 minutes (healthy)", "healthy"),
        ("Up 3 minutes (unhealthy)", "unhealthy"),
        ("Up 1 second (health: starting)", "starting"),
        ("Up 2 hours", ""),
        ("Exited (0) 2 days ago", ""),
    ],
)
def test_health_is_read_from_the_engines_words(status, health):
    assert engine.health(status) == health


def item(**labels):
    ours = {"tenant": "hans", "service": "server", "digest": "d"}
    ours = {f"ch.swissphoto.silo.{key}": value for key, value in ours.items()}
    return {
        "Id": "7f3a",
        "Names": ["/silo-hans-server-1"],
        "Labels": ours | labels,
        "State": "running",
        "Status": "Up 3 minutes (healthy)",
    }


def test_containers_are_read_and_one_off_containers_are_not():
    answer = [item(), item(**{"com.docker.compose.oneoff": "True"})]
    assert engine.parse(answer) == [
        Container("7f3a", "silo-hans-server-1", "hans", "server", "d", "running", "healthy")
    ]


def test_the_version_is_what_the_image_says_of_itself():
    (container,) = engine.parse([item(**{"org.opencontainers.image.version": "v3.2.2"})])
    assert container.version == "v3.2.2"


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        ({"Networks": {"default": {"IPAddress": "10.83.0.18"}}}, "10.83.0.18"),
        ({"Networks": {"default": {"IPAddress": ""}}}, ""),
        ({"Networks": None}, ""),
        (None, ""),
    ],
)
def test_the_address_is_that_on_its_network(settings, address):
    (container,) = engine.parse([{**item(), "NetworkSettings": settings}])
    assert container.address == address


class Engine(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """An engine that gives one answer and counts the questions."""

    daemon_threads = True


@pytest.fixture
def answers(tmp_path):
    def start(code, body):
        asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def address_string(self):
                return "socket"

            def log_message(self, *_arguments):
                pass

            def do_GET(self):
                asked.append(self.path)
                self.answer()

            def do_POST(self):
                length = int(self.headers["Content-Length"])
                asked.append((self.path, self.headers["Content-Type"], json.loads(self.rfile.read(length))))
                self.answer()

            def answer(self):
                self.send_response(code)
                self.end_headers()
                if body:  # who gets a 204 reads no more
                    self.wfile.write(body.encode())

        server = Engine(str(tmp_path / "docker.sock"), Handler)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        servers.append(server)
        return str(tmp_path / "docker.sock"), asked

    servers = []
    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_one_question_for_all_containers(answers):
    path, asked = answers(200, json.dumps([item(), item(**{"ch.swissphoto.silo.tenant": "maria"})]))
    assert [container.tenant for container in engine.containers(path)] == ["hans", "maria"]
    assert len(asked) == 1
    assert "all=1" in asked[0]


def test_one_tenants_containers_are_asked_for_by_its_name(answers):
    path, asked = answers(200, json.dumps([item()]))
    assert [container.name for container in engine.containers(path, "hans")] == ["silo-hans-server-1"]
    assert "ch.swissphoto.silo.tenant%3Dhans" in asked[0]


def test_the_end_of_a_log_is_read_as_it_is_and_no_more_of_it_than_has_a_bound(answers, monkeypatch):
    monkeypatch.setattr(engine, "LONGEST_LOG", 8)
    path, asked = answers(200, "ready, and much more")
    assert engine.log("7f3a", path) == b"ready, a"
    assert asked == ["/containers/7f3a/logs?stdout=1&stderr=1&tail=1000"]


def test_what_is_sent_is_json(answers):
    path, asked = answers(200, '{"Warnings": []}')
    engine.post("/containers/7f3a/update", {"Memory": 4096}, path)
    assert asked == [("/containers/7f3a/update", "application/json", {"Memory": 4096})]


@pytest.mark.parametrize("status", [204, 304], ids=["started", "ran already"])
def test_a_container_is_started_by_its_name(answers, status):
    path, asked = answers(status, "")
    engine.start("silo-hans-cache-1", path)
    assert asked == [("/containers/silo-hans-cache-1/start", "application/json", {})]


def test_a_container_that_is_not_there_cannot_be_started(answers):
    path, _asked = answers(404, '{"message": "No such container: silo-hans-cache-1"}')
    with pytest.raises(StackError, match="answers /containers/silo-hans-cache-1/start with 404: .*No such container"):
        engine.start("silo-hans-cache-1", path)


def test_what_is_sent_and_refused_is_told(answers):
    path, _asked = answers(409, '{"message": "device or resource busy"}')
    with pytest.raises(StackError, match="answers /containers/7f3a/update with 409: .*device or resource busy"):
        engine.post("/containers/7f3a/update", {"Memory": 4096}, path)


def test_a_refusal_is_told(answers):
    path, _asked = answers(500, '{"message": "no space left"}')
    with pytest.raises(StackError, match="the Docker Engine answers /containers/json with 500: .*no space left"):
        engine.containers(path)


def test_an_engine_that_is_not_there_is_told(tmp_path):
    with pytest.raises(StackError, match="the Docker Engine does not answer at .*docker.sock"):
        engine.containers(str(tmp_path / "docker.sock"))


SERVER = Container("7f3a", "silo-hans-server-1", "hans", "server", "d", "running", "")


def test_the_main_process_is_told(answers):
    path, asked = answers(200, '{"State": {"Pid": 42}}')
    assert engine.main_process(SERVER, path) == 42
    assert asked[0].startswith("/containers/7f3a/json")


def test_a_container_that_has_ended_meanwhile_has_none(answers):
    path, _asked = answers(404, '{"message": "no such container"}')
    assert engine.main_process(SERVER, path) == 0

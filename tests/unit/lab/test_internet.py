import http.server
import ssl
import threading

import pytest

from tests.lab import certificates
from tests.lab.command import LabError, Result
from tests.lab.hosts import Hosts
from tests.lab.images import Image
from tests.lab.internet import Internet

VALKEY = Image("valkey", "0123456789ab")


@pytest.fixture
def internet(machine, directory):
    for path in (directory.lab_ca, directory.certificate, directory.key):
        directory.write(path, path.name)
    hosts = Hosts(machine, "silo-lab")
    return Internet(
        machine, hosts, directory, "silo-lab-internet", "172.29.0.3", "172.29.0.2", "swissphoto.test", "172.29.0.11"
    )


@pytest.fixture
def registry(monkeypatch):
    """What the registry has, by path."""
    content = {}

    def ask(self, port, path, method="GET", accept="*/*"):
        digest = content.get(path.removeprefix("/v2/"))
        return ({"Docker-Content-Digest": digest}, "") if digest else None

    monkeypatch.setattr(Internet, "_ask", ask)
    return content


def test_every_name_of_the_domain_is_the_server_but_for_two(internet):
    lines = internet.names().splitlines()
    assert "address=/swissphoto.test/172.29.0.2" in lines
    assert "address=/vm.swissphoto.test/172.29.0.11" in lines
    assert "address=/acme.swissphoto.test/172.29.0.3" in lines
    assert "address=/registry.swissphoto.test/172.29.0.3" in lines


def test_services_restart_only_where_a_file_changed(internet, machine):
    assert internet.ensure() == "set up"
    assert machine.asked("systemctl restart")
    machine.calls.clear()
    for path, content in {
        "/etc/dnsmasq.d/lab.conf": internet.names(),
        "/etc/silo-lab/lab-ca.pem": "lab-ca.pem",
        "/etc/silo-lab/tls.crt": "tls.crt",
        "/etc/silo-lab/tls.key": "tls.key",
    }.items():
        machine.answers[f"docker exec silo-lab-internet cat {path}"] = content
    assert internet.ensure() == "run"
    assert not machine.asked("systemctl restart")
    assert not machine.asked("docker cp")


def test_the_key_is_sent_on_stdin_and_never_an_argument(internet, machine):
    internet.directory.write(internet.directory.key, "SECRET")
    internet.ensure()
    assert not machine.asked("SECRET")
    assert any(b"SECRET" in sent for sent in machine.sent)


def test_an_image_goes_from_the_engine_into_the_registry(internet, machine, registry):
    registry["valkey/manifests/0123456789ab"] = "sha256:1"
    assert internet.push(VALKEY) == "sha256:1"
    (pipe,) = machine.asked(" | ")
    assert pipe.startswith("docker save silo-lab-valkey:0123456789ab | docker exec --interactive")
    assert pipe.endswith("docker://localhost:5000/valkey:0123456789ab")


def test_an_archive_goes_into_the_registry_as_it_is(internet, machine, registry, tmp_path):
    registry["valkey/manifests/0123456789ab"] = "sha256:1"
    assert internet.push_archive(tmp_path / "valkey.tar", VALKEY) == "sha256:1"
    (pipe,) = machine.asked(" | ")
    assert pipe.startswith(f"cat {tmp_path}/valkey.tar | docker exec --interactive")


def test_the_registry_is_asked_by_a_name_that_its_certificate_has(directory, machine):
    """It has no address: a lab that comes from a snapshot lies in another network than the one that was kept."""
    certificates.ensure(directory, ["localhost"], [])
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(directory.certificate, directory.key)

    class Registry(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_response(200 if self.path == "/v2/valkey/manifests/0123456789ab" else 404)
            self.send_header("Docker-Content-Digest", "sha256:2")
            self.end_headers()

        def log_message(self, *_arguments):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Registry) as server, pytest.MonkeyPatch.context() as patch:
        server.socket = serving.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        patch.setattr("tests.lab.internet.REGISTRY_PORT", server.server_port)
        place = Internet(machine, Hosts(machine, "x"), directory, "x-internet", "127.0.0.1", "", "swissphoto.test", "")
        assert place.digest(VALKEY) == "sha256:2"
        assert place.digest(Image("valkey", "other")) is None
        certificates.ensure(directory, ["registry.swissphoto.test"], [])
        assert place.digest(VALKEY) is None
        server.shutdown()


def test_an_image_that_did_not_arrive_is_an_error(internet, registry):
    assert internet.digest(VALKEY) is None
    with pytest.raises(LabError, match="does not have valkey:0123456789ab"):
        internet.push(VALKEY)


def test_an_authority_that_does_not_answer_is_an_error(internet, registry):
    with pytest.raises(LabError, match="root certificate did not come"):
        internet.root()


def test_a_push_that_fails_says_why(internet, machine, registry, monkeypatch):
    def fail(source, sink):
        raise LabError(f"{sink[0]}: {Result(1, '', 'no space left').stderr}")

    monkeypatch.setattr(machine, "pipe", fail)
    with pytest.raises(LabError, match="no space left"):
        internet.push(VALKEY)

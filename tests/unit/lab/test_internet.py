import pytest

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

    def ask(self, url, method="GET", accept="*/*"):
        digest = content.get(url.partition("/v2/")[2])
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

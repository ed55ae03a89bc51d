import pytest

from tests.lab.command import LabError, Result
from tests.lab.hosts import Hosts
from tests.lab.server import Server

HOST_KEY = "ssh-ed25519 AAAAHOST root@silo-lab\n"


@pytest.fixture
def server(machine, directory, monkeypatch):
    machine.answers = {
        "docker exec silo-lab cat /etc/ssh/ssh_host_ed25519_key.pub": [Result(1, "", "No such file"), HOST_KEY],
        "ssh -F": [Result(255, "", "Connection refused"), ""],
    }
    run = machine.run

    def with_keygen(*argv, **options):
        if argv[0] == "ssh-keygen":
            for path in (directory.ssh_key, directory.ssh_key.with_suffix(".pub")):
                assert not path.exists()
                path.write_text("new")
        return run(*argv, **options)

    monkeypatch.setattr(machine, "run", with_keygen)
    return Server(machine, Hosts(machine, "silo-lab"), directory, "silo-lab", "172.29.0.2")


def test_a_key_is_made_once(server, machine):
    assert server.ensure_ssh() == "key made, root logs in"
    assert server.ensure_ssh() == "root logs in"
    assert len(machine.asked("ssh-keygen")) == 1


def test_half_a_key_is_made_anew(server, directory):
    directory.ssh_key.write_text("private, from a run that was killed")
    assert server.ensure_ssh() == "key made, root logs in"
    assert directory.ssh_key.read_text() == "new"


def test_the_servers_key_comes_from_the_container_and_not_from_the_network(server, directory, machine):
    server.ensure_ssh()
    assert directory.known_hosts.read_text() == "172.29.0.2 ssh-ed25519 AAAAHOST\n"
    login = machine.asked("ssh -F")[-1]
    assert "StrictHostKeyChecking=yes" in login
    assert f"UserKnownHostsFile={directory.known_hosts}" in login


def test_the_keys_of_other_servers_stay_and_its_own_is_replaced(server, directory):
    directory.known_hosts.write_text("172.29.0.20 ssh-ed25519 AAAASECOND\n172.29.0.2 ssh-ed25519 AAAAOLD\n")
    server.ensure_ssh()
    assert directory.known_hosts.read_text().splitlines() == [
        "172.29.0.20 ssh-ed25519 AAAASECOND",
        "172.29.0.2 ssh-ed25519 AAAAHOST",
    ]


def test_a_server_that_lets_nobody_in_is_an_error(server, machine):
    machine.answers["ssh -F"] = Result(255, "", "Permission denied")
    with pytest.raises(LabError, match="a login on silo-lab did not come"):
        server.ensure_ssh()

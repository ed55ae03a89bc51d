"""Who gets into the server itself: by which ports, and by SSH with what."""

import contextlib
import json
import socket
import subprocess
from pathlib import Path

import pytest

# Where nobody expects anything, with something behind it.
PORT = 4711
LISTEN = f"systemd-run --quiet --collect --unit silo-test-door python3 -m http.server --bind 0.0.0.0 {PORT}"
KEYS = "/root/.ssh/authorized_keys"


@pytest.fixture(scope="module")
def known(lab):
    """How the lab's server is reached, beside its address."""
    return json.loads((Path(lab.ca_file).parent / "lab.json").read_text())


@pytest.fixture
def outside(lab):
    """Which ports of the server another machine of its network reaches, which is this one."""

    def reached(port):
        with contextlib.suppress(OSError), socket.create_connection((lab.address, port), timeout=2):
            return True
        return False

    return lambda *ports: set(filter(reached, ports))


@pytest.fixture
def door(lab):
    lab.shell(LISTEN)
    lab.shell(f"until ss -Hltn sport = :{PORT} | grep -q .; do sleep 0.1; done")
    yield PORT
    lab.run("systemctl", "stop", "silo-test-door")


def ssh(lab, known, *arguments, **options):
    """The client of SSH, with no settings of the person who runs the tests."""
    settings = {"BatchMode": "yes", "ConnectTimeout": "5", "UserKnownHostsFile": known["known_hosts"], **options}
    flags = [part for name, value in settings.items() for part in ("-o", f"{name}={value}")]
    return ["ssh", "-F", "none", *flags, f"root@{lab.address}", *arguments]


def test_what_listens_is_not_open_by_that(lab, outside, door):
    assert outside(22, 80, 443, 3003, door) == {22, 80, 443}
    # It is the firewall that keeps it.
    lab.run("nft", "delete", "table", "inet", "silo_firewall")
    try:
        assert outside(door) == {door}
    finally:
        lab.run("systemctl", "reload", "silo-firewall")
    assert outside(door) == set()


def test_who_is_logged_in_stays_while_the_rules_are_loaded_anew(lab, known):
    with subprocess.Popen(
        ssh(lab, known, "cat", IdentityFile=known["ssh_key"]), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as session:
        for word, unit in (("is-active", "ssh"), ("reload", "silo-firewall"), ("reload", "ssh"), ("restart", "ssh")):
            lab.run("systemctl", word, unit)
            session.stdin.write(f"{unit}\n")
            session.stdin.flush()
            assert session.stdout.readline() == f"{unit}\n"
        session.stdin.close()
        assert session.wait(timeout=10) == 0


def test_passwords_are_not_even_asked_for(lab, known):
    run = subprocess.run(
        ssh(lab, known, "true", PreferredAuthentications="password,keyboard-interactive", PubkeyAuthentication="no"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 255
    assert "Permission denied (publickey)" in run.stderr


@contextlib.contextmanager
def by_another_way(lab):
    """As Ansible reaches a server without SSH, which has no key of anybody then."""
    lab.run("mv", KEYS, f"{KEYS}.away")
    try:
        yield ("-e", json.dumps({"ansible_connection": "community.docker.docker", "ansible_host": lab.container}))
    finally:
        lab.run("mv", f"{KEYS}.away", KEYS)


def test_nobody_is_locked_out(lab, operator):
    with by_another_way(lab) as way:
        run = operator.try_run("site.yml", "--check", "--tags", "host", "--limit", "silo1", *way)
    assert run.code
    assert f"root has no key in {KEYS} or {KEYS}2 of silo1" in " ".join(run.output.split())
    assert "set host_ssh_keys_only to false" in " ".join(run.output.split())


def test_verify_and_check_tell_a_server_that_lets_in_more(lab, silo):
    lab.shell("nft flush chain inet silo_firewall input; nft chain inet silo_firewall input '{ policy accept; }'")
    lab.run("mv", "/etc/ssh/sshd_config.d/00-silo.conf", "/etc/ssh/sshd_config.d/00-silo.away")
    try:
        verified, checked = silo.try_run("verify", "hans"), silo.try_run("check")
    finally:
        lab.run("mv", "/etc/ssh/sshd_config.d/00-silo.away", "/etc/ssh/sshd_config.d/00-silo.conf")
        lab.run("systemctl", "reload", "silo-firewall")
    for run in (verified, checked):
        assert run.code == 1
        assert "passwordauthentication yes" in run.output
        assert "every listening port is open to everybody" in run.output

"""From inside hans' silo, nothing of maria's and nothing of the host's can be reached, but the machine learning."""

import json
import socket
import subprocess

import pytest

PROBE = """
import concurrent.futures, json, socket, sys

def state(target):
    try:
        socket.create_connection(tuple(target), timeout=2).close()
        return "open"
    except OSError as error:
        return type(error).__name__

targets = json.load(sys.stdin)
with concurrent.futures.ThreadPoolExecutor(16) as pool:
    states = pool.map(state, targets)
    print(json.dumps({f"{host}:{port}": found for (host, port), found in zip(targets, states)}))
"""


@pytest.fixture
def probe(lab):
    """Which of some addresses a container reaches."""

    def of(container, *targets):
        command = ["docker", "exec", "-i", container, "python3", "-c", PROBE]
        found = json.loads(lab.run(*command, text=json.dumps(targets)))
        return {target for target, state in found.items() if state == "open"}

    return of


def test_hans_reaches_his_own(lab, probe):
    gateway = lab.gateway("hans")
    targets = [("database", 5432), ("cache", 6379), ("server", 2283), (gateway, 3003)]
    assert probe("silo-hans-server-1", *targets) == {f"{host}:{port}" for host, port in targets}


def test_his_names_are_his_own(lab):
    for service in ("server", "database", "cache"):
        found = lab.run("docker", "exec", "silo-hans-server-1", "getent", "hosts", service).split()[0]
        assert found == lab.address_of("hans", service)


def test_hans_does_not_reach_maria(lab, probe):
    ports = {"server": 2283, "database": 5432, "cache": 6379}
    targets = []
    for service, port in ports.items():
        targets += [
            (lab.address_of("maria", service), port),
            (f"silo-maria-{service}-1", port),
            (f"{service}.silo-maria_default", port),
        ]
    targets += [(lab.gateway("maria"), port) for port in (3003, 22, 80, 443)]
    targets += [(f"maria.{lab.domain}", port) for port in (80, 443)]
    assert probe("silo-hans-server-1", *targets) == set()
    # The same probe, from where it may: so it can tell open from closed.
    own = [(lab.address_of("maria", service), port) for service, port in ports.items()]
    assert probe("silo-maria-server-1", *own) == {f"{host}:{port}" for host, port in own}


def test_hans_does_not_reach_the_host(lab, probe):
    listening = lab.shell("ss -Hltn | awk '{print $4}' | sed 's/.*://' | sort -nu").split()
    assert {"22", "80", "443", "3003"} <= set(listening)
    addresses = [lab.gateway("hans"), lab.address, "10.82.0.1", "10.82.0.2", "10.82.0.18", "172.17.0.1"]
    targets = [(address, int(port)) for address in addresses for port in (*listening, "2375", "8080")]
    own = f"{lab.gateway('hans')}:3003"
    assert probe("silo-hans-server-1", *targets) == {own}


def test_hans_has_no_way_out(lab, probe):
    assert probe("silo-hans-server-1", ("deb.debian.org", 80), (lab.address.rsplit(".", 1)[0] + ".3", 5000)) == set()


@pytest.fixture
def neighbour(lab):
    """Which of some addresses another machine of the data centre reaches, that takes the server for its router."""
    (server,) = json.loads(subprocess.check_output(["docker", "inspect", lab.container]))
    (network,) = server["NetworkSettings"]["Networks"]
    script = f"ip route add 10.0.0.0/8 via {lab.address} && exec python3 -c '{PROBE}'"
    command = ["docker", "run", "--rm", "-i", "--network", network, "--cap-add", "NET_ADMIN", "--entrypoint", "sh"]

    def of(*targets):
        answer = subprocess.check_output(
            [*command, server["Image"], "-c", script], input=json.dumps(targets), text=True
        )
        return {target for target, state in json.loads(answer).items() if state == "open"}

    return of


def test_nobody_outside_reaches_behind_the_proxy(lab, neighbour):
    ports = {"server": 2283, "database": 5432, "cache": 6379}
    targets = [(lab.address_of("hans", service), port) for service, port in ports.items()]
    targets += [(lab.gateway("hans"), 3003), ("10.82.0.2", 3003), ("10.82.0.18", 8080)]
    targets += [(lab.address, port) for port in (2283, 2375, 3003, 5432, 6379, 8080, 8082)]
    world = [(lab.address, port) for port in (22, 80, 443)]
    assert neighbour(*targets, *world) == {f"{host}:{port}" for host, port in world}


def test_hans_does_not_see_the_files_of_maria(lab):
    mounts = lab.run("docker", "exec", "silo-hans-server-1", "cat", "/proc/self/mountinfo")
    assert "hans" in mounts
    assert "maria" not in mounts
    look = ["docker", "run", "--rm", "--user", "200001:200001", "-v", "/instances:/nas:ro", "--entrypoint", "ls"]
    image = lab.inspect("silo-hans-server-1")["Config"]["Image"]
    assert lab.try_run(*look, image, "/nas/hans/uploads").returncode == 0
    refused = lab.try_run(*look, image, "/nas/maria/uploads")
    assert refused.returncode != 0
    assert "Permission denied" in refused.stderr


def test_each_tenant_is_a_user_of_its_own_without_privileges(lab):
    users = set()
    for name in ("hans", "maria", "peter"):
        for service in ("server", "database", "cache"):
            details = lab.inspect(f"silo-{name}-{service}-1")
            host = details["HostConfig"]
            assert host["CapDrop"] == ["ALL"]
            assert not host["CapAdd"]
            assert not host["Privileged"]
            assert "no-new-privileges:true" in host["SecurityOpt"]
            assert host["PortBindings"] in ({}, None)
            users.add((name, details["Config"]["User"]))
    assert sorted(users) == [("hans", "200001:200001"), ("maria", "200002:200002"), ("peter", "200003:200003")]


def test_the_machine_learning_is_closed_to_the_world(lab):
    with pytest.raises(OSError):
        socket.create_connection((lab.address, 3003), timeout=3)
    socket.create_connection((lab.address, 443), timeout=3).close()


def test_the_guard_is_what_keeps_tenants_from_the_host(lab, probe):
    """Without its table the same probe does get through: the test above sees the guard and not an accident."""
    target = (lab.gateway("hans"), 22)
    lab.run("nft", "delete", "table", "inet", "silo_guard")
    try:
        assert probe("silo-hans-server-1", target) == {f"{target[0]}:22"}
    finally:
        lab.run("systemctl", "reload", "silo-guard")
    assert probe("silo-hans-server-1", target) == set()


def test_no_container_has_the_socket_of_docker(lab):
    for container in lab.run("docker", "ps", "--format", "{{.Names}}").split():
        assert "docker.sock" not in json.dumps(lab.inspect(container)["Mounts"])

"""What keeps tenants apart but their networks, which test_matrix looks at; and the server from its neighbours."""

import json
import socket
import subprocess
import sys

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
def neighbour(lab):
    """Which of some addresses another machine of the data centre reaches, that takes the server for its router."""
    route, inside = ("10.0.0.0/8", "via", lab.address), lab.neighbour()

    def of(*targets):
        subprocess.run([*inside, "ip", "route", "add", *route], check=True)
        try:
            command = [*inside, sys.executable, "-c", PROBE]
            answer = subprocess.check_output(command, input=json.dumps(targets), text=True)
        finally:
            subprocess.run([*inside, "ip", "route", "delete", *route], check=True)
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


def test_no_container_has_the_socket_of_docker(lab):
    for container in lab.run("docker", "ps", "--format", "{{.Names}}").split():
        assert "docker.sock" not in json.dumps(lab.inspect(container)["Mounts"])

"""Connections from networks: this one, and a new one in which nothing is."""

import os
import socket
import subprocess
import threading
from pathlib import Path

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics import connectivity
from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics.connectivity import Target

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="root alone enters networks")


@pytest.fixture
def port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def closed():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


@pytest.fixture
def empty_network():
    """A network of its own, with a loopback that is down."""
    with subprocess.Popen(
        ["unshare", "--net", "sh", "-c", "echo; read end"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        child.stdout.readline()
        yield Path(f"/proc/{child.pid}/ns/net")
        child.communicate(b"\n")


def test_an_open_port_is_told_from_a_closed_and_from_a_silent_one(port, closed):
    # The last is reserved for documentation: nobody is there, and at most a router says so.
    targets = [Target("127.0.0.1", port), Target("127.0.0.1", closed), Target("192.0.2.1", 80)]
    found = connectivity.connect(targets, 0.3)
    assert found.open == {targets[0]}
    assert targets[1] in found.refused


def test_addresses_of_ipv6(port):
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    assert connectivity.connect([Target("::1", port), Target("fe80::1", 22)], 0.3).open == frozenset()


def test_many_at_once(port):
    targets = [Target(f"127.0.{high}.{low}", port) for high in range(4) for low in range(1, 250)]
    assert connectivity.connect(targets, 0.3).open == {Target("127.0.0.1", port)}


@needs_root
def test_from_another_network_nothing_of_this_one_is_reached(port, empty_network):
    here, target = Path("/proc/self/ns/net"), Target("127.0.0.1", port)
    found = connectivity.from_inside({here: [target], empty_network: [target]}, 0.3)
    assert found[here].open == {target}
    assert found[empty_network] == connectivity.Reached()
    # Who called is where it was.
    assert connectivity.connect([target], 0.3).open == {target}


@needs_root
def test_more_networks_than_are_visited_at_once(port, monkeypatch):
    monkeypatch.setattr(connectivity, "AT_ONCE", 2)
    target = Target("127.0.0.1", port)
    paths = [
        Path(f"/proc/self/task/{threading.get_native_id()}/ns/net"),
        Path("/proc/self/ns/net"),
        Path("/proc/1/../self/ns/net"),
    ]
    found = connectivity.from_inside(dict.fromkeys(paths, [target]), 0.3)
    assert [found[path].open for path in paths] == [{target}] * 3


def test_a_network_that_is_gone(tmp_path):
    found = connectivity.from_inside({tmp_path / "gone": [Target("127.0.0.1", 1)]}, 0.1)
    assert "No such file" in found[tmp_path / "gone"].error


def test_how_a_target_is_told():
    assert str(Target("10.83.0.18", 5432, "maria/database")) == "10.83.0.18:5432 (maria/database)"
    assert str(Target("10.83.0.18", 5432)) == "10.83.0.18:5432"

"""Clock, disks and firewall of a machine; what nft says is recorded."""

import ctypes
import json
import os

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.command import CommandError, Completed
from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics import snapshot

RULES = {table: f"table {table} {{\n}}\n" for table in snapshot.TABLES}


class Kernel:
    """Answers as nft, unshare and docker do; `loaded` are its tables, `file` what the rules of the file would be."""

    def __init__(self, loaded=RULES, file="".join(RULES.values()), docker=Completed(0, "/mnt/docker\n"), missing=()):  # noqa: B008 - nobody changes them
        self.loaded, self.file, self.docker, self.missing = loaded, file, docker, missing

    def __call__(self, argv):
        if argv[0] in self.missing:
            raise CommandError(argv, Completed(127, err=f"{argv[0]} is not installed on this host"))
        if argv[0] == "nft":
            table = " ".join(argv[-2:])
            error = "Error: No such file or directory\nlist table inet silo_firewall\n           ^^^^^^^^^^\n"
            return Completed(0, self.loaded[table]) if table in self.loaded else Completed(1, err=error)
        if argv[0] == "unshare":
            return Completed(0, self.file) if self.file else Completed(1, err="unshare: Operation not permitted\n")
        return self.docker


@pytest.fixture
def firewall(tmp_path):
    path = tmp_path / "firewall.nft"
    path.touch()
    return path


def test_a_firewall_that_holds(firewall):
    assert snapshot.firewall_problem(Kernel(), firewall) == ""


def test_a_firewall_without_its_file(tmp_path):
    assert snapshot.firewall_problem(Kernel(), tmp_path / "none") == f"{tmp_path}/none is missing"


@pytest.mark.parametrize("table", snapshot.TABLES)
def test_a_table_that_is_gone(firewall, table):
    loaded = {name: rules for name, rules in RULES.items() if name != table}
    reason = "Error: No such file or directory"
    assert snapshot.firewall_problem(Kernel(loaded), firewall) == f"its table {table} is not loaded ({reason})"


def test_rules_that_are_others(firewall):
    loaded = {**RULES, "inet silo_firewall": "table inet silo_firewall {\n  chain input { }\n}\n"}
    assert snapshot.firewall_problem(Kernel(loaded), firewall) == (
        f"its tables are loaded, and their rules are not those of {firewall}"
    )


def test_rules_that_cannot_be_compared(firewall):
    assert snapshot.firewall_problem(Kernel(file=""), firewall) == (
        f"its tables are loaded, and could not be compared with {firewall} (unshare: Operation not permitted)"
    )


def test_a_machine_without_nft(firewall):
    assert "nft is not installed" in snapshot.firewall_problem(Kernel(missing=("nft",)), firewall)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (Completed(0, "chain input {\n  type filter hook input priority -10; policy drop;\n"), ""),
        (
            Completed(0, "chain input {\n  type filter hook input priority -10; policy accept;\n"),
            "every listening port is open",
        ),
        (
            Completed(1, err="Error: No such file"),
            "the chain input of silo_firewall is not loaded (Error: No such file)",
        ),
    ],
)
def test_a_server_that_is_open(answer, problem):
    assert snapshot.input_problem(lambda _argv: answer).startswith(problem)
    assert bool(snapshot.input_problem(lambda _argv: answer)) == bool(problem)


def test_where_docker_keeps_its_things():
    assert snapshot.docker_directory(Kernel()) == "/mnt/docker"
    assert snapshot.docker_directory(Kernel(docker=Completed(124))) == snapshot.DOCKER
    assert snapshot.docker_directory(Kernel(missing=("timeout",))) == snapshot.DOCKER


def test_disks_are_told_once_each_and_before_their_directories_are_made(tmp_path):
    (disk,) = snapshot.disks([str(tmp_path), str(tmp_path / "not" / "yet")])
    status = os.statvfs(tmp_path)
    assert (disk.path, disk.size, disk.inodes) == (str(tmp_path), status.f_blocks * status.f_frsize, status.f_files)
    assert 0 < disk.free <= disk.size
    assert {disk.path for disk in snapshot.disks(["/", "/proc"])} == {"/", "/proc"}


@pytest.mark.parametrize(("state", "kept"), [(0, True), (snapshot.TIME_ERROR, False)])
def test_who_keeps_the_clock(monkeypatch, state, kept):
    class Library:
        def __init__(self, _name):
            pass

        def adjtimex(self, buffer):
            assert len(buffer) == snapshot.TIMEX_BYTES
            assert buffer.raw == bytes(snapshot.TIMEX_BYTES)  # no mode: it only reads
            return state

    monkeypatch.setattr(ctypes, "CDLL", Library)
    assert snapshot.synchronised() is kept


def routes(*found):
    return lambda argv: Completed(0, json.dumps(list(found))) if argv == snapshot.ROUTES else None


@pytest.mark.parametrize(
    ("route", "where"),
    [
        ({"dst": "10.83.4.0/24", "dev": "wg0"}, "10.83.4.0/24 is reached on wg0"),
        ({"dst": "10.0.0.0/8", "gateway": "192.0.2.1", "dev": "eth0"}, "10.0.0.0/8 is reached by 192.0.2.1 on eth0"),
        ({"dst": "10.83.0.7", "dev": "eth0", "type": "local", "table": "local"}, "10.83.0.7 is reached on eth0"),
        ({"dst": "10.83.0.0/16", "type": "blackhole"}, "10.83.0.0/16 is reached by a route of its own"),
    ],
)
def test_a_network_elsewhere_that_has_the_addresses_of_tenants(route, where):
    assert snapshot.network_problem(routes(route), "10.83.0.0/16") == f"{where}, and overlaps 10.83.0.0/16"


def test_networks_that_are_none_of_theirs():
    own = {"dst": "10.83.0.16/28", "dev": "im-1"}
    others = [{"dst": "default", "gateway": "192.0.2.1"}, {"dst": "10.84.0.0/24", "dev": "docker0"}, own]
    assert snapshot.network_problem(routes(*others), "10.83.0.0/16") == ""
    assert snapshot.network_problem(Kernel(missing=("ip",)), "") == ""


def test_routes_that_cannot_be_read():
    assert "ip is not installed" in snapshot.network_problem(Kernel(missing=("ip",)), "10.83.0.0/16")
    assert "could not be looked at" in snapshot.network_problem(routes(), "none")

"""All together, by an engine that answers as Docker does; and what is away."""

import json
from pathlib import Path

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.command import CommandError, Completed
from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics import (
    connectivity,
    container,
    engine,
    server,
)
from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics import subjects as subjects_
from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics.connectivity import Reached
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.probe import Storage
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.stack import StackError

ACCESS = {"open_ports", "ssh", "live_restore"}
LIMITS = {"connection_limits", "connection_table", "root_ports"}
# As nft lists what the template of the firewall has.
EDGE = Path(__file__).with_name("edge.nft").read_text()
LABEL = "ch.swissphoto.silo.tenant"


class Engine:
    """Docker's answers; `listed` may be changed."""

    def __init__(self, given):
        self.given = given
        self.gone, self.keeps = set(), True
        self.listed = [
            self.item(f"silo-{name}-{service}-1", f"10.83.0.{16 * index + place}", {LABEL: name})
            for index, name in enumerate(("hans", "maria"), start=1)
            for place, service in enumerate(("server", "database", "cache"), start=2)
        ]
        self.listed += [self.item("traefik-1", "", {}), self.item("pages-1", "10.82.0.18", {})]

    def item(self, name, address, labels):
        networks = {"default": {"IPAddress": address}}
        return {
            "Id": name,
            "Names": [f"/{name}"],
            "State": "running",
            "Status": "Up 3 minutes (healthy)",
            "Labels": labels,
            "NetworkSettings": {"Networks": networks},
            "Ports": [{"PrivatePort": 2283, "Type": "tcp"}],
            "Mounts": [{"Source": "/srv"}],
        }

    def __call__(self, path, query):
        if path == "/info":
            return {"LiveRestoreEnabled": self.keeps}
        if path == "/containers/json":
            assert query == {"all": "1"}
            return self.listed
        name = path.split("/")[2]
        if name in self.gone:
            raise StackError("No such container")
        if path.startswith("/containers/"):
            return self.given.details() | {
                "State": {"Pid": 42},
                "NetworkSettings": {"SandboxKey": f"/var/run/docker/netns/{name}"},
            }
        return {"RepoDigests": list(self.given.found().digests)}


@pytest.fixture
def docker(given, monkeypatch):
    found = given.found()
    monkeypatch.setattr(container.process, "read", lambda _pid: found.processes)
    monkeypatch.setattr(container.mounts, "read", lambda *_where: found.mounts)
    monkeypatch.setattr(container.limits, "read", lambda _pid: found.limits)
    monkeypatch.setattr(subjects_.probe, "look", lambda _sentinel, directories: Storage("", frozenset(directories)))
    monkeypatch.setattr(server.snapshot, "firewall_problem", lambda _runner, _file: "")
    monkeypatch.setattr(server.snapshot, "input_problem", lambda _runner: "")
    monkeypatch.setattr(server.ssh, "problem", lambda _runner: "")
    monkeypatch.setattr(connectivity, "from_inside", lambda ways, _seconds: dict.fromkeys(ways, Reached()))
    return Engine(given)


def runner(argv):
    assert argv[0] in ("ip", "nft")
    return Completed(0, json.dumps([]) if argv[0] == "ip" else EDGE)


@pytest.fixture
def run(given, docker):
    return lambda with_runner=runner: engine.run("verify", given.server(with_runner, docker))


def by_subject(checks):
    found = {}
    for check in checks:
        found.setdefault(check.subject, {})[check.id] = check
    return found


def test_each_container_is_looked_at_in_every_way(run):
    found = by_subject(run())
    every = {"capabilities", "image", "isolation", "memory", "mounts", "own_network", "rights", "seccomp_profile"}
    for subject in ("hans/server", "hans/database", "hans/cache", "maria/server"):
        assert every < set(found[subject])
        assert found[subject]["isolation"].ok
    assert "setup_closed" in found["hans/server"]
    assert "setup_closed" not in found["hans/cache"]
    assert set(found["hans"]) >= {"secret_files", "data"}
    assert set(found["silo1"]) == {"firewall", "nas", "tenants", "published_ports", "engine_socket"} | ACCESS | LIMITS
    assert {"state", "memory", "image"} < set(found["traefik"])
    # Who is on a network of its own is kept there; what is promised to a tenant alone is not asked of the shared.
    assert {"isolation", "own_network", "user", "processes", "writable_paths", "memory_order"} < set(found["pages"])
    assert not {"isolation", "mounts", "seccomp_profile"} & set(found["traefik"])
    assert not {"mounts", "seccomp_profile"} & set(found["pages"])
    assert "default_route" in found["pages"]
    assert "default_route" not in found["traefik"]


def test_every_check_is_told_once(run):
    checks = run()
    assert len({(check.id, check.subject) for check in checks}) == len(checks)


def test_a_tenant_that_nobody_knows(run, docker):
    docker.listed.append(docker.item("silo-otto-server-1", "10.83.0.66", {LABEL: "otto"}))
    check = by_subject(run())["silo1"]["tenants"]
    assert (check.ok, check.seen) == (False, "otto")


def test_a_tenant_at_rest_is_asked_for_its_rest_alone(run, given):
    given.parameters["tenants"][1]["state"] = "suspended"
    given.expected.tenants[1].directory.mkdir(parents=True)
    found = by_subject(run())
    assert not [subject for subject in found if subject.startswith("maria/")]
    assert set(found["maria"]) == {"state", "data", "secret_files", "secrets_hidden"}
    assert "silo-maria-server-1 is running" in found["maria"]["state"].seen


def test_a_tenant_that_never_ran_has_no_secrets_on_the_server(run, given):
    given.parameters["tenants"][1]["state"] = "stopped"
    found = by_subject(run())["maria"]
    assert set(found) == {"state", "data"}
    assert (found["data"].ok, found["data"].seen) == (True, "none yet, it never ran")


def test_a_container_that_is_gone_meanwhile(run, docker):
    docker.gone.add("silo-hans-cache-1")
    found = by_subject(run())
    assert set(found["hans/cache"]) == {"state"}


def test_one_of_the_shared_that_does_not_run(run, docker):
    docker.listed = [item for item in docker.listed if item["Id"] != "traefik-1"]
    check = by_subject(run())["traefik"]["state"]
    assert (check.ok, check.seen) == (False, "not running")


def test_a_firewall_and_a_nas_that_are_not_there(run, monkeypatch):
    monkeypatch.setattr(server.snapshot, "firewall_problem", lambda _runner, _file: "it is missing")
    monkeypatch.setattr(subjects_.probe, "look", lambda _sentinel, _directories: Storage("the NAS is not mounted"))
    found = by_subject(run())
    assert (found["silo1"]["firewall"].ok, found["silo1"]["nas"].ok, found["hans"]["data"].ok) == (False, False, False)
    assert found["silo1"]["nas"].seen == "the NAS is not mounted"


def test_a_server_that_lets_in_more_than_it_should(run, docker, monkeypatch):
    monkeypatch.setattr(server.snapshot, "input_problem", lambda _runner: "every listening port is open")
    monkeypatch.setattr(server.ssh, "problem", lambda _runner: "it has passwordauthentication yes")
    docker.keeps = False
    found = by_subject(run())["silo1"]
    assert {name: check.seen for name, check in found.items() if not check.ok} == {
        "open_ports": "every listening port is open",
        "ssh": "it has passwordauthentication yes",
        "live_restore": "off",
    }


def test_ssh_that_cannot_tell(run, monkeypatch):
    def broken(_runner):
        raise CommandError(["sshd", "-T"], Completed(255, err="Bad configuration option: Colour"))

    monkeypatch.setattr(server.ssh, "problem", broken)
    check = by_subject(run())["silo1"]["ssh"]
    assert not check.ok
    assert "Bad configuration option" in check.seen


def test_what_the_operator_keeps_for_themselves_is_not_asked(run, given):
    given.parameters |= {"firewall_input_enabled": False, "ssh_keys_only": False}
    assert ACCESS & set(by_subject(run())["silo1"]) == {"live_restore"}


def test_a_server_that_does_not_know_its_addresses(run):
    def broken(argv):
        raise CommandError(argv, Completed(127, err="ip is not installed on this host"))

    found = by_subject(run(broken))
    assert "ip is not installed" in found["silo1"]["isolation"].seen
    assert not found["silo1"]["isolation"].ok


def test_an_engine_that_is_away(given):
    def away(_path, _query):
        raise StackError("the Docker Engine does not answer")

    with pytest.raises(StackError):
        engine.run("verify", given.server(runner, away))


def test_published_ports_are_seen_in_the_list(run, docker):
    docker.listed[0]["Ports"] = [{"IP": "0.0.0.0", "PrivatePort": 2283, "PublicPort": 8080}]  # noqa: S104
    assert by_subject(run())["silo1"]["published_ports"].seen == "0.0.0.0:8080 of silo-hans-server-1"

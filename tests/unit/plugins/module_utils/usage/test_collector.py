"""All tenants of a server: who runs, who hangs, who vanishes, and an engine that answers nonsense."""

import dataclasses
import itertools
import time

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.common.cgroup import Group, Network
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant import engine
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.stack import Container, StackError
from ansible_collections.swissphoto.silo.plugins.module_utils.usage import collector
from ansible_collections.swissphoto.silo.plugins.module_utils.usage.collector import ServiceSample
from ansible_collections.swissphoto.silo.plugins.module_utils.usage.database import Database

STARTED = "2026-11-23T16:57:05.123456789Z"
DISK = {"database_bytes": 7, "backups_bytes": None, "queue_bytes": None}


INSPECTED = {"State": {"Pid": 42, "StartedAt": STARTED}, "RestartCount": 2}


def used(cpu):
    return Group(100, 80, 1000, 0, 0, cpu, at=time.monotonic())


def container(tenant, service, state="running", name=None):
    return Container(
        f"{tenant}-{service}", name or f"silo-{tenant}-{service}-1", tenant, service, "d", state, "healthy"
    )


@pytest.fixture
def server(monkeypatch, tmp_path):
    """A server with some containers; their processes have used 10 seconds, and 0.1 more at each look."""
    looks = itertools.count()
    monkeypatch.setattr(collector.cgroup, "read", lambda _pid: used(10 + next(looks) / 10))
    monkeypatch.setattr(collector.cgroup, "network", lambda _pid: Network(3, 4))
    monkeypatch.setattr(collector.cgroup, "CGROUP", tmp_path / "cgroup")
    monkeypatch.setattr(engine, "get", lambda _path, _query: INSPECTED)
    monkeypatch.setattr(
        collector.health, "asked", lambda found: [dataclasses.replace(one, **have.now) for one in found]
    )
    monkeypatch.setattr(collector.database, "read", lambda _name, _seconds: Database(5))
    monkeypatch.setattr(collector.disk, "read", lambda _folder, _seconds: DISK)

    def have(*containers, folders=()):
        monkeypatch.setattr(engine, "containers", lambda: list(containers))
        for name in folders:
            (tmp_path / "tenants" / name).mkdir(parents=True)
        return collector.read(tmp_path / "tenants", have.interval, 5, databases=have.databases)

    have.interval, have.databases, have.now = 0.1, True, {}
    return have


def test_who_runs_is_measured(server):
    found = server(container("hans", "database"), folders=["hans"])["hans"]
    service = found.services["database"]
    assert (service.state, service.health, service.started) == ("running", "healthy", STARTED)
    assert (service.identity, service.restarts, service.network) == ("hans-database", 2, Network(3, 4))
    assert (service.group.memory_bytes, service.group.memory_limit_bytes) == (100, 1000)
    assert service.group.cpu_seconds == pytest.approx(10.1)
    # 0.1 seconds of CPU in 0.1 seconds and what the machine takes on top.
    assert 0.1 < service.cpu_cores <= 1
    assert (found.database, found.disk) == (Database(5), DISK)


def test_who_is_called_healthy_is_asked_all_the_same(server):
    server.now = {"health": "not answering"}
    found = server(container("hans", "database"))["hans"]
    assert found.services["database"].health == "not answering"


@pytest.mark.parametrize(("promised", "burst"), [(600, 400), (1000, 0), (2000, 0)])
def test_what_is_lent_is_what_a_limit_is_above_its_promise(server, tmp_path, promised, burst):
    (tmp_path / "tenants" / "hans").mkdir(parents=True)
    record = f"SERVER_MEMORY={promised}\nSERVER_BURST=500\nSERVER_DIGEST=s\nDATABASE_MEMORY=1\nDATABASE_DIGEST=d\n"
    (tmp_path / "tenants" / "hans" / ".env").write_text(record)
    # A database never borrows.
    found = server(container("hans", "server"), container("hans", "database"))["hans"]
    assert found.burst_bytes == burst


def test_who_is_stopped_uses_disk_alone(server):
    found = server(container("hans", "database", "exited"), folders=["hans"])["hans"]
    assert found.services == {"database": ServiceSample("exited", "healthy", "hans-database")}
    assert (found.database, found.disk) == (Database(), DISK)


def test_a_folder_that_was_left_is_seen(server):
    found = server(folders=["peter", "Not-A-Name", "x"])
    assert set(found) == {"peter"}
    assert (found["peter"].services, found["peter"].disk) == ({}, DISK)


def test_a_name_that_no_tenant_has_reaches_no_command(server):
    assert server(container("../../etc", "database"), container("--help", "database")) == {}


def test_the_half_of_a_replacement_counts_beside_the_other(server):
    found = server(container("hans", "cache"), container("hans", "cache", name="7f3a_silo-hans-cache-1"))
    assert len(found["hans"].services) == 2


@pytest.mark.parametrize(
    "answer", [{**INSPECTED, "State": {"Pid": 0, "StartedAt": STARTED}}, {}, [], {"State": {"Pid": "many"}}]
)
def test_who_vanishes_meanwhile_is_no_error(server, monkeypatch, answer):
    monkeypatch.setattr(engine, "get", lambda _path, _query: answer)
    assert server(container("hans", "server"))["hans"].services == {
        "server": ServiceSample("running", "healthy", "hans-server")
    }


def test_a_container_that_the_engine_does_not_know_any_more_is_no_error(server, monkeypatch):
    def gone(_path, _query):
        raise StackError("the Docker Engine answers with 404")

    monkeypatch.setattr(engine, "get", gone)
    assert server(container("hans", "server"))["hans"].services == {
        "server": ServiceSample("running", "healthy", "hans-server")
    }


def test_a_group_that_is_gone_at_the_second_look_uses_nothing(server, monkeypatch):
    looks = iter([used(10.0), None])
    monkeypatch.setattr(collector.cgroup, "read", lambda _pid: next(looks))
    service = server(container("hans", "server"))["hans"].services["server"]
    assert service == ServiceSample("running", "healthy", "hans-server")


def test_a_container_that_started_anew_meanwhile_has_no_negative_share(server, monkeypatch):
    looks = iter([10.0, 0.5])
    monkeypatch.setattr(collector.cgroup, "read", lambda _pid: used(next(looks)))
    assert server(container("hans", "server"))["hans"].services["server"].cpu_cores == 0


def test_where_nothing_is_watched_each_group_is_read_once(server, monkeypatch):
    reads = []
    monkeypatch.setattr(collector.cgroup, "read", lambda pid: reads.append(pid) or used(10.0))
    server.interval = 0
    assert server(container("hans", "server"))["hans"].services["server"].cpu_cores is None
    assert reads == [42]


def test_databases_are_left_alone_where_nobody_asks(server, monkeypatch):
    server.databases = False
    monkeypatch.setattr(collector.database, "read", lambda _name, _seconds: pytest.fail("it was asked"))
    assert server(container("hans", "database"))["hans"].database == Database()


def test_a_slice_is_read_where_there_is_one(server, tmp_path):
    group = tmp_path / "cgroup" / "silo.slice" / "silo-hans.slice"
    group.mkdir(parents=True)
    (group / "memory.current").write_text("4096\n")
    found = server(container("hans", "cache"), container("maria", "cache"))
    assert found["hans"].slice.memory_bytes == 4096
    assert found["maria"].slice is None


def test_one_who_hangs_takes_nothing_from_the_others(server, monkeypatch):
    def read(name, _seconds):
        if name == "hans":
            time.sleep(0.5)
            return Database()
        return Database(5)

    monkeypatch.setattr(collector.database, "read", read)
    found = server(*[container(name, "database") for name in ("hans", "maria", "peter")])
    assert [found[name].database.size_bytes for name in ("hans", "maria", "peter")] == [None, 5, 5]


@pytest.mark.parametrize("answer", [None, 42, [None], [{"Id": "7f3a"}], ["text"]])
def test_a_list_that_cannot_be_read_is_told(monkeypatch, tmp_path, answer):
    monkeypatch.setattr(engine, "get", lambda _path, _query: answer)
    with pytest.raises(StackError, match="the Docker Engine's list of containers cannot be read"):
        collector.read(tmp_path, 0.01, 5)


def test_a_server_without_tenants_has_none(server, tmp_path):
    assert server() == {}
    assert collector.read(tmp_path / "missing", 0.01, 5) == {}


def test_a_module_can_return_it(server):
    facts = collector.as_facts(server(container("hans", "cache"), folders=["hans"]))
    assert facts["hans"]["services"]["cache"]["state"] == "running"
    assert facts["hans"]["disk"] == DISK

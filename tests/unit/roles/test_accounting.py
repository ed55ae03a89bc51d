"""The collector: what a look reads, what it makes of parts that fail, what it tells Prometheus, when it speaks."""

import json

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.common import metrics
from ansible_collections.swissphoto.silo.plugins.module_utils.common.cgroup import Group, Network
from ansible_collections.swissphoto.silo.plugins.module_utils.common.mounts import Mount
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.base import QuotaError, State, Survey, Usage
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.lending import Lent
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.lock import held
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.stack import StackError
from ansible_collections.swissphoto.silo.plugins.module_utils.usage import collector as usage_collector
from ansible_collections.swissphoto.silo.plugins.module_utils.usage import history
from ansible_collections.swissphoto.silo.plugins.module_utils.usage.amounts import COUNTERS
from ansible_collections.swissphoto.silo.plugins.module_utils.usage.collector import ServiceSample, TenantSample
from ansible_collections.swissphoto.silo.plugins.module_utils.usage.database import Database
from ansible_collections.swissphoto.silo.plugins.module_utils.usage.exposition import METRICS
from prometheus_client.parser import text_string_to_metric_families

from silo_accounting import __main__ as program
from silo_accounting import collector, exposition, memory
from silo_accounting.settings import SettingsError, load

STARTED = "process_start_time_seconds 1.79e+09\n"
GROUP = Group(100, 80, 1000, 2, 1, 1.5, 30, 40, 5)
RUNNING = ServiceSample("running", "healthy", "7f3a", "2026-11-23T16:57:05Z", 1, GROUP, Network(10, 20))
EXITED = ServiceSample("exited", "", "7f3b")


def line(metric, router, value, code=200):
    labels = f'code="{code}",method="GET",protocol="http",router="{router}",service="x"'
    return f"traefik_router_{metric}_total{{{labels}}} {value}\n"


@pytest.fixture
def host(monkeypatch, tmp_path):
    """A server that is its own NAS, with one tenant; parts of it can be made to fail."""
    (tmp_path / "tenants" / "hans").mkdir(parents=True)
    (tmp_path / "tenants" / "hans" / ".env").write_text("# by Ansible\nTENANT_NAME=hans\nTENANT_STATE=running\n")
    (tmp_path / "instances").mkdir()
    values = {
        "ledger": str(tmp_path / "state" / "ledger.db"),
        "exposition": str(tmp_path / "silo.prom"),
        "time_zone": "Europe/Zurich",
        "gap_seconds": 300,
        "detail_days": 3,
        "server": {"directory": str(tmp_path / "tenants"), "metrics_port": 8082},
        "storage": {"root": str(tmp_path / "instances"), "sentinel": ".silo-nas", "backend": "auto"},
    }

    class Host:
        mounted = ()
        tenants = {"hans": TenantSample(dict.fromkeys(("server",), RUNNING), Database(), {"database_bytes": 7000})}
        served = STARTED + line("requests", "tenant-hans@file", 3)
        directories = {"hans": State(1, 5000, Usage(900, 3)), "lost+found": State()}
        fails = ()

        @staticmethod
        def settings(**changes):
            path = tmp_path / "settings.json"
            path.write_text(json.dumps(values | changes))
            return load(path)

    def part(name, value):
        def read(*_arguments, **_options):
            if name in Host.fails:
                raise {"docker": StackError, "storage": QuotaError, "traefik": metrics.MetricsError}[name](f"no {name}")
            return value()

        return read

    class Backend:
        root = tmp_path / "instances"

        @staticmethod
        def pool():
            return 10_000

        @staticmethod
        def read():
            return Survey(Host.directories, {})

    monkeypatch.setattr(usage_collector, "read", part("docker", lambda: Host.tenants))
    monkeypatch.setattr(metrics, "read", part("traefik", lambda: Host.served))
    monkeypatch.setattr(collector, "open_backend", part("storage", lambda: Backend))
    mounted = lambda: [Mount(str(point), "xfs", "/dev/sdb", "/", frozenset()) for point in Host.mounted]  # noqa: E731
    monkeypatch.setattr(collector.mounts, "read", mounted)
    return Host


def test_one_look_has_all_parts(host):
    found = collector.collect(host.settings())
    look = found.look
    assert found.problems == ()
    assert (look.states, look.storage, look.database) == ({"hans": "running"}, {"hans": 900}, {"hans": 7000})
    assert look.containers["hans"].healthy
    assert look.containers["hans"].counters == {
        "7f3a": {"restarts": 1},
        "7f3a/2026-11-23T16:57:05Z": {
            "cpu_microseconds": 1_500_000,
            "disk_read_bytes": 30,
            "disk_written_bytes": 40,
            "network_received_bytes": 10,
            "network_sent_bytes": 20,
            "memory_limit_events": 2,
            "oom_kills": 1,
        },
    }
    assert look.served == {"hans": {"tenant-hans@file/1790000000": {"requests": 3}}}
    assert (found.pool.size, found.pool.limits) == (10_000, {"hans": 5000})


def test_the_disk_of_a_server_has_numbers_of_its_own(host, tmp_path):
    host.directories = {"hans": State(1, 5000, Usage(900, 3), inode_limit=10), "old": State(usage=Usage(7))}
    disk = {"root": str(tmp_path / "instances"), "sentinel": ".silo-disk", "backend": "auto"}
    found = collector.collect(host.settings(storage=None, disk=disk))
    assert (found.problems, found.pool, found.look.storage) == ((), None, None)
    text = exposition.text(found, {}, 1.0, memory.Step())
    samples = {line.split("{")[0].split()[0]: line.split()[-1] for line in text.splitlines() if "silo_" in line[:20]}
    assert {name: value for name, value in samples.items() if "_disk_" in name and "total" not in name} == {
        "silo_tenant_disk_bytes": "900",
        "silo_tenant_disk_limit_bytes": "5000",
        "silo_tenant_disk_inodes": "3",
        "silo_tenant_disk_limit_inodes": "10",
        "silo_disk_size_bytes": "10000",
        "silo_disk_promised_bytes": "5000",
        "silo_disk_free_bytes": samples["silo_disk_free_bytes"],
    }
    assert '{tenant="old"}' not in text


def test_the_mounts_of_tenants_are_told_and_no_others(host, tmp_path):
    disk = {"root": str(tmp_path / "db"), "sentinel": ".silo-disk", "backend": "zfs"}
    inside = [tmp_path / "instances", tmp_path / "db" / "hans", tmp_path / "db" / 'a"b']
    host.mounted = ["/", tmp_path, tmp_path / "instances-of-others", *inside]
    found = collector.collect(host.settings(disk=disk))
    assert found.mounts == tuple(sorted(map(str, inside)))
    text = exposition.text(found, {}, 1.0, memory.Step())
    assert f'silo_tenants_mount{{mountpoint="{tmp_path}/instances"}} 1\n' in text
    (family,) = [one for one in text_string_to_metric_families(text) if one.name == "silo_tenants_mount"]
    assert {one.labels["mountpoint"] for one in family.samples} == set(map(str, inside))
    host.mounted = ["/"]
    assert collector.collect(host.settings()).mounts == ()


def test_a_slice_is_what_counts_where_there_is_one(host):
    whole = Group(500, 400, 3000, 7, 3, 9.5, 70, 80, 15, inode=4711)
    host.tenants = {"hans": TenantSample({"server": RUNNING}, Database(), {}, whole)}
    found = collector.collect(host.settings()).look.containers["hans"]
    assert found.memory_bytes == 500
    assert found.counters == {
        "7f3a": {"restarts": 1},
        "7f3a/2026-11-23T16:57:05Z": {"network_received_bytes": 10, "network_sent_bytes": 20},
        "slice/4711": {
            "cpu_microseconds": 9_500_000,
            "disk_read_bytes": 70,
            "disk_written_bytes": 80,
            "memory_limit_events": 7,
            "oom_kills": 3,
        },
    }


@pytest.mark.parametrize(("part", "unknown"), [("docker", "containers"), ("storage", "storage"), ("traefik", "served")])
def test_a_part_that_fails_is_told_and_the_others_are_there(host, part, unknown):
    host.fails = (part,)
    found = collector.collect(host.settings())
    assert found.problems == (f"no {part}",)
    parts = ("containers", "storage", "served")
    assert {name for name in parts if getattr(found.look, name) is None} == {unknown}
    assert found.look.states == {"hans": "running"}


def test_who_is_stopped_counts_nothing_and_is_not_well(host):
    host.tenants = {"hans": TenantSample({"server": EXITED}, Database(), {})}
    look = collector.collect(host.settings()).look
    assert (look.containers["hans"].healthy, look.containers["hans"].counters) == (False, {})
    assert look.database == {}


def test_a_nas_asks_no_docker_and_a_server_no_quotas(host):
    host.fails = ("docker", "traefik")
    nas = collector.collect(host.settings(server=None))
    assert (nas.problems, nas.look.states, nas.look.containers, nas.look.storage) == ((), {}, None, {"hans": 900})
    host.fails = ("storage",)
    server = collector.collect(host.settings(storage=None))
    assert (server.problems, server.look.storage, server.pool) == ((), None, None)


def test_codes_and_methods_are_one_source_and_what_passes_a_name_is_counted_once():
    text = STARTED + line("requests", "tenant-hans@file", 3) + line("requests", "tenant-hans@file", 4, 404)
    text += line("responses_bytes", "tenant-hans@file", "1.5e+09") + line("responses_bytes", "tenant-hans-api@file", 9)
    text += line("requests", "tenant-maria@file", 1)
    found = collector.served(text)
    assert found["hans"] == {"tenant-hans@file/1790000000": {"requests": 7, "responses_bytes": 1_500_000_000}}
    assert set(found) == {"hans", "maria"}


def test_metrics_without_their_beginning_are_refused():
    with pytest.raises(ValueError, match="have no start time"):
        collector.served(line("requests", "tenant-hans@file", 3))


def test_prometheus_reads_every_number_under_a_known_name(host):
    host.directories = {"hans": State(1, 5000, Usage(900, 3), inode_limit=10), "lost+found": State()}
    host.mounted = [host.settings().storage.root]
    found = collector.collect(host.settings(disk=host.settings().storage.__dict__))
    text = exposition.text(
        found, {"hans": dict.fromkeys(COUNTERS, 3_000_000), "": dict.fromkeys(COUNTERS, 9)}, 0.5, memory.Step(7)
    )
    samples = {}
    for family in text_string_to_metric_families(text):
        assert METRICS[family.name + ("_total" if family.type == "counter" else "")].kind == family.type
        samples |= {(one.name, one.labels.get("tenant"), one.labels.get("state")): one.value for one in family.samples}
        assert {label for one in family.samples for label in one.labels} <= {"tenant", "state", "mountpoint"}
    assert {name for name, _tenant, _state in samples} == set(METRICS)
    assert samples["silo_tenant_cpu_seconds_total", "hans", None] == 3
    assert samples["silo_tenant_requests_total", "hans", None] == 3_000_000
    assert samples["silo_tenant_storage_limit_bytes", "hans", None] == 5000
    assert [samples["silo_tenant_state", "hans", state] for state in ("running", "stopped", "suspended")] == [1, 0, 0]
    assert samples["silo_storage_promised_bytes", None, None] == 5000
    assert {tenant for _name, tenant, _state in samples} == {"hans", None}


def test_looks_are_added_to_the_ledger(host):
    settings = host.settings()
    program.look(settings)
    host.served = STARTED + line("requests", "tenant-hans@file", 8)
    assert program.look(settings) == ()
    with history.opened(settings.ledger) as database:
        assert history.course(database, 0, 2**32)["hans"][0].requests == 5
    assert 'silo_tenant_requests_total{tenant="hans"} 5\n' in settings.exposition.read_text()
    assert settings.exposition.stat().st_mode & 0o777 == 0o644


def test_what_is_wrong_is_said_once_and_so_is_its_end(host, tmp_path, capsys):
    path = str(tmp_path / "settings.json")
    host.settings()
    host.fails = ("docker",)
    said = []
    for _ in range(3):
        assert program.main([path]) == 0
        said.append(capsys.readouterr().out)
    host.fails = ()
    assert program.main([path]) == 0
    assert said == ["<4>no docker\n", "", ""]
    assert capsys.readouterr().out == "everything can be read again\n"


def test_a_ledger_that_cannot_be_written_ends_it_and_nothing_is_told_to_prometheus(host, tmp_path, capsys):
    settings = host.settings()
    settings.ledger.parent.mkdir()
    settings.ledger.write_text("no ledger" * 500)
    assert program.main([str(tmp_path / "settings.json")]) == 1
    assert "the ledger cannot be read or written: file is not a database" in capsys.readouterr().err
    assert not settings.exposition.exists()


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"ledger": 5}'])
def test_settings_that_cannot_be_read_are_named(tmp_path, text):
    path = tmp_path / "settings.json"
    path.write_text(text)
    with pytest.raises(SettingsError, match=r"settings\.json: the settings cannot be read"):
        load(path)


def test_a_time_zone_that_there_is_none_of_is_named(host):
    with pytest.raises(SettingsError, match="No time zone found with key Europe/Nowhere"):
        host.settings(time_zone="Europe/Nowhere")


def test_the_unit_reads_with_few_rights(render):
    text = render("accounting", "silo-accounting.service.j2")
    for word in ("NoNewPrivileges=true", "MemoryMax=", "RestrictNamespaces=true", "CapabilityBoundingSet=CAP_"):
        assert word in text
    assert "OnUnitInactiveSec=1min" in render("accounting", "silo-accounting.timer.j2")


class Lender:
    """Lends nothing; `outcome` is what a step brings, or how it fails."""

    def __init__(self, outcome):
        self.outcome = outcome

    def settle(self):
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


@pytest.mark.parametrize(
    ("outcome", "step"),
    [
        (Lent(pool=7), memory.Step(7)),
        (Lent(pool=7, problem="no such container"), memory.Step(7, ("no such container",))),
        (StackError("memory.json cannot be read"), memory.Step(problems=("memory.json cannot be read",))),
    ],
)
def test_each_run_lends_once(host, tmp_path, outcome, step):
    (tmp_path / "memory.json").touch()
    assert memory.lend(host.settings(), Lender(outcome), tmp_path / "lock") == step


def test_an_apply_lends_itself_and_is_not_waited_for(host, tmp_path):
    (tmp_path / "memory.json").touch()
    with held(tmp_path / "lock", 0):
        assert memory.lend(host.settings(), Lender(AssertionError()), tmp_path / "lock") == memory.Step()


@pytest.mark.parametrize("server", [True, False])
def test_a_host_without_a_policy_or_tenants_lends_nothing(host, tmp_path, server):
    settings = host.settings() if server else host.settings(server=None)
    assert memory.lend(settings, Lender(AssertionError()), tmp_path / "lock") == memory.Step()
    assert not (tmp_path / "lock").exists()

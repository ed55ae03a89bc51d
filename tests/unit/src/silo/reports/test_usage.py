"""What the machines tell, put together: per tenant, in sum, and what of it is unknown."""

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.common.cgroup import Group, Network
from ansible_collections.swissphoto.silo.plugins.module_utils.usage.collector import (
    ServiceSample,
    TenantSample,
    as_facts,
)
from ansible_collections.swissphoto.silo.plugins.module_utils.usage.database import Database
from hypothesis import example, given
from hypothesis import strategies as st

from silo.ansible import runner
from silo.ansible.contract import TaskId
from silo.reports import usage
from silo.reports.usage import MetricsError, Served

from ..conftest import event

STARTED = "process_start_time_seconds 1.79e+09\n"
SINCE = "2026-09-21T14:13:20+00:00"
FACT = {"server": "silo1", "nas": "nas1", "desired": "running"}
FAMILIES = {
    "requests": "traefik_router_requests_total",
    "received_bytes": "traefik_router_requests_bytes_total",
    "sent_bytes": "traefik_router_responses_bytes_total",
}


def line(key, router, value, method="GET"):
    labels = f'code="200",method="{method}",protocol="http",router="{router}",service="{router}"'
    return f"{FAMILIES[key]}{{{labels}}} {value}\n"


GROUP = Group(100, 80, 1000, 2, 1, 1.5, 30, 40, 5)
RUNNING = ServiceSample("running", "healthy", "7f3a", "2026-11-23T16:57:05Z", 1, GROUP, Network(10, 20), 0.25)


def found(service=RUNNING, size=5000, photos=12):
    """What the module returns of a tenant."""
    services = dict.fromkeys(("server", "database", "cache"), service)
    return as_facts(
        {
            "hans": TenantSample(
                services, Database(size, photos, 1, 2), {"database_bytes": 70, "backups_bytes": 20}, burst_bytes=400
            )
        }
    )["hans"]


def server(metrics=STARTED, problem="", **tenants):
    return {"tenants": tenants, "metrics": metrics, "metrics_problem": problem}


def storage(**used):
    return {"tenants": {name: {"used": size, "limit": 2000, "inodes": 3} for name, size in used.items()}}


def test_who_runs():
    text = STARTED + line("requests", "tenant-hans@file", 3) + line("sent_bytes", "tenant-hans@file", 1e6)
    result = usage.usage({"hans": FACT}, {"silo1": server(text, hans=found())}, {"nas1": storage(hans=900)})
    (hans,) = result.tenants
    assert (hans.name, hans.server, hans.desired, hans.observed) == ("hans", "silo1", "running", "running")
    assert not hans.orphan
    assert (hans.memory_bytes, hans.memory_limit_bytes, hans.memory_burst_bytes) == (300, 3000, 400)
    assert (hans.anonymous_bytes, hans.processes) == (240, 15)
    assert (hans.cpu_seconds, hans.cpu_cores) == (4.5, 0.75)
    assert (hans.disk_read_bytes, hans.disk_written_bytes) == (90, 120)
    assert (hans.network_received_bytes, hans.network_sent_bytes) == (30, 60)
    assert (hans.memory_limit_events, hans.oom_kills, hans.restarts) == (6, 3, 3)
    assert hans.started == "2026-11-23T16:57:05Z"
    assert (hans.storage_bytes, hans.storage_limit_bytes, hans.storage_inodes) == (900, 2000, 3)
    assert (hans.database_bytes, hans.local_bytes) == (5000, 90)
    assert (hans.photos, hans.videos, hans.users) == (12, 1, 2)
    assert (hans.requests, hans.received_bytes, hans.sent_bytes, hans.since) == (3, 0, 1_000_000, SINCE)
    assert result.problems == ()


def test_who_is_stopped_uses_no_memory_and_no_cpu():
    stopped = found(ServiceSample("exited", ""), size=None)
    (hans,) = usage.usage({"hans": {**FACT, "desired": "stopped"}}, {"silo1": server(hans=stopped)}, {}).tenants
    assert (hans.desired, hans.observed) == ("stopped", "stopped")
    assert (hans.memory_bytes, hans.cpu_seconds, hans.cpu_cores, hans.requests) == (0, 0, 0, 0)
    assert hans.memory_burst_bytes == 0
    assert hans.database_bytes is hans.storage_bytes is None
    assert hans.local_bytes == 90


def test_who_is_nowhere_yet_is_there_with_nothing():
    (hans,) = usage.usage({"hans": FACT}, {"silo1": server()}, {"nas1": storage()}).tenants
    assert (hans.observed, hans.orphan, hans.memory_bytes, hans.requests) == ("absent", False, 0, 0)


@pytest.mark.parametrize(
    ("facts", "servers", "storages", "where"),
    [
        ({}, {"silo1": server(hans=found())}, {"nas1": storage(hans=9)}, [("silo1", "running", 9)]),
        ({}, {"silo1": server()}, {"nas1": storage(hans=9)}, [("", "absent", 9)]),
        (
            {"hans": {**FACT, "server": "silo2"}},
            {"silo1": server(hans=found()), "silo2": server()},
            {"nas1": storage(hans=9)},
            [("silo1", "running", None)],
        ),
        (
            {"hans": FACT},
            {"silo1": server(hans=found())},
            {"nas2": storage(hans=9)},
            [("", "absent", 9)],
        ),
    ],
)
def test_what_belongs_to_nobody_is_marked(facts, servers, storages, where):
    tenants = usage.usage(facts, servers, storages).tenants
    orphans = [tenant for tenant in tenants if tenant.orphan]
    assert [(tenant.server, tenant.observed, tenant.storage_bytes) for tenant in orphans] == where
    assert {tenant.desired for tenant in orphans} == {""}
    assert len(tenants) == len(facts) + len(orphans)


def test_what_is_no_tenants_folder_on_the_nas_is_nobodys():
    storages = {"nas1": {"tenants": {"lost+found": {"used": 9, "limit": None, "inodes": None}}}}
    assert usage.usage({}, {"silo1": server()}, storages).tenants == ()


def test_sums_say_where_they_are_not_all():
    facts = {"hans": FACT, "maria": FACT}
    tenants = {"hans": found(), "maria": found(size=None, photos=None)}
    totals = usage.usage(facts, {"silo1": server(**tenants)}, {"nas1": storage(hans=900, maria=50)}).totals
    assert (totals.tenants, totals.memory_bytes, totals.storage_bytes) == (2, 600, 950)
    assert (totals.database_bytes, totals.photos) == (5000, 12)
    assert totals.at_least == ("database_bytes", "photos")


def test_no_tenants_have_no_sums():
    result = usage.usage({}, {}, {})
    assert result.tenants == ()
    assert (result.totals.tenants, result.totals.memory_bytes, result.totals.at_least) == (0, None, ())


@pytest.mark.parametrize(
    ("metrics", "problem", "reason"),
    [
        (None, "Traefik does not tell its metrics", "Traefik does not tell its metrics"),
        ("", "", "they have no process_start_time_seconds"),
        (STARTED + "traefik_router_requests_total{code=\n", "", "cannot be read"),
        (STARTED + line("requests", "tenant-hans@file", "many"), "", "cannot be read"),
        (STARTED + line("requests", "tenant-hans@file", "-1"), "", "-1 is no count"),
        (STARTED + line("requests", "tenant-hans@file", "NaN"), "", "nan is no count"),
        (STARTED + line("requests", "tenant-hans@file", "+Inf"), "", "inf is no count"),
        ("process_start_time_seconds 1e300\n", "", "cannot be read"),
    ],
)
def test_metrics_that_cannot_be_read_are_told_and_the_rest_is_there(metrics, problem, reason):
    facts = {"hans": FACT, "maria": {**FACT, "server": "silo2"}}
    servers = {"silo1": server(metrics, problem, hans=found()), "silo2": server(maria=found())}
    result = usage.usage(facts, servers, {})
    hans, maria = result.tenants
    assert hans.requests is hans.received_bytes is hans.sent_bytes is hans.since is None
    assert (hans.memory_bytes, maria.requests) == (300, 0)
    (sentence,) = result.problems
    assert sentence.startswith("silo1: requests and bytes served are unknown: ")
    assert reason in sentence
    assert "requests" in result.totals.at_least


def test_only_what_was_served_to_the_customer_counts():
    others = ("tenant-hans-ml@file", "unknown@file", "tenant-hans@docker", "Xtenant-hans@file", "tenant-hans-api@file")
    text = STARTED + "".join(line("requests", router, 5) for router in others)
    assert usage.parse(text).tenants == {}


@given(
    st.dictionaries(
        st.tuples(
            st.sampled_from(sorted(FAMILIES)),
            st.sampled_from(["hans", "maria", "api"]),
            # What passes a name is counted there, and again at its part.
            st.sampled_from(["", "-web", "-api", "-login", "-access"]),
            st.sampled_from(["GET", "POST"]),
        ),
        st.integers(0, 2**48),
        max_size=20,
    )
)
def test_nothing_is_lost_and_nothing_counted_twice(counts):
    text = STARTED + "".join(
        line(key, f"tenant-{name}{part}@file", value, method) for (key, name, part, method), value in counts.items()
    )
    parsed = usage.parse(text).tenants
    assert set(parsed) == {name for _key, name, part, _method in counts if not part}
    for key in FAMILIES:
        for name, served in parsed.items():
            assert getattr(served, key) == sum(
                value
                for (family, tenant, part, _method), value in counts.items()
                if (family, tenant, part) == (key, name, "")
            )


PIECES = st.sampled_from(
    [*STARTED.split(), *FAMILIES.values(), *'{}",=\\ \n#', 'router="tenant-hans@file"', "# TYPE", "# HELP", "counter"]
)


@given(st.one_of(st.text(max_size=200), st.lists(st.one_of(PIECES, st.text(max_size=3)), max_size=20).map("".join)))
@example("{")
@example("# TYPE\n")
@example('a{b="c')
def test_any_text_is_read_or_refused(text):
    try:
        metrics = usage.parse(text)
    except MetricsError as error:
        assert str(error).startswith("Traefik's metrics cannot be read")
    else:
        assert all(isinstance(served, Served) for served in metrics.tenants.values())


def test_an_inventory_is_read_by_one_playbook(monkeypatch, tmp_path):
    asked = []

    def events(*arguments):
        asked.append(arguments)
        yield event(TaskId.TENANTS, {"hans": {"tenants": {"hans": FACT}}})
        yield event(TaskId.USAGE, {"silo1": server(hans=found())})
        yield event(TaskId.QUOTAS, {"nas1": storage(hans=900)})

    monkeypatch.setattr(runner, "events", events)
    result = usage.read(tmp_path)
    assert asked == [("read.yml", tmp_path, ["--tags", "stats"])]
    assert [(tenant.name, tenant.storage_bytes) for tenant in result.tenants] == [("hans", 900)]


def test_an_inventory_without_tenants_has_no_usage(monkeypatch, tmp_path):
    monkeypatch.setattr(runner, "events", lambda *_arguments: ())
    assert usage.read(tmp_path).tenants == ()


@pytest.mark.parametrize("seconds", [10**17, -(10**17)])
def test_a_login_in_no_year_that_there_is_is_unknown_and_the_others_are_shown(seconds):
    odd = {**found(), "database": {**found()["database"], "last_login": seconds}}
    hans, maria = usage.usage({"hans": FACT, "maria": FACT}, {"silo1": server(hans=odd, maria=found())}, {}).tenants
    assert (hans.last_login, hans.photos, maria.photos) == (None, 12, 12)

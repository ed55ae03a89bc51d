"""What only reads, with two servers and two NAS: every machine answers, and what it says is not taken for another's."""

import datetime
import http.server
import json
import threading

import pytest
import yaml
from ansible_collections.swissphoto.silo.plugins.action import diagnostics_info as action
from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics import expected

from silo import fleet
from silo.ansible import results, runner
from silo.ansible.contract import READ, ReadTag, TaskId
from silo.billing import compare
from silo.diagnostics import Finding, address, engine, preflight, verify
from silo.images import running
from silo.reports import alerts, report, usage
from silo.tenants import TenantService

from .stand_ins import GIB
from .world import ROOT, SERVERS, STORAGES, TENANTS

TAGS = {
    task["name"]: set(task["tags"]) if isinstance(task["tags"], list) else {task["tags"]}
    for play in yaml.safe_load((ROOT / "playbooks" / READ).read_text())
    for task in play["tasks"]
}
DAY = datetime.date(2026, 11, 23)
PERIOD = report.Period(DAY, DAY)
# Anna was moved: something of her is left where she was.
LEFT = {
    "silo1": ["anna", "bruno"],
    "silo2": ["anna", "clara", "david"],
    "nas1": ["bruno", "anna"],
    "nas2": ["anna", "clara", "david"],
}
ALERT = {
    "labels": {"alertname": "DiskFilling", "severity": "warning"},
    "annotations": {"summary": "A disk fills."},
    "state": "firing",
    "activeAt": "2026-11-23T11:00:00Z",
}


@pytest.fixture(scope="module")
def prometheus():
    """The port at which one answers as all hosts' do."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = json.dumps({"data": {"alerts": [ALERT]}}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments):
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture(scope="module")
def read(world, prometheus):
    """All tags in one process."""
    world.tell(tenants=LEFT, stopped={"silo2": ["anna"]}, unlike={"silo2": ["david/server"]})
    given = [*report.arguments(PERIOD), "-e", "log_tenant=anna", "-e", f"monitoring_prometheus_port={prometheus}"]
    return world.run(READ, arguments=["--tags", ",".join(ReadTag), *given])


@pytest.fixture
def inventory(world, read, monkeypatch):
    """An inventory on which each command of silo finds what the tasks with its tags have found."""

    def events(playbook, _inventory, arguments=(), lock=None):
        assert (playbook, arguments[0], lock) == (READ, "--tags", None)
        wanted = set(arguments[1].split(","))
        return (event for event in read.events if "task" in event and TAGS[event["task"]["name"]] & wanted)

    monkeypatch.setattr(runner, "events", events)
    return world.inventory


@pytest.mark.parametrize(
    ("module", "hosts"),
    [
        ("storage_quota_info", STORAGES + SERVERS),
        ("tenant_stacks_info", SERVERS),
        ("tenant_usage_info", SERVERS),
        ("tenant_records_info", SERVERS),
        ("diagnostics_info", SERVERS * 2),
        ("server_images_info", SERVERS),
        ("tenant_templates_info", STORAGES),
        ("tenant_ledger_info", SERVERS + STORAGES),
    ],
)
def test_every_machine_is_asked_once_for_each_thing(read, module, hosts):
    assert read.code == 0, read.failures
    assert sorted(call.host for call in read.calls if call.module == module) == sorted(hosts)


def test_each_nas_is_read_as_it_says_of_itself(read):
    asked = {(call.host, call.parameters["backend"]) for call in read.calls if call.module == "storage_quota_info"}
    assert asked == {("nas1", "auto"), ("nas2", "zfs"), ("silo1", "auto"), ("silo2", "auto")}


def test_the_disk_of_a_server_is_another_file_system_than_a_nas(read):
    asked = {(call.host, call.parameters["root"]) for call in read.calls if call.module == "storage_quota_info"}
    assert asked == {(host, "/instances") for host in STORAGES} | {(host, "/databases") for host in SERVERS}


def test_each_server_is_verified_against_its_own_tenants(read):
    calls = [call for call in read.calls if call.module == "diagnostics_info"]
    asked = {call.host: call.names for call in calls if call.parameters["selection"] == "verify"}
    assert asked == {
        "silo1": ["anna", "bruno"],
        "silo2": ["clara", "david"],
    }


@pytest.mark.parametrize("selection", ["preflight", "verify"])
def test_what_is_expected_of_a_server_can_be_used(read, selection):
    """Of the policy, all that the mapping names; of the rest, what the server makes of it."""
    calls = [call for call in read.calls if call.module == "diagnostics_info"]
    given = [call.parameters["expected"] for call in calls if call.parameters["selection"] == selection]
    assert [sorted(action.EXPECTED) for _one in given] == [sorted(set(one) & set(action.EXPECTED)) for one in given]
    found = [expected.parse(one) for one in given]
    assert sorted(one.server for one in found) == sorted(SERVERS)
    named = [(len(one.tenants), len(one.shared), bool(one.texts("directories"))) for one in found]
    assert named == [(0, 0, True) if selection == "preflight" else (2, 3, False)] * len(SERVERS)


def test_list_shows_a_tenant_as_it_is_on_its_own_server_and_nas(inventory):
    found = fleet.read(inventory)
    tenants = {one.name: (one.server, one.observed, one.used_bytes) for one in found.tenants if one.desired}
    assert tenants == {
        "anna": ("silo1", "running", 2 * GIB),
        "bruno": ("silo1", "running", 1 * GIB),
        "clara": ("silo2", "running", 2 * GIB),
        "david": ("silo2", "running", 3 * GIB),
    }


def test_list_shows_what_is_left_on_another_server_as_an_orphan(inventory):
    orphans = [one for one in fleet.read(inventory).tenants if not one.desired]
    assert [(one.name, one.server, one.observed) for one in orphans] == [("anna", "silo2", "stopped")]


def test_what_is_left_on_another_server_is_no_state_of_the_tenant(inventory):
    tenants = TenantService(inventory).tenants()
    found = compare.of_machines(results.ask(inventory, ReadTag.LIST), tenants)
    assert [(one.text, one.fix) for one in found] == [
        ("anna: it is stopped on silo2, but its server in the inventory is silo1; silo does not change it", "operator")
    ]


def test_what_a_tenant_uses_is_what_its_own_nas_says(inventory):
    assert TenantService(inventory).used("anna") == 2 * GIB


def test_the_space_on_a_disk_is_what_the_tenants_own_server_says(inventory):
    found = {one.name: (one.disk_bytes, one.disk_limit_bytes) for one in fleet.read(inventory).tenants if one.desired}
    assert found == {name: (used * GIB, 20 * GIB) for name, used in zip(TENANTS, (1, 2, 2, 3), strict=True)}
    numbers = {one.name: (one.space_bytes, one.space_limit_bytes) for one in usage.read(inventory).tenants}
    assert numbers["david"] == (3 * GIB, 20 * GIB)


def test_stats_add_up_what_all_machines_tell(inventory):
    found = usage.read(inventory)
    assert [(one.name, one.server) for one in found.tenants if not one.orphan] == [
        (name, server) for name, (server, _nas) in TENANTS.items()
    ]
    assert [(one.name, one.server) for one in found.tenants if one.orphan] == [("anna", "silo2")]
    assert {one.name: one.storage_bytes for one in found.tenants if not one.orphan}["anna"] == 2 * GIB
    assert found.problems == ()


def test_check_finds_what_is_wrong_on_either_server_and_the_size_of_either_nas(inventory, monkeypatch):
    monkeypatch.setattr(engine, "run", lambda *_arguments: [])
    found = preflight.run(inventory)
    assert sorted(one.subject for one in found.findings if "has no firewall" in one.message) == ["silo1", "silo2"]
    assert found.sizes.nas == {"nas1": 4096 * GIB, "nas2": 4096 * GIB}
    assert found.sizes.disks == {"silo1": 4096 * GIB, "silo2": 4096 * GIB}


def test_verify_looks_at_all_servers_and_all_quotas(inventory, monkeypatch):
    for look in ("check_answer", "check_certificate"):
        monkeypatch.setattr(address, look, lambda name, *_arguments: Finding("", name, "ok"))
    found = verify.verify(inventory)
    assert {one.subject for one in found if one.id == "memory"} == {f"{name}/server" for name in TENANTS}
    assert [one.subject for one in found if not one.ok] == ["david/server"]


def test_verify_of_one_tenant_leaves_the_other_server_out(inventory, monkeypatch):
    for look in ("check_answer", "check_certificate"):
        monkeypatch.setattr(address, look, lambda name, *_arguments: Finding("", name, "ok"))
    found = verify.verify(inventory, ["david"])
    assert {one.subject for one in found if one.id == "memory"} == {"clara/server", "david/server"}
    assert {one.subject for one in found if one.id == "quota"} == {"david"}


def test_images_tell_what_runs_on_all_servers(inventory):
    found = running.read(inventory)
    assert ([one.server for one in found.running], found.problems) == (["silo1", "silo2"], ())
    assert [one.nas for one in found.templates] == ["nas1", "nas2"]


def test_the_report_adds_up_the_ledgers_of_all_machines(inventory):
    found = report.read(inventory, PERIOD)
    days = {one.name: one.running_days for one in found.tenants}
    assert days == {"anna": 4.0, "bruno": 2.0, "clara": 2.0, "david": 2.0}
    assert found.problems == ()


def test_the_alerts_of_all_machines_are_told(inventory):
    wrong = alerts.wrong(results.ask(inventory, ReadTag.ALERTS).results, [], datetime.datetime.now(datetime.UTC))
    assert [(one.host, one.name) for one in wrong] == [(host, "DiskFilling") for host in sorted(SERVERS + STORAGES)]


@pytest.fixture(scope="module")
def away(world, read):
    """Tags to the run of them while nobody reaches the first NAS and the second server."""
    given = report.arguments(PERIOD)
    asked = [(ReadTag.LIST,), (ReadTag.STATS, ReadTag.LEDGER), (ReadTag.STORAGE,), (ReadTag.LEDGER,), (ReadTag.CHECK,)]
    with world.unreachable("nas1"), world.unreachable("silo2"):
        return {",".join(tags): world.run(READ, arguments=["--tags", ",".join(tags), *given]) for tags in asked}


@pytest.fixture
def reduced(world, away, monkeypatch):
    """An inventory, two machines of which are away."""
    monkeypatch.setattr(runner, "events", lambda _playbook, _inventory, given: away[given[1]].events)
    return world.inventory


def named(sentences):
    """Return the machines that sentences tell to be away."""
    told = [one.partition(" cannot be reached") for one in sentences]
    assert all(separator for _host, separator, _why in told)
    return [host for host, _separator, _why in told]


def test_no_machine_that_is_away_ends_the_run_of_the_others(away):
    assert {tags: run.code for tags, run in away.items()} == dict.fromkeys(away, 0)


def test_nobody_looks_again_for_a_machine_that_is_away(away):
    """It takes ten seconds each time."""
    for tags in ("list", "stats,ledger"):
        tried = [
            host
            for one in away[tags].events
            for host, result in one.get("hosts", {}).items()
            if result.get("unreachable")
        ]
        assert sorted(tried) == ["nas1", "silo2"]


def test_list_shows_those_that_answer_and_what_is_missing(reduced):
    found = fleet.read(reduced)
    assert named(found.problems) == ["nas1", "silo2"]
    assert {one.name: (one.observed, one.used_bytes, one.disk_bytes) for one in found.tenants if one.desired} == {
        "anna": ("running", None, 1 * GIB),
        "bruno": ("running", None, 2 * GIB),
        "clara": ("unknown", 2 * GIB, None),
        "david": ("unknown", 3 * GIB, None),
    }
    clara = next(one for one in found.tenants if one.name == "clara")
    assert (clara.memory_bytes, clara.memory_limit_bytes, clara.version) == (None, None, "")
    assert named(found.missing_of(clara)) == ["silo2"]


def test_stats_show_those_that_answer_and_what_is_missing(reduced):
    found = usage.of(results.ask(reduced, ReadTag.STATS, ReadTag.LEDGER))
    assert named(found.left_out) == ["nas1", "silo2"]
    by_name = {one.name: one for one in found.tenants if not one.orphan}
    assert [name for name, one in by_name.items() if one.observed == "unknown"] == ["clara", "david"]
    assert (by_name["clara"].memory_bytes, by_name["clara"].storage_bytes) == (None, 2 * GIB)
    assert "memory_bytes" in found.totals.at_least


def test_a_report_adds_up_those_that_answer_and_says_that_it_is_incomplete(reduced):
    found = report.read(reduced, PERIOD)
    assert named(found.problems) == ["nas1", "silo2"]
    assert {one.name: one.running_days for one in found.tenants} == {
        "anna": 2.0,
        "bruno": 1.0,
        "clara": 1.0,
        "david": 1.0,
    }


def test_the_sizes_are_those_of_machines_that_answer(reduced):
    sizes = TenantService(reduced).sizes()
    assert ([*sizes.nas], [*sizes.disks], named(sizes.away.values())) == (["nas2"], ["silo1"], ["nas1", "silo2"])


def test_what_a_tenant_uses_on_a_nas_that_is_away_is_nothing_to_guess(reduced):
    assert TenantService(reduced).used("clara") == 2 * GIB
    with pytest.raises(runner.RunError, match="nas1 cannot be reached"):
        TenantService(reduced).used("anna")


def test_where_tenants_are_is_not_written_while_some_machine_does_not_answer(reduced):
    with pytest.raises(runner.RunError, match=r"nas1 cannot be reached.* silo2 cannot be reached"):
        TenantService(reduced).places(dry_run=True)


def test_a_machine_that_is_away_is_no_difference_of_its_tenants(reduced):
    tenants = TenantService(reduced).tenants()
    found = compare.of_machines(results.ask(reduced, ReadTag.LIST), tenants)
    assert named(one.text for one in found) == ["nas1", "silo2"]
    assert {one.fix for one in found} == {"operator"}


def test_a_check_tells_who_is_away_and_looks_at_the_others(away):
    book = {}
    for event in away[ReadTag.CHECK].events:
        results.add(event, book)
    assert {host: bool(one.problem) for host, one in book[TaskId.QUOTAS].items()} == {"nas1": True, "nas2": False}
    assert {host: bool(one.problem) for host, one in book[TaskId.PREFLIGHT].items()} == {"silo1": False, "silo2": True}


@pytest.fixture(scope="module")
def checked(own):
    return own.run(READ, arguments=["--tags", ReadTag.CHECK])


def test_a_check_calls_each_machine_once_whatever_it_is(checked):
    assert checked.code == 0, checked.failures
    assert sorted((call.host, call.module) for call in checked.calls) == [
        ("nas1", "storage_quota_info"),
        ("nas2", "storage_quota_info"),
        ("silo1", "diagnostics_info"),
        ("silo2", "diagnostics_info"),
    ]


def test_what_a_check_reads_in_one_call_is_found_where_calls_of_their_own_would_leave_it(checked):
    book = {}
    for event in checked.events:
        results.add(event, book)
    assert sorted(book[TaskId.QUOTAS]) == ["nas1", "nas2", "silo1"]
    assert sorted(book[TaskId.DISKS]) == ["silo1", "silo2"]
    paths = {task: book[task]["silo1"].values["tenants"]["anna"]["path"] for task in (TaskId.QUOTAS, TaskId.DISKS)}
    assert paths == {TaskId.QUOTAS: "/instances/anna", TaskId.DISKS: "/databases/anna"}

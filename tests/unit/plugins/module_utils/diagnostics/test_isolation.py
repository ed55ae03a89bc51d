"""What is tried from a tenant's containers, and what is made of the answers."""

import json

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.command import CommandError, Completed
from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics import isolation, targets
from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics.connectivity import Reached, Target
from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics.targets import Connection, Connections

PORTS = targets.Ports(3003, targets.OF_SHARED | {2283, 5432, 6379})


def interface(name, *addresses):
    return {"ifname": name, "addr_info": [{"local": local, "scope": scope} for local, scope in addresses]}


ADDRESSES = [
    interface("lo", ("127.0.0.1", "host")),
    interface("eth0", ("192.0.2.10", "global"), ("fe80::9", "link")),
    interface("im-1", ("10.83.0.17", "global"), ("fe80::1", "link")),
    interface("im-2", ("10.83.0.33", "global")),
    {},
]
TCP = """  sl  local_address rem_address   st tx_queue
   0: 0100007F:1F92 00000000:0000 0A 00000000
   1: 00000000:0016 00000000:0000 0A 00000000
   2: 0A0200C0:0016 0B0200C0:D431 01 00000000
   3: 0A0200C0:D431 0B0200C0:0019 01 00000000
"""
MOUNT = "36 1 0:40 / /nas rw - nfs4 nas1:/instances rw,vers=4.2,addr=192.0.2.20\n"


@pytest.fixture
def proc(tmp_path):
    for name, text in (("net/tcp", TCP), ("self/mountinfo", MOUNT), ("42/net/route", "Iface\tDestination\tGateway\n")):
        path = tmp_path / "proc" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "proc"


@pytest.fixture
def here(proc):
    return targets.host(lambda _argv: Completed(0, json.dumps(ADDRESSES)), proc.parent / "nas", proc)


def test_what_a_server_is_on_its_networks(proc):
    (proc / "self" / "mountinfo").write_text(MOUNT.replace("/nas rw", f"{proc.parent}/nas rw"))
    found = targets.host(lambda _argv: Completed(0, json.dumps(ADDRESSES)), proc.parent / "nas", proc)
    assert found.ports == {22, 0x1F92}
    assert found.addresses["eth0"] == ["192.0.2.10", "fe80::9"]
    assert found.addresses["lo"] == []
    assert found.nas == ("192.0.2.20",)


def test_a_server_that_cannot_tell():
    with pytest.raises(CommandError):
        targets.host(lambda _argv: Completed(1, err="no"), None)


def test_its_own_is_what_it_may(given):
    assert targets.own(given.hans, 3003) == [
        Target("10.83.0.18", 2283),
        Target("10.83.0.19", 5432),
        Target("10.83.0.20", 6379),
        Target("10.83.0.17", 3003),
    ]


def test_all_else_is_what_it_may_not(given, here):
    items = [
        given.item(),
        given.item(name="silo-maria-database-1", tenant="maria", addresses=("10.83.0.35",)),
        given.item(name="silo-pages-pages-1", tenant="", addresses=("10.82.0.18",)),
    ]
    mine, must_not = targets.of_tenant(given.hans, PORTS, items, here)
    tried = set(must_not)
    assert mine == targets.own(given.hans, 3003)
    for forbidden in (
        Target("10.83.0.35", 5432),
        Target("10.82.0.18", 8080),
        Target("10.83.0.33", 3003),  # machine learning, by the gateway of another tenant
        Target("10.83.0.17", 22),
        Target("192.0.2.10", 443),
        Target("192.0.2.10", 0x1F92),
        Target("fe80::1", 22),
        Target("169.254.169.254", 80),
    ):
        assert forbidden in tried
    assert not tried & set(targets.own(given.hans, 3003))
    assert not any(target.address in ("10.83.0.18", "127.0.0.1", "fe80::9") for target in tried)


def test_the_nas_is_tried_where_it_is_another_host(given, here):
    there = targets.Host(here.addresses, here.ports, ("192.0.2.20",))
    assert Target("192.0.2.20", 2049) in targets.of_tenant(given.hans, PORTS, [], there)[1]


def test_a_shared_service_may_reach_itself_alone(given, here):
    pages = given.expected.shared[1]
    items = [given.item(), given.item(name="pages-1", tenant="", addresses=("10.82.0.18",))]
    mine, must_not = targets.of_shared(pages, PORTS, items, here)
    assert mine == [Target("10.82.0.18", 8080)]
    assert {Target("10.83.0.18", 5432), Target("10.83.0.17", 3003), Target("169.254.169.254", 80)} <= set(must_not)
    assert not any(target.address in ("10.82.0.18", "fe80::1") for target in must_not)


@pytest.fixture
def checks(given):
    own, other = targets.own(given.hans, 3003), [Target("10.83.0.35", 5432, "silo-maria-database-1")]

    def of(opened, refused=(), error=""):
        container = given.container()
        connection = Connection(own, other, Reached(frozenset(opened), frozenset(refused), error))
        container.server.__dict__["connections"] = Connections({"hans/server": connection})
        found = [*isolation.isolation(container), *isolation.own_network(container)]
        return {one.id: (one.ok, one.seen) for one in found}

    of.own, of.other = own, other
    return of


def test_what_reaches_its_own_and_nothing_else(checks):
    found = checks(checks.own)
    assert found["isolation"] == (True, "none of 1 ports of others")
    assert found["own_network"][0]


def test_what_reaches_another(checks):
    found = checks([*checks.own, *checks.other])
    assert found["isolation"] == (False, "10.83.0.35:5432 (silo-maria-database-1)")
    assert found["own_network"][0]


def test_a_port_that_is_closed_there_was_reached_as_well(checks):
    found = checks(checks.own, checks.other)
    assert found["isolation"] == (False, "10.83.0.35:5432 (silo-maria-database-1), closed")


def test_what_reaches_nothing_is_no_proof(checks):
    found = checks([])
    assert found["isolation"][0]
    assert found["own_network"][0] is False
    assert found["own_network"][1].startswith("not 10.83.0.18:2283 (hans/server)")


def test_a_network_that_cannot_be_entered(checks):
    found = checks([], error="No such file")
    assert found["isolation"] == (False, "its network cannot be entered: No such file")


def test_a_default_route(given, proc):
    assert isolation.routes(given.container(), proc).ok
    route = "Iface\tDestination\tGateway \tFlags\neth0\t00000000\t0111530A\t0003\n"
    (proc / "42" / "net" / "route").write_text(route)
    check = isolation.routes(given.container(), proc)
    assert (check.ok, check.seen) == (False, "a default route by 0111530A")
    assert not isolation.routes(given.container(pid=43), proc).ok

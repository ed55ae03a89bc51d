"""From every container to everything else on and around the server: what the table of `ways` has, and nothing more.

The tenants are those that run, however many. Somebody who has got root and all capabilities on a tenant's network is
tried as well: an intruder, on a cable of its own in the bridge of the tenant.
"""

import contextlib
import http.client
import ipaddress
import itertools
import json

import pytest

from .. import ways
from ..cloud import Cloud
from ..waiting import wait_for

CONFIG = "/api/server/config"
# What nobody may without CAP_NET_RAW, in the one language that all images have: packet(7) and raw(7).
RAW = """
printf("%s ", socket(my $way, $_->[0], 3, $_->[1]) ? "open" : $!{EPERM} ? "EPERM" : "$!") for [17, 0x0300], [2, 1]
"""
INTRUDER = "/run/netns/intruder"
ENTER = """
ip netns add intruder
ip link add intruder type veth peer name eth0 netns intruder
ip link set intruder master {bridge} up
sysctl --quiet --write net.ipv6.conf.{bridge}.disable_ipv6=0
in="ip netns exec intruder"
$in sysctl --quiet --write net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.eth0.accept_dad=0
$in ip link set lo up
$in ip link set eth0 up
$in ip address add {address}/{size} dev eth0
$in ip route add default via {gateway}
"""
LEAVE = """
ip link delete intruder
ip netns delete intruder
sysctl --quiet --write net.ipv6.conf.{bridge}.disable_ipv6={before}
"""
# "This address is here", to all: an ARP answer that nobody asked for.
CLAIM = """
import socket, sys
way = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
way.bind(("eth0", 0))
mine, claimed = way.getsockname()[4], socket.inet_aton(sys.argv[1])
head = b"\\xff" * 6 + mine + b"\\x08\\x06" + b"\\0\\1\\x08\\0\\6\\4"
for kind in (b"\\0\\1", b"\\0\\2"):
    way.send(head + kind + mine + claimed + b"\\xff" * 6 + claimed)
"""
# All that Docker itself does for the isolation, undone.
DOCKER_ALLOWS = ("iptables", "--insert", "FORWARD", "--jump", "ACCEPT")
DOCKER_DENIES = ("iptables", "--delete", "FORWARD", "--jump", "ACCEPT")


@pytest.fixture(scope="module")
def containers(lab):
    found = ways.containers(lab)
    assert len({one.owner for one in found if one.is_tenant}) > 1
    return found


@pytest.fixture(scope="module")
def every_way(lab, containers):
    return ways.everything(lab, containers)


@pytest.fixture(scope="module")
def walked(lab, containers, every_way):
    """All places to all ways; what each came to."""
    return ways.walk(lab, dict.fromkeys(ways.places(containers), every_way))


def of(containers, owner, service="server"):
    return next(one for one in containers if (one.owner, one.service) == (owner, service))


def tenants(containers):
    return sorted({one.owner for one in containers if one.is_tenant})


def test_nobody_reaches_what_the_table_does_not_have(walked):
    assert ways.wrong(walked) == []


def test_the_matrix_is_whole(walked, containers):
    """Each container tried all others, in every way; an empty matrix would hold as well."""
    for words in walked.values():
        for one in containers:
            assert {way.kind for way in words if way.owner == one.owner} == {"tcp", "udp", "ping", "name"}
            assert len({way.what for way in words if way.kind == "tcp" and way.address == one.address}) > 1
        assert sum(way.owner == "server" for way in words) > 50


def test_each_knows_its_own_by_name(lab, containers):
    names = {one: [ways.Way("name", ways.RESOLVER, one.service, one.owner)] for one in containers if one.is_tenant}
    # From each container all three, of which each has the address that it has.
    asked = {
        place: [way for one, (way,) in names.items() if one.owner == place.owner]
        for place in ways.places(containers)
        if place.is_tenant
    }
    found = ways.walk(lab, asked)
    for place, words in found.items():
        assert words == {way: of(containers, place.owner, way.what).address for way in asked[place]}


def test_a_forged_host_header_leads_nowhere(lab, containers):
    """By the one port that a tenant reaches; what answers is the machine learning, whatever the name."""
    domain, names = lab.domain, tenants(containers)
    hosts = [f"{name}.{domain}" for name in names] + [one.name for one in containers]
    hosts += [f"{one.address}:2283" for one in containers] + [domain, "localhost", "127.0.0.1"]
    paths = (CONFIG, "/", "/silo/welcome/x", "/api/rawdata", "/dashboard/", "/ping")
    forged = list(itertools.product([3003], hosts, paths))
    # All containers of a tenant have one address to the proxy: their subnet.
    asked = {
        place: [ways.Way("http", place.gateway, what, "server") for what in forged]
        for place in ways.places(of(containers, name) for name in names)
    }
    for place, words in ways.walk(lab, asked).items():
        for way, told in words.items():
            status, _gap, body = told.partition(" ")
            if way.what[2] == "/ping":
                assert (status, body) == ("200", "pong"), (place.name, way)
            elif way.what[2] != "/":
                assert status == "404", (place.name, way, told)
            assert domain not in body, (place.name, way, told)


def test_from_the_internet_the_host_header_alone_says_whose_site_it_is(lab, containers):
    """The certificate of one and the name of another: who answers is the other, as to anybody, and never both."""
    for one, other in itertools.permutations(tenants(containers), 2):
        cloud = Cloud(lab, one)
        answers = {
            name: cloud.get(CONFIG, Host=host, X_Forwarded_Host=forwarded)
            for name, host, forwarded in (
                (other, f"{other}.{lab.domain}", f"{one}.{lab.domain}"),
                (one, f"{one}.{lab.domain}", f"{other}.{lab.domain}"),
            )
        }
        for name, answer in answers.items():
            assert answer.status == http.client.OK
            assert answer.json["externalDomain"] == f"https://{name}.{lab.domain}"


@pytest.mark.parametrize(
    "host", ["silo-hans-server-1", "10.83.0.18:2283", "localhost", "127.0.0.1:3003", "silo-traefik"]
)
def test_from_the_internet_inner_names_are_nobody(lab, host):
    answer = Cloud(lab, "hans").get(CONFIG, Host=host)
    assert (answer.status, b"externalDomain" in answer.body) == (http.client.NOT_FOUND, False)


def test_no_container_may_make_packets_of_its_own(lab, containers):
    for one in containers:
        if one.is_tenant:
            told = lab.run("docker", "exec", one.name, "perl", "-MErrno", "-e", RAW).split()
            assert told == ["EPERM", "EPERM"], one.name
    # The same program, where it may.
    assert lab.run("perl", "-MErrno", "-e", RAW).split() == ["open", "open"]


@pytest.fixture
def intruder(lab, containers):
    """Root with all capabilities on the network of hans, who takes the server for the way to everywhere."""
    hans = of(containers, "hans")
    (network,) = json.loads(lab.run("docker", "network", "inspect", hans.network_name))
    subnet, bridge = network["IPAM"]["Config"][0]["Subnet"], network["Options"]["com.docker.network.bridge.name"]
    before = lab.run("sysctl", "--values", f"net.ipv6.conf.{bridge}.disable_ipv6").strip()
    size = ipaddress.ip_network(subnet).prefixlen
    with contextlib.ExitStack() as stack:
        stack.callback(lab.try_run, "sh", "-c", LEAVE.format(bridge=bridge, before=before))
        lab.shell(ENTER.format(bridge=bridge, address=ways.last_address(subnet), size=size, gateway=hans.gateway))
        place = ways.Place("intruder", "hans", INTRUDER, hans.gateway, is_tenant=True)
        # Its cable is there when the address of the link is.
        wait_for(lambda: lab.run("ip", "-6", "address", "show", "dev", bridge, "scope", "link", "-tentative"))
        yield place


@contextlib.contextmanager
def without_firewall(lab):
    lab.run("nft", "delete", "table", "inet", "silo_firewall")
    try:
        yield
    finally:
        lab.run("systemctl", "reload", "silo-firewall")


@contextlib.contextmanager
def with_docker_open(lab):
    lab.run(*DOCKER_ALLOWS)
    try:
        yield
    finally:
        lab.run(*DOCKER_DENIES)


def answered(lab, place, tried):
    (words,) = ways.walk(lab, {place: [way for way in tried if way.kind != "name"]}).values()
    return {way for way, word in words.items() if ways.is_answered(word)}


def allowed(place, tried):
    return {way for way in tried if way.kind != "name" and ways.may(place, way)}


def test_an_intruder_reaches_no_more(lab, containers, intruder):
    """With a route to everywhere, and the link's own addresses of IPv6; and where Docker's rules are gone as well."""
    tried = ways.everything(lab, containers)
    assert any(way.address.startswith("fe80:") for way in tried)
    assert answered(lab, intruder, tried) == allowed(intruder, tried)
    with with_docker_open(lab):
        assert answered(lab, intruder, tried) == allowed(intruder, tried)


def test_the_firewall_is_what_holds_the_intruder(lab, containers, intruder):
    """Without it the same program does come through: what is refused above is refused by nothing else."""
    tried = ways.everything(lab, containers)
    with without_firewall(lab), with_docker_open(lab):
        more = answered(lab, intruder, tried) - allowed(intruder, tried)
    maria = of(containers, "maria")
    link = next(way.address for way in tried if way.address.startswith("fe80:"))
    expected = {
        ("tcp", intruder.gateway, 22),
        ("tcp", intruder.gateway, 443),
        ("tcp", maria.gateway, 3003),
        ("tcp", lab.address, 22),
        ("tcp", link, 22),
        ("ping", "ff02::1", None),
    }
    assert expected <= {(way.kind, way.address, way.what) for way in more}
    assert answered(lab, intruder, tried) == allowed(intruder, tried)


def test_a_neighbour_that_is_none(lab, containers, intruder):
    """A fixed entry for the true address of another tenant's cable: the frame goes around on the own bridge alone."""
    others = [one for one in containers if one.is_tenant and one.owner != "hans"]
    script = ""
    for one in others:
        (network,) = lab.inspect(one.name)["NetworkSettings"]["Networks"].values()
        script += f"ip route add {one.address}/32 dev eth0\n"
        script += f"ip neighbour add {one.address} lladdr {network['MacAddress']} dev eth0 nud permanent\n"
    lab.shell(f"ip netns exec intruder sh -euc '{script}'")
    tried = [way for way in ways.everything(lab, others) if way.owner in {one.owner for one in others}]
    assert answered(lab, intruder, tried) == set()


def test_an_address_that_is_claimed(lab, containers, intruder):
    """Whoever says on one bridge to be maria's database is not believed on hers."""
    for one in (of(containers, "maria"), of(containers, "maria", "database")):
        for place in (ways.Place("", "", of(containers, "maria", "cache").network, "", is_tenant=True), None):
            enter = ["nsenter", f"--net={place.network}"] if place else []
            true = lab.inspect(one.name)["NetworkSettings"]["Networks"][one.network_name]["MacAddress"]
            assert Cloud(lab, "maria").works()
            lab.run("ip", "netns", "exec", "intruder", "python3", "-c", CLAIM, one.address)
            known = json.loads(lab.run(*enter, "ip", "-json", "neighbour", "show", one.address))
            assert {entry.get("lladdr", true) for entry in known} <= {true}
    assert Cloud(lab, "maria").works()


# A password a line; what each came to. It goes by no argument, and by no file.
DATABASE = """
while read -r PGPASSWORD; do
    export PGPASSWORD
    psql -XAtq -h database -U immich -d immich -c "SELECT 'in'" 2>&1 | sed 's/.*password authentication failed.*/no/'
done
"""
CACHE = """
while read -r REDISCLI_AUTH; do
    export REDISCLI_AUTH
    valkey-cli -h cache PING 2>&1 | sed -n 's/^PONG$/in/p; s/^NOAUTH.*/no/p'
done
"""


@pytest.mark.parametrize(("service", "script"), [("database", DATABASE), ("cache", CACHE)])
def test_the_password_of_another_opens_nothing(lab, operator, containers, service, script):
    """From the owner's own network, so that it is the password which is refused."""
    names = tenants(containers)
    passwords = "".join(f"{operator.secrets(name)[f'{service}_password']}\n" for name in names)
    for name in names:
        told = lab.run("docker", "exec", "-i", f"silo-{name}-{service}-1", "sh", "-c", script, text=passwords)
        assert told.split() == ["in" if other == name else "no" for other in names]


def test_the_password_of_another_admin_logs_nobody_in(lab, operator, containers):
    for one, other in itertools.permutations(tenants(containers), 2):
        email, password = operator.settings(one)["tenant_email"], operator.secrets(one)["admin_password"]
        assert Cloud(lab, other).login(email, password).status == http.client.UNAUTHORIZED


def test_a_session_of_one_is_nothing_to_another(lab, customer, containers):
    cloud = customer("hans")
    for name in tenants(containers):
        other = Cloud(lab, name)
        other.token = cloud.token
        status = other.get("/api/users/me").status
        assert status == (http.client.OK if name == "hans" else http.client.UNAUTHORIZED)

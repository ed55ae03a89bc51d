"""The rules of the firewall, for what an operator may write; that nft takes them is seen on the lab."""

import ipaddress
import re
from pathlib import Path

import pytest
import yaml
from ansible.plugins.test.core import version_compare

ROLE = Path(__file__).parents[3] / "roles" / "host"

SSH = {"ports": [22, 2022]}


@pytest.fixture
def opened(render):
    """What the input chain accepts by a port, and its policy."""

    def of(**values):
        text = render("host", "firewall.nft.j2", __host_ssh=SSH, **values)
        chain = re.search(r"chain input \{(.*?)\n  \}", text, re.DOTALL)[1]
        lines = [line.strip() for line in chain.splitlines()]
        policy = re.search(r"policy (\w+);", chain)[1]
        return policy, [line for line in lines if re.search(r"dport \d+ accept$", line) and "sport" not in line]

    return of


def test_ssh_and_what_the_platform_offers_are_open(opened):
    accepted = [f"tcp dport {port} accept" for port in (22, 2022, 80, 443)]
    assert opened() == ("drop", accepted)


def test_ports_of_the_operator(opened):
    more = [{"port": 51820, "protocol": "udp"}, {"port": 9100, "from": ["192.0.2.0/24", "2001:db8::/32"]}]
    assert opened(host_service_ports=[], host_open_ports=more)[1][2:] == [
        "udp dport 51820 accept",
        "ip saddr 192.0.2.0/24 tcp dport 9100 accept",
        "ip6 saddr 2001:db8::/32 tcp dport 9100 accept",
    ]


def test_a_firewall_of_the_operator_s_own(opened):
    assert opened(host_firewall_input_enabled=False) == ("accept", [])


def test_tenants_stay_where_they_are_whatever_is_open(render):
    text = render("host", "firewall.nft.j2", __host_ssh=SSH, host_open_ports=[{"port": 3003}])
    assert text.index("tcp dport { 3003 } drop") < text.index('iifname "im-*" drop') < text.index("tcp dport 22 accept")


@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "168.63.129.16", "192.0.0.192", "100.100.100.200", "fd00:ec2::254", "fe80::1", "10.0.0.1"],
)
def test_what_has_a_way_out_reaches_no_service_of_a_cloud(render, address):
    closed = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text())["host_firewall_closed_networks"]
    (network,) = [one for one in map(ipaddress.ip_network, closed) if ipaddress.ip_address(address) in one]
    assert f"daddr {network}" in render("host", "firewall.nft.j2", __host_ssh=SSH)


@pytest.mark.parametrize(
    ("version", "right"), [("25.0.0", False), ("25.0.4", False), ("25.0.5", True), ("28.1.0", True)]
)
def test_an_engine_that_asks_names_outside_for_an_internal_network_is_too_old(version, right):
    minimum = yaml.safe_load((ROLE / "vars" / "main.yml").read_text())["__host_engine_minimum"]
    assert version_compare(version, minimum, ">=") == right


@pytest.fixture
def rules(render):
    """A function: the lines of a chain, in their order."""

    def of(chain, **values):
        text = render("host", "firewall.nft.j2", __host_ssh=SSH, **values)
        found = re.search(rf"inet silo_firewall {{\n.*?chain {chain} \{{(.*?)\n  \}}", text, re.DOTALL)
        return [line.strip() for line in found[1].splitlines() if "#" not in line] if found else []

    return of


def test_connections_are_counted_before_they_are_accepted(rules):
    lines = rules("input")
    counted = [line for line in lines if "ct count" in line]
    assert counted == [
        'iifname "im-*" tcp dport { 3003 } ct state new add @bridges { iifname ct count over 100 } drop',
        *[
            f"iif != lo tcp dport {{ 80, 443 }} ct state new add @{count} drop"
            for count in (
                "sources_ipv4 { ip saddr ct count over 400 }",
                "sources_ipv6 { ip6 saddr & ffff:ffff:ffff:ffff:: ct count over 400 }",
                "shares { numgen random mod 32 ct count over 125 }",
            )
        ],
    ]
    # Connections that exist go on; what is a tenant's has been dropped before it could count for a stranger.
    assert lines.index("ct state established,related accept") < lines.index(counted[0])
    assert lines.index(counted[0]) < next(n for n, line in enumerate(lines) if "dport { 3003 } accept" in line)
    assert lines.index('iifname "im-*" drop') < lines.index(counted[1])
    assert lines.index(counted[-1]) < lines.index("tcp dport 80 accept")


@pytest.mark.parametrize(("most", "share"), [(4000, 125), (4001, 126), (20, 1)])
def test_all_together_have_at_least_what_they_are_promised(rules, most, share):
    (line,) = [line for line in rules("input", host_firewall_connections=most) if "@shares" in line]
    assert f"ct count over {share} " in line


def test_limits_are_the_operator_s(rules):
    values = {"host_firewall_limited_ports": [8443], "host_firewall_source_connections": 9}
    assert sum("{ 8443 } ct state new" in line and "over 9 " in line for line in rules("input", **values)) == 2
    none = rules("input", host_firewall_limited_ports=[])
    assert sum("ct count" in line for line in none) == 1
    # With a firewall of the operator's own, connections are counted as well.
    assert sum("ct count" in line for line in rules("input", host_firewall_input_enabled=False)) == 4


def test_what_stays_on_a_tenant_s_bridge_is_not_in_the_table_of_all(rules):
    lines = rules("untracked", host_firewall_tenant_interfaces=["im-*", "vm-*"])
    assert lines[1:] == ["type filter hook prerouting priority raw; policy accept;"] + [
        f'iifname "{one}" fib daddr type != local notrack' for one in ("im-*", "vm-*")
    ]
    assert rules("untracked", host_firewall_tenant_interfaces=[]) == []


def test_a_nas_is_reached_by_root_and_the_kernel_alone(rules):
    rule = "meta l4proto { tcp, udp } th dport { 2049 } meta skuid != 0 drop"
    assert rule in rules("output")
    assert rules("output", host_firewall_root_ports=[], host_firewall_owned_bridges=[]) == []


def test_a_service_behind_a_gate_is_reached_by_the_gate_alone_and_has_no_way_out(rules):
    assert rules("output")[-1] == 'oifname "silo-ml" meta skuid != { 0, 65528 } drop'
    assert not any("2049" in line for line in rules("output", host_firewall_root_ports=[]))
    lines = rules("forward")
    mine = [lines.index(f'{way}ifname "silo-ml" drop') for way in "io"]
    # Before what others may.
    assert max(mine) < next(number for number, line in enumerate(lines) if line.startswith('iifname "silo-*"'))


def test_one_of_the_shared_does_not_fill_the_table_either(rules):
    assert 'iifname "silo-*" ct state new add @bridges { iifname ct count over 100 } drop' in rules("forward")

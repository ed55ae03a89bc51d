"""The rules of the firewall, for what an operator may write; that nft takes them is seen on the lab."""

import re

import pytest

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

"""What a resolver answers, asked for real, and what is told of it."""

import time

import pytest

from silo.diagnostics import dns
from silo.diagnostics.dns import Answer
from tests.unit.patience import PATIENCE

DOMAIN = "swissphoto.ch"
ONE = {"silo1": Answer(frozenset({"192.0.2.10"}))}
BOTH = {"silo1": Answer(frozenset({"192.0.2.10", "2001:db8::10"}))}
TWO = {**ONE, "silo2": Answer(frozenset({"192.0.2.20"}))}
TENANTS = {"hans": ("hans.swissphoto.ch", "silo1"), "maria": ("maria.swissphoto.ch", "silo2")}


def look(zone, servers, tenants=None, seconds=5.0):
    return dns.check_names(DOMAIN, servers, tenants or {}, zone.resolver, seconds)


def test_a_wildcard_that_leads_to_the_server(zone):
    zone.records = {f"*.{DOMAIN}": ["192.0.2.10"]}
    (finding,) = look(zone, ONE)
    assert (finding.id, finding.subject, finding.state, finding.fix) == ("dns", "*.swissphoto.ch", "ok", "")
    assert finding.message == "it answers with 192.0.2.10, which is silo1"


def test_each_look_asks_for_a_name_that_nobody_asked_for_before(zone):
    zone.records = {f"*.{DOMAIN}": ["192.0.2.10"]}
    look(zone, ONE)
    look(zone, ONE)
    assert len(set(zone.asked)) == 2
    assert all(name.endswith(f".{DOMAIN}") for name in zone.asked)


def test_a_wildcard_that_leads_elsewhere(zone):
    zone.records = {f"*.{DOMAIN}": ["192.0.2.10", "198.51.100.7"]}
    (finding,) = look(zone, ONE)
    assert finding.state == "wrong"
    assert finding.message == "it answers with 198.51.100.7, and silo1 is at 192.0.2.10"
    assert finding.fix == (
        "at the DNS provider, set *.swissphoto.ch to 192.0.2.10 only; if 198.51.100.7 "
        "is a server's public address, write it into the server's silo_check_addresses"
    )


def test_a_domain_without_a_wildcard(zone):
    (finding,) = look(zone, ONE)
    assert (finding.state, finding.message) == ("wrong", "the name has no address, and silo1 is at 192.0.2.10")
    assert "set *.swissphoto.ch to 192.0.2.10" in finding.fix


def test_both_kinds_of_address(zone):
    zone.records = {f"*.{DOMAIN}": ["192.0.2.10", "2001:db8::10"]}
    assert [finding.state for finding in look(zone, BOTH)] == ["ok"]


def test_a_record_for_ipv6_that_is_missing(zone):
    zone.records = {f"*.{DOMAIN}": ["192.0.2.10"]}
    (finding,) = look(zone, BOTH)
    assert (finding.state, finding.message) == (
        "warning",
        "it has no AAAA record, and silo1 is at 192.0.2.10 and 2001:db8::10",
    )


def test_a_record_for_ipv6_that_leads_elsewhere(zone):
    zone.records = {f"*.{DOMAIN}": ["192.0.2.10", "2001:db8::bad"]}
    (finding,) = look(zone, ONE)
    assert finding.state == "wrong"
    assert "2001:db8::bad" in finding.message


def test_of_several_servers_each_tenant_is_led_to_its_own(zone):
    zone.records = {f"*.{DOMAIN}": ["192.0.2.10"], "maria.swissphoto.ch": ["192.0.2.20"]}
    findings = look(zone, TWO, TENANTS)
    assert [(finding.subject, finding.state) for finding in findings] == [
        ("*.swissphoto.ch", "ok"),
        ("hans.swissphoto.ch", "ok"),
        ("maria.swissphoto.ch", "ok"),
    ]


def test_of_several_servers_a_tenant_that_is_led_to_another_one(zone):
    zone.records = {f"*.{DOMAIN}": ["192.0.2.10"]}
    finding = look(zone, TWO, TENANTS)[-1]
    assert (finding.subject, finding.state) == ("maria.swissphoto.ch", "wrong")
    assert finding.message == "it answers with 192.0.2.10, and silo2 is at 192.0.2.20"
    assert "set maria.swissphoto.ch to 192.0.2.20" in finding.fix


def test_a_tenant_whose_own_record_hides_the_wildcard(zone):
    zone.records = {f"*.{DOMAIN}": ["192.0.2.10"], "hans.swissphoto.ch": ["198.51.100.7"]}
    hans = {"hans": TENANTS["hans"]}
    assert [(one.subject, one.state) for one in look(zone, ONE, hans)][1:] == [("hans.swissphoto.ch", "wrong")]
    zone.records["hans.swissphoto.ch"] = ["192.0.2.10"]
    assert [one.subject for one in look(zone, ONE, hans)] == ["*.swissphoto.ch"]


def test_a_resolver_that_is_silent_is_given_up_and_asked_once(zone):
    zone.records = {f"*.{DOMAIN}": None}
    begun = time.monotonic()
    (finding,) = look(zone, TWO, TENANTS, seconds=0.5)
    assert time.monotonic() - begun < PATIENCE
    assert finding.state == "unknown"
    assert finding.message.startswith(f"the resolver {zone.resolver} does not return the address: ")
    assert "silo_check_resolver" in finding.fix


@pytest.mark.parametrize("resolver", ["not a resolver", "127.0.0.1#dns", "#53", "127.0.0.1#99999"])
def test_a_resolver_that_can_be_none(resolver):
    (finding,) = dns.check_names(DOMAIN, ONE, {}, resolver, 1)
    assert finding.state == "unknown"
    assert "silo_check_resolver" in finding.fix


@pytest.mark.parametrize("domain", ["a..b", "x" * 64 + ".ch", ""])
def test_a_domain_that_can_be_none(zone, domain):
    (finding,) = dns.check_names(domain, ONE, {}, zone.resolver, 1)
    assert finding.state in ("unknown", "wrong")


def test_the_addresses_of_a_server():
    assert dns.server_addresses(["192.0.2.10", "2001:db8::10"]) == Answer(frozenset({"192.0.2.10", "2001:db8::10"}))
    assert "127.0.0.1" in dns.server_addresses(["localhost"]).addresses


def test_a_server_whose_address_nobody_knows(zone):
    unknown = dns.server_addresses(["no-such-host.invalid"])
    (finding,) = look(zone, {"silo1": unknown})
    assert (finding.subject, finding.state) == ("silo1", "unknown")
    assert "no-such-host.invalid is neither an address nor a known name" in finding.message
    assert "silo_check_addresses" in finding.fix
    assert zone.asked == []

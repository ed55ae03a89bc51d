"""Checks of DNS: the wildcard of the domain, and each tenant's name."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import ipaddress
import secrets
import socket
from collections.abc import Iterable, Mapping

import dns.exception
import dns.resolver
from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics.registry import PREFLIGHT

from silo.diagnostics import Finding
from silo.diagnostics.engine import check

SECONDS = 5.0
DNS_PORT = 53
ID = "dns"
WORKERS = 16
UNKNOWN_ADDRESS = "write the server's public addresses into its silo_check_addresses"


@dataclasses.dataclass(frozen=True)
class Answer:
    """The addresses of a name; `problem` says why they are unknown."""

    addresses: frozenset[str] = frozenset()
    problem: str = ""

    def of(self, version: int) -> frozenset[str]:
        """Return the addresses of IPv4 (4) or IPv6 (6)."""
        return frozenset(text for text in self.addresses if ipaddress.ip_address(text).version == version)


@dataclasses.dataclass(frozen=True)
class Domain:
    """The tenants' domain: `servers` to their addresses, `tenants` to their host name and server."""

    name: str
    servers: Mapping[str, Answer]
    tenants: Mapping[str, tuple[str, str]]
    resolver: str
    fix: str = UNKNOWN_ADDRESS


@check("dns", scope="domain", selections=PREFLIGHT)
def dns_records(domain: Domain) -> list[Finding]:
    """Check that the names of a domain lead to its servers."""
    return check_names(domain.name, domain.servers, domain.tenants, domain.resolver)


def random_label() -> str:
    """Return a label that no tenant has, to query the wildcard."""
    return f"check{secrets.token_hex(8)}"


def resolve(name: str, resolver: str = "", seconds: float = SECONDS) -> Answer:
    """Query `resolver` (address or address#port; empty is the system's) for A and AAAA of `name`."""
    address, _sign, port = resolver.partition("#")
    found: set[str] = set()
    try:
        asked = dns.resolver.Resolver(configure=not resolver)
        if resolver:
            asked.nameservers, asked.port = [address], int(port or DNS_PORT)
        for kind in ("A", "AAAA"):
            answer = asked.resolve(name, kind, search=False, lifetime=seconds, raise_on_no_answer=False)
            found |= {str(record) for record in answer}
    except dns.resolver.NXDOMAIN:
        return Answer()
    except (dns.exception.DNSException, OSError) as error:
        return Answer(problem=" ".join(str(error).split()))
    except ValueError:
        return Answer(problem=f"silo_check_resolver is {resolver!r}, which is not an address or address#port")
    return Answer(frozenset(found))


def server_addresses(hosts: Iterable[str]) -> Answer:
    """Return the addresses of a server, with host names resolved."""
    found: set[str] = set()
    for host in hosts:
        try:
            found |= {str(info[4][0]) for info in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
        except (OSError, UnicodeError) as error:
            return Answer(problem=f"{host} is neither an address nor a known name ({error})")
    return Answer(frozenset(found))


def _and(addresses: Iterable[str]) -> str:
    return " and ".join(sorted(addresses))


def _is_at(servers: Mapping[str, Answer]) -> str:
    return " and ".join(f"{name} is at {_and(answer.addresses)}" for name, answer in sorted(servers.items()))


def compare(name: str, record: str, found: Answer, servers: Mapping[str, Answer], resolver: str = "") -> Finding:
    """Check that `name` has only addresses of `servers`; `record` is the record's name at the DNS provider.

    `servers` is server to its addresses, at least one; `resolver` is the one that answered.
    """
    expected = Answer(frozenset[str]().union(*(server.addresses for server in servers.values())))
    if found.problem:
        by = f"the resolver {resolver}" if resolver else "this machine's resolver"
        fix = f"find out why {by} does not answer, or name another in silo_check_resolver"
        return Finding(ID, name, "unknown", f"{by} does not return the address: {found.problem}", fix)
    any_of = " or ".join(_and(answer.addresses) for _name, answer in sorted(servers.items()))
    right = f"at the DNS provider, set {record} to {any_of} only"
    if not found.addresses:
        return Finding(ID, name, "wrong", f"the name has no address, and {_is_at(servers)}", right)
    if strangers := found.addresses - expected.addresses:
        text = f"it answers with {_and(strangers)}, and {_is_at(servers)}"
        public = f"if {_and(strangers)} is a server's public address, write it into the server's"
        return Finding(ID, name, "wrong", text, f"{right}; {public} silo_check_addresses")
    missing = [kind for version, kind in ((4, "A"), (6, "AAAA")) if expected.of(version) and not found.of(version)]
    if missing:
        text = f"it has no {_and(missing)} record, and {_is_at(servers)}"
        return Finding(ID, name, "warning", text, right)
    here = (server for server, answer in servers.items() if answer.addresses & found.addresses)
    return Finding(ID, name, "ok", f"it answers with {_and(found.addresses)}, which is {_and(here)}")


def check_names(
    domain: str,
    servers: Mapping[str, Answer],
    tenants: Mapping[str, tuple[str, str]],
    resolver: str,
    seconds: float = SECONDS,
) -> list[Finding]:
    """Check the wildcard of `domain` and each tenant's name (tenant to host name and server).

    With one server, a tenant whose name has the result of the wildcard gets no finding of its own.
    """
    findings = [
        Finding(ID, name, "unknown", f"its address is not known: {answer.problem}", UNKNOWN_ADDRESS)
        for name, answer in sorted(servers.items())
        if answer.problem
    ]
    reached = {name: answer for name, answer in servers.items() if answer.addresses}
    if not reached:
        return findings
    label, wildcard = f"{random_label()}.{domain}", f"*.{domain}"
    first = compare(label, wildcard, resolve(label, resolver, seconds), reached, resolver)
    findings.append(dataclasses.replace(first, subject=wildcard))
    if first.state == "unknown":  # The resolver would not answer for the others either.
        return findings
    expected = {host_name: {server: reached[server]} for host_name, server in tenants.values() if server in reached}
    with concurrent.futures.ThreadPoolExecutor(max_workers=WORKERS) as pool:
        answers = pool.map(lambda name: resolve(name, resolver, seconds), expected)
        own = [
            compare(name, name, answer, expected[name], resolver)
            for name, answer in zip(expected, answers, strict=True)
        ]
    return findings + [finding for finding in own if len(servers) > 1 or finding.state not in ("ok", first.state)]

# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of a server: its NAS, firewall, logins, and containers."""

from __future__ import annotations

from collections.abc import Iterator

from ..command import CommandError
from ..common.sizes import parse_size, size
from . import journal, snapshot, ssh
from .finding import Finding, holds, none_of, same
from .registry import BOTH, PREFLIGHT, check
from .subjects import SITE, Server

FIREWALL = "/etc/silo/firewall.nft"
MOUNTED = "mounted, and answers"
UNUSED = "no other network uses the tenants' addresses"
# Access to one of these sockets is root access to the server.
SOCKETS = ("docker.sock", "containerd.sock")


@check("nas", scope="server", selections=BOTH)
def nas(server: Server) -> Finding:
    """Check that the NAS is mounted, and answers."""
    problem = server.storage.problem
    fix = (
        f"on {server.name}, `journalctl -u silo-recovery` says why it cannot be mounted, which is tried every 30 "
        "seconds; if the NAS itself works, run playbooks/site.yml"
    )
    return _problem(problem, MOUNTED, fix)


@check("firewall", scope="server", selections=BOTH)
def firewall(server: Server) -> Finding:
    """Check that the kernel has the rules that keep tenants apart."""
    path = server.expected.path("firewall", FIREWALL)
    fix = f"run `systemctl restart silo-firewall` on {server.name}, or playbooks/site.yml"
    problem = snapshot.firewall_problem(server.runner, path)
    return _problem(problem, f"the rules of {path}", fix, "tenants may reach each other: ")


@check("network", scope="server", selections=PREFLIGHT)
def network(server: Server) -> Finding:
    """Check that no other network has the tenants' addresses."""
    fix = (
        "take another tenant_address_pool while the server has no tenants; once it has some, change the other network "
        "or its route"
    )
    problem = snapshot.network_problem(server.runner, server.expected.text("address_pool"))
    return _problem(problem, UNUSED, fix, "tenants' addresses are in use elsewhere: ")


@check("tenants", scope="server", fix="'silo list' shows these tenants; remove what is left of them on this server")
def tenants(server: Server) -> Finding:
    """Check that no container is of a tenant that the inventory does not have here."""
    unknown = {item.tenant for item in server.items if item.tenant} - set(server.expected.texts("known"))
    return none_of(sorted(unknown), "all in the inventory", "all in the inventory")


@check("open_ports", scope="server", selections=BOTH)
def open_ports(server: Server) -> Finding | None:
    """Check that the server takes no connections but those that it offers, where the operator wants it so."""
    if not server.expected.flag("firewall_input_enabled"):
        return None
    fix = "run playbooks/site.yml; with a firewall of your own in its place, set host_firewall_input_enabled to false"
    return _problem(snapshot.input_problem(server.runner), "only the ports that it offers", fix)


@check("ssh", scope="server", selections=BOTH)
def ssh_keys_only(server: Server) -> Finding | None:
    """Check that SSH accepts keys only, if the operator wants that."""
    if not server.expected.flag("ssh_keys_only"):
        return None
    try:
        problem = ssh.problem(server.runner)
    except CommandError as error:
        problem = " ".join(str(error).split())
    fix = "run playbooks/site.yml, which does not lock you out; to keep passwords, set host_ssh_keys_only to false"
    return _problem(problem, "keys only", fix, "login without a key is possible: ")


@check("journal", scope="server", fix=f"{SITE}; another file in journald.conf.d may set SystemMaxUse as well")
def journal_limit(server: Server) -> Finding | None:
    """Check that the journal cannot grow beyond what the operator gives it."""
    if not (wanted := server.expected.text("journal_size")):
        return None
    found = journal.limit()
    return holds(found == parse_size(wanted), "no limit" if found is None else size(found), size(parse_size(wanted)))


@check("live_restore", scope="server")
def live_restore(server: Server) -> Finding:
    """Check that containers outlive a restart of the engine."""
    return same("on" if server.ask_engine("/info", {}).get("LiveRestoreEnabled") else "off", "on")


@check("state", scope="server")
def shared_services(server: Server) -> Iterator[Finding]:
    """Check that the shared services run."""
    for service in server.expected.shared:
        yield same("running" if server.runs(service) else "not running", "running", service.label)


@check("published_ports", scope="server")
def published_ports(server: Server) -> Finding:
    """Check that the engine publishes no port of any container."""
    return none_of((f"{port} of {item.name}" for item in server.items for port in item.published), "none", "none")


@check("engine_socket", scope="server")
def engine_socket(server: Server) -> Finding:
    """Check that no container has the engine's socket."""
    found = [f"{path} in {item.name}" for item in server.items for path in item.sources if path.endswith(SOCKETS)]
    return none_of(found, "in no container", "in no container")


def _problem(problem: str, expected: str, fix: str, begin: str = "") -> Finding:
    """Return a finding for a problem; an empty one means that the check passed."""
    if not problem:
        return holds(True, expected, expected)
    return Finding("", "", "wrong", f"{begin}{problem}", fix, expected, problem)

# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""All checks of one server. Nothing is changed; what is away or broken is a check that does not hold."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from ..command import CommandError, Runner
from ..tenant import engine, probe
from ..tenant.probe import Storage
from . import connectivity, container_config, hardening, isolation, secrets, snapshot, ssh, state
from .check import Check, none_of, same
from .container import Ask, Found, Item, items, look_at
from .expected import ExpectedService, ExpectedTenant, Wanted

Running = Mapping[ExpectedService, Found]


def _running(services: Iterable[ExpectedService], found: Mapping[str, Found]) -> dict[ExpectedService, Found]:
    return {
        service: found[service.container]
        for service in services
        if service.container in found and found[service.container].processes
    }


def _doors(wanted: Wanted, runner: Runner) -> Iterator[Check]:
    """Yield whether the server itself lets in whom it should, where the operator wants it to."""
    if wanted.closed:
        problem = snapshot.input_problem(runner)
        yield Check("open ports", wanted.server, not problem, problem or "those offered", "those offered")
    if wanted.ssh_keys_only:
        try:
            problem = ssh.problem(runner)
        except CommandError as error:
            problem = " ".join(str(error).split())
        yield Check("SSH", wanted.server, not problem, problem or "keys alone", "keys alone")


def _server(wanted: Wanted, runner: Runner, listed: Sequence[Item], storage: Storage, ask: Ask) -> Iterator[Check]:
    expected = f"the rules of {wanted.firewall}"
    firewall = snapshot.firewall_problem(runner, wanted.firewall)
    yield Check("firewall", wanted.server, not firewall, firewall or expected, expected)
    seen = storage.problem or "it is mounted, and answers"
    yield Check("NAS", wanted.server, not storage.problem, seen, "it is mounted, and answers")
    strangers = {item.tenant for item in listed if item.tenant} - wanted.known
    yield none_of("tenants", wanted.server, sorted(strangers), "all in the inventory", "all in the inventory")
    yield from _doors(wanted, runner)
    keeps = "on" if ask("/info", {}).get("LiveRestoreEnabled") else "off"
    yield same("live restore", wanted.server, keeps, "on")
    yield from container_config.of_server(wanted.server, listed)


def _shared(wanted: Wanted, running: Running) -> Iterator[Check]:
    for service in wanted.shared:
        seen = "running" if service in running else "not running"
        yield Check("state", service.label, service in running, seen, "running")
    for service, container in running.items():
        yield from hardening.checks(service, container)
        yield container_config.image(service, container)
        yield container_config.rights(service, container)


def _tenant(tenant: ExpectedTenant, running: Running, wanted: Wanted, directories: Collection[Path]) -> Iterator[Check]:
    for service, container in running.items():
        yield from hardening.checks(service, container)
        yield from container_config.of_tenant(tenant, service, container, wanted.seccomp)
        yield isolation.way_out(service, container)
        if service.label == f"{tenant.name}/server":
            yield state.closed(service, container)
    if tenant.state != "absent" and state.ran(tenant, directories):
        yield from secrets.checks(tenant, running)


def _apart(
    wanted: Wanted, running: Mapping[str, Running], shared: Running, listed: Sequence[Item], runner: Runner
) -> Iterator[Check]:
    """Yield what is reached from each container that has a network, all of them tried side by side."""
    try:
        here = isolation.host(runner, wanted.sentinel.parent)
    except (CommandError, LookupError) as error:
        text = f"this server's own addresses are not known: {' '.join(str(error).split())}"
        yield Check("isolation", wanted.server, False, text, "nothing but its own")
        return
    tried = {service: isolation.of_shared(service, wanted, listed, here) for service in shared if service.port}
    for tenant in wanted.tenants:
        tried |= dict.fromkeys(running[tenant.name], isolation.targets(tenant, wanted, listed, here))
    found = {**shared, **{service: one for services in running.values() for service, one in services.items()}}
    targets = {found[service].network: [*mine, *others] for service, (mine, others) in tried.items()}
    reached = connectivity.from_inside(targets, wanted.patience)
    for service, ways in tried.items():
        yield from isolation.checks(service, ways, reached[found[service].network])


def audit(wanted: Wanted, runner: Runner, ask: Ask = engine.get) -> list[Check]:
    """Return every check of the server on which this runs; raises StackError where its engine does not answer."""
    listed = items(ask)
    by_name = {item.name: item for item in listed}
    services = [*wanted.shared, *(service for tenant in wanted.tenants for service in tenant.services)]
    chosen = {service.container for service in services}
    found = look_at((item for item in listed if item.name in chosen), ask)
    storage = probe.look(wanted.sentinel, [tenant.storage / "uploads" for tenant in wanted.tenants])
    running = {
        tenant.name: _running(tenant.services, found) if tenant.state == "running" else {} for tenant in wanted.tenants
    }
    shared = _running(wanted.shared, found)
    checks = [*_server(wanted, runner, listed, storage, ask), *_shared(wanted, shared)]
    for tenant in wanted.tenants:
        checks += state.checks(tenant, by_name, storage.directories)
        checks += _tenant(tenant, running[tenant.name], wanted, storage.directories)
    return [*checks, *_apart(wanted, running, shared, listed, runner)]


def as_facts(checks: Iterable[Check]) -> list[dict[str, t.Any]]:
    """Return what a module may return of `checks`."""
    return [dataclasses.asdict(check) for check in checks]

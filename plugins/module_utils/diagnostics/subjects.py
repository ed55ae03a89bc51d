# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The subjects of checks on a server: the server, its tenants, their containers. Each is read once, when needed.

Imports that only containers need are inside functions: they take as long as a whole preflight check of a server.
"""

from __future__ import annotations

import dataclasses
import functools
import typing as t
from collections.abc import Callable, Mapping
from pathlib import Path

from ..command import CommandError, Runner
from ..tenant import probe
from ..tenant.probe import Storage
from .expected import Expected, ExpectedService, ExpectedTenant

if t.TYPE_CHECKING:
    from ..tenant.health import Questions
    from .container import Ask, Found, Item
    from .targets import Connections

SENTINEL = "/instances/.silo-nas"
SITE = "run playbooks/site.yml"


@dataclasses.dataclass(frozen=True, eq=False)
class Server:
    """The server on which this runs. Properties that need its engine raise StackError if it does not answer.

    `ask` is how the engine is asked, and `read_log` how for the log of a container by its id; None for its socket.
    `questions` is how services are asked whether they work; None for their own ways.
    """

    expected: Expected
    runner: Runner
    ask: Ask | None = None
    fix: str = SITE
    read_log: Callable[[str], bytes] | None = None
    questions: Questions | None = None

    @property
    def name(self) -> str:
        """Its name in the inventory."""
        return self.expected.server

    @property
    def sentinel(self) -> Path:
        """The file that exists only on the NAS, at its place below the mount point."""
        return self.expected.path("sentinel", SENTINEL)

    @functools.cached_property
    def storage(self) -> Storage:
        """Whether the NAS is there, and which tenants' uploads are on it."""
        return probe.look(self.sentinel, [tenant.storage / "uploads" for tenant in self.expected.tenants])

    def ask_engine(self, path: str, query: Mapping[str, str]) -> t.Any:
        """Return the engine's answer to a request."""
        if self.ask is not None:
            return self.ask(path, query)
        from ..tenant import engine

        return engine.get(path, query)

    def log(self, identity: str) -> bytes:
        """Return the last lines of a container's log."""
        if self.read_log is not None:
            return self.read_log(identity)
        from ..tenant import engine

        return engine.log(identity)

    @functools.cached_property
    def items(self) -> tuple[Item, ...]:
        """All containers, also those of tenants that are not checked."""
        from .container import items

        return items(self.ask_engine)

    @functools.cached_property
    def health(self) -> Mapping[str, str]:
        """Container to its health as it is now, of the containers of the tenants that should run; all at once."""
        from ..tenant import health

        by_name = {item.name: item for item in self.items}
        running = [tenant for tenant in self.expected.tenants if tenant.state == "running"]
        there = [
            by_name[one.container].of(tenant.name, one.name)
            for tenant in running
            for one in tenant.services
            if one.container in by_name
        ]
        return {one.name: one.health for one in health.asked(there, self.questions)}

    @functools.cached_property
    def _found(self) -> Mapping[str, Found]:
        from .container import inspect_all

        services = [*self.expected.shared, *(one for tenant in self.expected.tenants for one in tenant.services)]
        chosen = {service.container for service in services}
        return inspect_all((item for item in self.items if item.name in chosen), self.ask_engine)

    @functools.cached_property
    def shared(self) -> tuple[Container, ...]:
        """The containers of the shared services that run."""
        return tuple(
            Container(self, service, self._found[service.container])
            for service in self.expected.shared
            if self.runs(service)
        )

    @functools.cached_property
    def tenants(self) -> tuple[Tenant, ...]:
        """The tenants to check."""
        return tuple(Tenant(self, tenant) for tenant in self.expected.tenants)

    def runs(self, service: ExpectedService) -> bool:
        """Whether the container of `service` has processes."""
        found = self._found.get(service.container)
        return found is not None and bool(found.processes)

    def container(self, tenant: Tenant, service: ExpectedService) -> Container:
        """Return a tenant's container, which runs."""
        return Container(self, service, self._found[service.container], tenant)

    @functools.cached_property
    def connections(self) -> Connections:
        """The results of the connections from each container that has a network; all are tried in parallel."""
        from . import connectivity, targets

        try:
            here = targets.host(self.runner, self.sentinel.parent)
        except (CommandError, LookupError) as error:
            why = f"this server's own addresses are not known: {' '.join(str(error).split())}"
            return targets.Connections(error=why)
        ports = targets.Ports(
            int(self.expected.number("machine_learning_port", targets.MACHINE_LEARNING)),
            targets.OF_SHARED | {int(port) for port in self.expected.texts("ports")},
        )
        tried = {
            one: targets.of_shared(one.service, ports, self.items, here) for one in self.shared if one.service.port
        }
        for tenant in self.tenants:
            tried |= dict.fromkeys(tenant.containers, targets.of_tenant(tenant.expected, ports, self.items, here))
        networks = {one.found.network: [*mine, *others] for one, (mine, others) in tried.items()}
        reached = connectivity.from_inside(networks, self.expected.number("patience", connectivity.SECONDS))
        found = {one.name: targets.Connection(*both, reached[one.found.network]) for one, both in tried.items()}
        return targets.Connections(found)


@dataclasses.dataclass(frozen=True, eq=False)
class Tenant:
    """A tenant on the server."""

    server: Server
    expected: ExpectedTenant

    @property
    def name(self) -> str:
        """The tenant's name."""
        return self.expected.name

    @property
    def fix(self) -> str:
        """An apply brings the tenant to its desired state."""
        return f"run 'silo apply {self.name}'"

    @functools.cached_property
    def containers(self) -> tuple[Container, ...]:
        """The tenant's containers that run; none where it should not run."""
        services = self.expected.services if self.expected.state == "running" else ()
        return tuple(self.server.container(self, one) for one in services if self.server.runs(one))


@dataclasses.dataclass(frozen=True, eq=False)
class Container:
    """A running container: its expected state, and its actual state from the engine and the kernel.

    `tenant` is None for a shared service.
    """

    server: Server
    service: ExpectedService
    found: Found
    tenant: Tenant | None = None

    @property
    def name(self) -> str:
        """Its label, such as hans/server."""
        return self.service.label

    @property
    def fix(self) -> str:
        """Where it comes from."""
        return self.tenant.fix if self.tenant else SITE

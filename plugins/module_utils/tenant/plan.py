# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Compares a tenant's actual and desired state, and plans the changes. Reads only."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from ..common.sizes import format_size
from . import burst
from .birth import has_database, is_born
from .files import directory_differs, file_diff, file_differs
from .health import HEALTHY, UNHEALTHY
from .stack import FROZEN, Change, Container, Directory, File, FileDiff, Stack


@dataclasses.dataclass(frozen=True)
class Layer:
    """Services of which none needs another, and the work on them: `restart` as they are, `up` by Compose.

    All of them must work before the next layer is touched, so that no container goes whose successor cannot start.
    """

    services: tuple[str, ...]
    restart: tuple[str, ...] = ()
    up: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Plan:
    """The work on one stack, in the order in which it is done.

    `close`: the route is removed, or points to the pages, before anything else.
    `announce`: without a route, the pages answer at the address while the stack starts, and its certificate arrives.
    `forget`: an interrupted run left the route of `announce`.
    `strays`: ids of containers that an interrupted run left. `first`: it is not set up completely.
    `birth`: it has no database, and gets one from the template of its images.
    `up`: containers are made, started, restarted or waited for; `layers`: which, in their order.
    `stop`, `down`: the run of Compose that is needed. `frozen`: ids of containers that an operator has paused; a tenant
    that should run is left alone, and of others they are killed, as they would end only once they run again.
    `moved`: services that may borrow memory and start with another image than before, or for the first time.
    `app_quota`: the photo server's own quota of the customer is set once the stack runs.
    `login`: the login of the first admin is set once the stack runs; a birth has set it already.
    `open`: the route is written after everything else. `anew`: there was none before.
    """

    stack: Stack
    observed: str
    changes: tuple[Change, ...] = ()
    diffs: tuple[FileDiff, ...] = ()
    directories: tuple[Directory, ...] = ()
    files: tuple[File, ...] = ()
    close: bool = False
    announce: bool = False
    forget: bool = False
    first: bool = False
    birth: bool = False
    strays: tuple[str, ...] = ()
    up: bool = False
    layers: tuple[Layer, ...] = ()
    moved: tuple[str, ...] = ()
    app_quota: bool = False
    login: bool = False
    stop: bool = False
    down: bool = False
    frozen: tuple[str, ...] = ()
    open: bool = False
    anew: bool = False


def observed(stack: Stack, containers: Iterable[Container]) -> str:
    """Return the tenant's actual state: running, frozen, stopped, absent, or which part of it runs."""
    found = [container for container in containers if container.service in stack.digests]
    if _frozen(found):
        return FROZEN
    running = sum(container.running for container in found)
    if running == len(stack.digests):
        unwell = sorted(container.service for container in found if container.health != HEALTHY)
        return f"{', '.join(unwell)} not healthy" if unwell else "running"
    if running:
        return f"{running} of {len(stack.digests)} running"
    return "stopped" if found else "absent"


def _frozen(containers: Iterable[Container]) -> tuple[str, ...]:
    return tuple(container.identity for container in containers if container.frozen)


def _service_changes(stack: Stack, containers: Mapping[str, Container], mounted: set[str]) -> list[Change]:
    changes = []
    for service, digest in stack.digests.items():
        container = containers.get(service)
        if container is None:
            changes.append(Change(service, "create"))
        elif container.digest != digest:
            changes.append(Change(service, "recreate"))
        elif not container.running:
            changes.append(Change(service, "start"))
        elif service in mounted or container.health == UNHEALTHY or container.state == "restarting":
            changes.append(Change(service, "restart"))
        elif container.health != HEALTHY:
            changes.append(Change(service, "wait for it"))
    return changes


def _layers(stack: Stack, changes: Sequence[Change]) -> tuple[Layer, ...]:
    """Return the services in layers: each has those whose dependencies are in the layers before it."""
    action = {change.what: change.action for change in changes}
    left, layers = list(stack.digests), []
    while left:
        # Compose itself refuses services that wait for each other.
        ready = [one for one in left if not set(stack.after.get(one, ())) & set(left)] or left
        restart = tuple(one for one in ready if action.get(one) == "restart")
        up = tuple(one for one in ready if action.get(one) in ("create", "recreate", "start"))
        layers.append(Layer(tuple(ready), restart, up))
        left = [one for one in left if one not in ready]
    return tuple(layers)


def _moved(stack: Stack, containers: Mapping[str, Container], services: Iterable[Change]) -> tuple[str, ...]:
    """Return the services that may borrow, and get another image than their container had, or never started.

    A container says so better than the files, which a run that was cut off has written already.
    """
    record = stack.record
    values = burst.variables(record.content)
    before = burst.variables(record.path.read_text(encoding="utf-8")) if record.path.is_file() else {}
    promised = burst.promises(values)

    def is_moved(change: Change) -> bool:
        name, found = change.what.upper() + burst.IMAGE, containers.get(change.what)
        if found is None:
            return before.get(name) != values.get(name)
        return found.state == "created" or (change.action == "recreate" and found.image != values.get(name))

    borrowing = (change for change in services if change.what in promised and promised[change.what].burst)
    return tuple(change.what for change in borrowing if is_moved(change))


def _app_quota_changes(stack: Stack) -> list[Change]:
    if stack.unlimited or not file_differs(stack.granted):
        return []
    size = format_size(stack.app_quota)
    before = file_diff(stack.granted).before.strip()
    return [Change("app quota", f"{format_size(int(before))} -> {size}" if before.isdecimal() else size)]


def _login_changes(stack: Stack, birth: bool) -> list[Change]:
    """Return the change of a login; it names no address, as a plan is read by many."""
    return [Change("login", "the tenant's new address")] if not birth and file_differs(stack.login) else []


def _first_changes(birth: bool) -> list[Change]:
    if birth:
        return [Change("database", "from the template of its images"), Change("first admin", "the customer")]
    return [Change("database", "take what is there, where it has an admin")]


def _left(stack: Stack) -> list[Change]:
    return [Change("route of its start", "remove")] if stack.starting.path.exists() else []


def _running(stack: Stack, containers: Mapping[str, Container], strays: Sequence[Container]) -> Plan:
    seen = observed(stack, containers.values())
    first = not is_born(stack)
    birth = first and not has_database(stack)
    if birth:
        # What runs on a database that is thrown away goes with it.
        containers, strays = {}, (*containers.values(), *strays)
    directories = tuple(directory for directory in stack.directories if directory_differs(directory))
    files = tuple(file for file in stack.files if file_differs(file))
    mounted = {service for file in files for service in file.services}
    services = _service_changes(stack, containers, mounted)
    up = first or bool(services) or bool(strays)
    anew = first or not stack.route.path.exists()
    route, left = file_differs(stack.route), _left(stack)
    changes = [Change(directory.path.name, "make") for directory in directories]
    changes += [Change(file.path.name, "write") for file in files]
    changes += [Change(container.name, "remove, an earlier run left it") for container in strays]
    changes += services
    changes += _first_changes(birth) if first else []
    app_quota = _app_quota_changes(stack)
    login = _login_changes(stack, birth)
    changes += [*app_quota, *login]
    changes += [Change("route", "open")] if route else []
    changes += left
    return Plan(
        stack=stack,
        observed=seen,
        changes=tuple(changes),
        diffs=tuple(file_diff(file) for file in (*files, *((stack.route,) if route else ()))),
        directories=directories,
        files=files,
        close=first and stack.route.path.exists(),
        announce=up and anew and bool(stack.starting.content),
        forget=bool(left),
        first=first,
        birth=birth,
        strays=tuple(container.identity for container in strays),
        up=up,
        layers=_layers(stack, services),
        moved=() if birth else _moved(stack, containers, services),
        app_quota=bool(app_quota),
        login=birth or bool(login),
        open=first or route,
        anew=anew,
    )


def _records(stack: Stack) -> tuple[File, ...]:
    """Return the .env if its recorded state differs from the desired one; a missing file is not created."""
    return (stack.record,) if stack.record.path.exists() and file_differs(stack.record) else ()


def _resting(stack: Stack, containers: Sequence[Container]) -> Plan:
    """Plan stopped or suspended: the pages answer, the memory is free, data and files stay."""
    route, records, left = file_differs(stack.route), _records(stack), _left(stack)
    stop = any(container.running for container in containers)
    changes = [Change("route", "to the pages")] if route else []
    changes += left
    changes += [Change(file.path.name, "write") for file in records]
    changes += [Change("stack", "stop")] if stop else []
    frozen = _frozen(containers)
    return Plan(
        stack=stack,
        observed=observed(stack, containers),
        changes=tuple(changes),
        diffs=tuple(file_diff(file) for file in (*records, *((stack.route,) if route else ()))),
        files=records,
        close=route,
        forget=bool(left),
        stop=stop,
        frozen=frozen,
    )


def _absent(stack: Stack, containers: Sequence[Container]) -> Plan:
    """Plan absent: no route, no container, no network; data and files stay."""
    route, records, left = stack.route.path.exists(), _records(stack), _left(stack)
    changes = [Change("route", "remove")] if route else []
    changes += left
    changes += [Change(file.path.name, "write") for file in records]
    changes += [Change("stack", "remove, and keep the data")] if containers else []
    return Plan(
        stack=stack,
        observed=observed(stack, containers),
        changes=tuple(changes),
        diffs=tuple(file_diff(file) for file in records),
        files=records,
        close=route,
        forget=bool(left),
        down=bool(containers),
        frozen=_frozen(containers),
    )


def plan(stack: Stack, containers: Iterable[Container]) -> Plan:
    """Compare `stack` with its files and with its `containers`, which have been asked how they are."""
    found = list(containers)
    if stack.state == "running" and (frozen := _frozen(found)):
        return Plan(stack, FROZEN, frozen=frozen)
    strays = [container for container in found if container.stray]
    by_service = {container.service: container for container in found if container not in strays}
    if stack.state == "running":
        return _running(stack, by_service, strays)
    if stack.state == "absent":
        return _absent(stack, found)
    return _resting(stack, found)

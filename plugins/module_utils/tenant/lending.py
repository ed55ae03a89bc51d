# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lends the memory of a server that nobody was promised to its tenants' containers, and takes it back, live.

Whoever calls it holds the lock of an apply, so that nobody else gives meanwhile.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import json
import os
import time
import typing as t
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

from ..common import bounded_json, cgroup, compose, files, tenant_env
from ..common.sizes import SizeError, size
from . import engine
from .burst import MIB, Claim, Promise, ServerMemory, allot, grant, parse, promises, variables
from .stack import Container, StackError
from .template import STACK

POLICY = "memory.json"
"""The file with the memory of a server by its policy, beside the directory of the tenants."""
STATE = Path("/run/silo-burst.json")
MEMINFO = Path("/proc/meminfo")
# Who uses this share of its promise needs more: measured, a photo server idles at 65 %, and works on photos at 88 %.
PRESSING = 4 / 5
# For so long after it was last needed: images with other places import these for two minutes after they are healthy.
HOLD_SECONDS = 600
# So much stays free above what is in use, so that nobody is killed by the next page.
MARGIN = 64 * MIB
ROOM_SECONDS = 30.0
POLL_SECONDS = 2.0
WORKERS = 2 * (os.cpu_count() or 1)
# How the engine says that version 1 of the kernel's control groups refuses a limit below what is in use.
BUSY = ("device or resource busy", "unable to set memory limit")

Key = tuple[str, str]
"""A tenant and a service."""


@dataclasses.dataclass(frozen=True)
class Use:
    """What a container uses now. `charged`: all that counts against its limit, `working`: what cannot be dropped.

    `killed` is how often it was short of memory, or started again by the engine. `reclaim`: the kernel's file that
    drops some of it on request; None where the kernel has none.
    """

    charged: int = 0
    working: int = 0
    killed: int = 0
    reclaim: Path | None = None


@dataclasses.dataclass(frozen=True)
class Borrower:
    """A container that may borrow. `limit` in bytes is the engine's; `use` is None while it does not run.

    `least` is what it was promised before this apply.
    """

    key: Key
    identity: str
    promise: Promise
    limit: int
    use: Use | None
    least: int = 0

    @property
    def over(self) -> int:
        """What it has beyond its promise."""
        return max(0, self.limit - self.promise.memory)

    @property
    def firm(self) -> int:
        """The part of it that is in use."""
        needed = self.use.working + MARGIN - self.promise.memory if self.use else 0
        return min(max(0, needed), self.over)

    @property
    def presses(self) -> bool:
        """Whether its promise is hardly enough for it."""
        return self.use is not None and self.use.working >= PRESSING * self.promise.memory


@dataclasses.dataclass(frozen=True)
class Need:
    """When a container last needed more, in seconds since the boot, and how often it was killed until then."""

    identity: str
    killed: int
    at: float | None


@dataclasses.dataclass(frozen=True)
class Lent:
    """What is lent after a step, out of `pool`; that is None where this server has no policy for it. Sizes in bytes.

    `problem` is why something could not be changed, or empty.
    `short`: by how much the promises and what is still in use exceed the server. `growing`: tenants with a larger
    promise than before the step.
    """

    pool: int | None = None
    lent: Mapping[Key, int] = dataclasses.field(default_factory=dict)
    short: int = 0
    growing: frozenset[str] = frozenset()
    problem: str = ""

    @property
    def in_the_way(self) -> str:
        """The sentence for a tenant that cannot start yet; empty where there is room."""
        if self.short <= 0:
            return ""
        names = ", ".join(sorted({name for (name, _service), lent in self.lent.items() if lent}))
        return (
            f"{size(self.short)} of its promised memory is still in use as burst by {names}, so nothing was started; "
            "it is given back within minutes, so run again, or lower tenant_server_burst"
        )


def existing(meminfo: Path = MEMINFO) -> int:
    """Return the memory of this machine in bytes."""
    for line in meminfo.read_text(encoding="utf-8").splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    raise StackError(f"{meminfo} does not say how much memory this server has")


def policy(directory: Path, meminfo: Path = MEMINFO) -> ServerMemory | None:
    """Return the memory of this server; None where site.yml has not written it. Raises StackError."""
    path = directory.parent / POLICY
    try:
        return parse(bounded_json.parse(path.read_text(encoding="utf-8")), existing(meminfo))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, SizeError) as error:
        raise StackError(f"{path} cannot be read: {error}; site.yml writes it") from error


def use(found: Mapping[str, t.Any]) -> Use | None:
    """Return what a container uses, from the engine's description of it; None if it does not run."""
    pid = int(found["State"]["Pid"])
    group = cgroup.read(pid) if pid > 0 else None
    if group is None:
        return None
    place = cgroup.places(pid).get("", Path("/nowhere"))
    charged = _number(place / "memory.current")
    reclaim = place / "memory.reclaim"
    killed = (group.oom_kills or 0) + int(found.get("RestartCount") or 0)
    return Use(
        group.memory_bytes if charged is None else charged,
        group.memory_bytes,
        killed,
        reclaim if charged is not None and reclaim.exists() else None,
    )


def drop(place: Use, surplus: int) -> int:
    """Have the kernel drop `surplus` bytes of what it can; return what is charged then."""
    if place.reclaim is None:
        return place.charged
    # The kernel reports by an error that it found less than it was asked for.
    with contextlib.suppress(OSError):
        place.reclaim.write_text(str(surplus), encoding="ascii")
    charged = _number(place.reclaim.with_name("memory.current"))
    return place.charged if charged is None else charged


def _number(path: Path) -> int | None:
    try:
        text = path.read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None


def _inspect(name: str) -> t.Any:
    return engine.get(f"/containers/{name}/json", {})


def set_limit(name: str, limit: int) -> None:
    """Set the limit of a container, whether it runs or not, without a restart and without swap; raises StackError."""
    engine.post(f"/containers/{name}/update", {"Memory": limit, "MemorySwap": limit})


@dataclasses.dataclass(frozen=True)
class LendingTools:
    """What is done on the server; tests replace it."""

    containers: Callable[[], Sequence[Container]] = engine.containers
    inspect: Callable[[str], t.Any] = _inspect
    use: Callable[[Mapping[str, t.Any]], Use | None] = use
    drop: Callable[[Use, int], int] = drop
    set_limit: Callable[[str, int], None] = set_limit
    clock: Callable[[], float] = lambda: time.clock_gettime(time.CLOCK_BOOTTIME)
    sleep: Callable[[float], t.Any] = time.sleep
    meminfo: Path = MEMINFO
    state: Path = STATE


class Lending:
    """What is lent on one server, in the directory of whose tenants are their promises."""

    def __init__(self, directory: Path, tools: LendingTools | None = None) -> None:
        """Take the directory with one directory per tenant."""
        self._directory = directory
        self._tools = tools or LendingTools()
        # What containers get that are still to be made.
        self._limits: dict[Key, int] = {}

    def make_room(self, coming: Mapping[str, str], wanting: Collection[Key] = (), *, template: bool = False) -> Lent:
        """Take back and lend, so that tenants can start; wait a little for what is in use.

        `coming` is tenant to the text of its .env to be, `wanting` are containers that start with other images.
        Raises StackError.
        """
        deadline = self._tools.clock() + ROOM_SECONDS
        done = self.settle(coming, wanting, template=template)
        while done.short > 0 and self._tools.clock() < deadline:
            self._tools.sleep(POLL_SECONDS)
            done = self.settle(coming, wanting, template=template)
        return done

    def give(self, name: str, services: Collection[str]) -> None:
        """Give containers of a tenant, made and not yet started, what `make_room` kept for them; raises StackError."""
        for service in services:
            if (name, service) in self._limits:
                self._tools.set_limit(compose.container(name, service), self._limits[name, service])

    def settle(
        self, coming: Mapping[str, str] | None = None, wanting: Collection[Key] = (), *, template: bool = False
    ) -> Lent:
        """Take back what is not needed, and lend what is, once; raises StackError.

        With `coming` it looks only at containers of these, and at those to which something may be lent by now.
        """
        memory = policy(self._directory, self._tools.meminfo)
        if memory is None:
            return Lent()
        containers = self._tools.containers()
        now = self._promised({one.tenant for one in containers if one.running})
        later = {name: promises(variables(record)) for name, record in (coming or {}).items()}
        promised = {name: _larger(now.get(name, {}), later.get(name, {})) for name in {*now, *later}}
        before = self._remembered()

        def may_hold(one: Container) -> bool:
            need = (before or {}).get((one.tenant, one.service))
            return (
                coming is None or before is None or one.tenant in coming or (need is not None and need.at is not None)
            )

        borrowers = self._borrowers(filter(may_hold, containers), promised, now)
        needs = self._needs(before or {}, borrowers, wanting)
        # First, so that whatever is lent is found by the next run if this one is cut off.
        self._remember(needs if coming is None else {**(before or {}), **needs})
        # A run that was cut off may have left the stack of a template.
        template = template or (self._directory.parent / STACK).exists()
        pool = memory.pool(sum(_sum(services) for services in promised.values()), template)
        claims = [
            Claim(
                _text(key),
                most=promised.get(key[0], {}).get(key[1], Promise(0)).burst or 0,
                firm=borrowers[key].firm if key in borrowers else 0,
                wants=need.at is not None and self._tools.clock() - need.at < HOLD_SECONDS,
            )
            for key, need in needs.items()
        ]
        lent, held, problems = self._carry_out(pool, borrowers, allot(pool, claims))
        self._limits = {key: promised[key[0]][key[1]].memory + lent[key] for key in wanting if key in lent}
        short = sum(held) - max(0, pool) if any(held) else 0
        growing = {name for name, services in promised.items() if _sum(services) > _sum(now.get(name, {}))}
        return Lent(pool, lent, short, frozenset(growing), problems)

    def _carry_out(
        self, pool: int, borrowers: Mapping[Key, Borrower], allotted: Mapping[str, int]
    ) -> tuple[dict[Key, int], list[int], str]:
        """Take first, then lend; return what each has then, what each kept that was taken from, and problems.

        What is kept for a container that is still to be made counts as its own.
        """
        problems: list[str] = []
        with concurrent.futures.ThreadPoolExecutor(WORKERS) as workers:
            taken = workers.map(lambda one: self._take(one, allotted[_text(one.key)], problems), borrowers.values())
            held = dict(zip(borrowers, taken, strict=True))
            before = {text: held.get(key, 0) for text in allotted if (key := _key(text))}
            lent = {key: value for text, value in grant(pool, before, allotted).items() if (key := _key(text))}
            list(workers.map(lambda one: self._lend(one, lent[one.key], held[one.key], problems), borrowers.values()))
        return lent, list(held.values()), "; ".join(sorted(set(problems)))

    def _promised(self, running: Collection[str]) -> dict[str, dict[str, Promise]]:
        """Return what is promised to the tenants that run or should run, by tenant and service."""
        return {
            name: promises(values)
            for name, values in tenant_env.read_all(self._directory).items()
            if values.get("TENANT_STATE") == "running" or name in running
        }

    def _borrowers(
        self,
        containers: Iterable[Container],
        promised: Mapping[str, Mapping[str, Promise]],
        now: Mapping[str, Mapping[str, Promise]],
    ) -> dict[Key, Borrower]:
        """Return the containers that may borrow; of who rests, none: its limit is set before it starts again."""

        def read(container: Container) -> Borrower | None:
            promise = promised.get(container.tenant, {}).get(container.service)
            if container.stray or promise is None or promise.burst is None:
                return None
            try:
                found = self._tools.inspect(container.identity)
                limit = int(found["HostConfig"]["Memory"])
                used = self._tools.use(found) if container.running else None
            except (StackError, LookupError, TypeError, ValueError):
                return None  # it ended meanwhile
            least = now.get(container.tenant, {}).get(container.service, Promise(0)).memory
            return Borrower((container.tenant, container.service), container.identity, promise, limit, used, least)

        with concurrent.futures.ThreadPoolExecutor(WORKERS) as workers:
            return {one.key: one for one in workers.map(read, containers) if one}

    def _needs(
        self, before: Mapping[Key, Need], borrowers: Mapping[Key, Borrower], wanting: Collection[Key]
    ) -> dict[Key, Need]:
        """Return who needed more when, as far as this boot goes."""
        now, needs = self._tools.clock(), {}
        for key in {*borrowers, *wanting}:
            one, old = borrowers.get(key), before.get(key, Need("", 0, None))
            identity, killed = (one.identity, one.use.killed if one.use else old.killed) if one else ("", 0)
            # A container that starts again counts from zero.
            was_killed = bool(identity) and identity == old.identity and killed != old.killed
            needed = key in wanting or was_killed or (one is not None and one.presses)
            needs[key] = Need(identity, killed, now if needed else old.at)
        return needs

    def _remembered(self) -> dict[Key, Need] | None:
        """Return what the last run knew; None in the first one since the boot."""
        try:
            found = bounded_json.parse(self._tools.state.read_text(encoding="utf-8"))
            return {key: Need(*value) for text, value in found.items() if (key := _key(text))}
        except (OSError, ValueError, TypeError, AttributeError):
            return None

    def _remember(self, needs: Mapping[Key, Need]) -> None:
        text = json.dumps({_text(key): dataclasses.astuple(need) for key, need in sorted(needs.items())}, indent=1)
        path = self._tools.state
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            # Useless after a restart, as is what it counts.
            files.write(path, text, 0o600, scratch=path.with_name(f".{path.name}.tmp"), durable=False)

    def _take(self, one: Borrower, allotted: int, problems: list[str]) -> int:
        """Take back what is above `allotted`, as far as it is not in use; return what the container has then."""
        goal = one.promise.memory + allotted
        if one.limit <= goal:
            return one.over
        if one.use:
            goal = max(goal, one.use.working + MARGIN)
            if one.use.charged > goal:
                goal = max(goal, self._tools.drop(one.use, one.use.charged - goal))
        if goal >= one.limit:
            return one.over
        try:
            self._tools.set_limit(one.identity, goal)
        except StackError as error:
            # The next run tries again.
            if not any(words in str(error) for words in BUSY):
                problems.append(_refused(one, goal, error))
            return one.over
        return max(0, goal - one.promise.memory)

    def _lend(self, one: Borrower, given: int, held: int, problems: list[str]) -> None:
        """Lend what is more than `held`; who has less than its promise, by a run that was cut off, gets that."""
        limit = one.promise.memory + given
        if given > held or one.limit < one.least:
            try:
                self._tools.set_limit(one.identity, limit)
            except StackError as error:
                problems.append(_refused(one, limit, error))


def _refused(one: Borrower, limit: int, error: StackError) -> str:
    return f"{one.key[0]}: the memory limit of its {one.key[1]} cannot be set to {size(limit)}: {error}"


def _larger(now: Mapping[str, Promise], later: Mapping[str, Promise]) -> dict[str, Promise]:
    """Return the larger promise for each service: what is given back is there only when it is."""
    found = {}
    for service in {*now, *later}:
        new = later.get(service) or now[service]
        found[service] = Promise(max(now.get(service, new).memory, new.memory), new.burst)
    return found


def _sum(services: Mapping[str, Promise]) -> int:
    return sum(one.memory for one in services.values())


def _text(key: Key) -> str:
    return "/".join(key)


def _key(text: str) -> Key | None:
    name, slash, service = text.partition("/")
    return (name, service) if slash else None

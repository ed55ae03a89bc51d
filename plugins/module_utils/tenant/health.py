# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a tenant's services work, asked of themselves when it matters.

The engine's own word is that of its last probe, which may be minutes old, and after each restart of the engine it is
"starting" until the next one. Here a photo server works if it answers a question that needs its database; its ping
answers without one. Another service is taken for healthy if the engine calls it so and the photo server works;
otherwise its own health check is run.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import datetime
import http
import time
import typing as t
from collections.abc import Callable, Collection, Sequence

from ..common import http_client
from ..common.http_client import HttpError
from . import engine
from .stack import Container, StackError

HEALTHY, STARTING, UNHEALTHY = "healthy", "starting", "unhealthy"
NOT_ANSWERING = "not answering"
"""The health of a container that runs and does not work, and of which the engine does not know it yet."""
PHOTO_SERVER, PORT = "server", 2283
QUESTION = "/api/server/config"
# As long as a probe of the engine may take.
SECONDS = 10
# Nearly all of the time of a question is waiting.
AT_ONCE = 32
# The engine probes a starting container each 200 ms, so more frequent polls would only cost CPU.
POLL_SECONDS = 0.15
# A container in one of these states does not become healthy by itself.
ENDED = ("exited", "dead")
# A service may end once or twice, as where a server is busy and its database is slow; then it is broken.
RESTARTS = 3

Look = Callable[[str], Sequence[Container]]


def works(address: str, seconds: float = SECONDS, port: int = PORT) -> bool:
    """Return whether the photo server at `address` answers with 200 within `seconds` what it can only with a database.

    All of the answer has this time, however slowly it comes.
    """
    try:
        return http_client.ask(f"http://{address}:{port}{QUESTION}", seconds=seconds).status == http.HTTPStatus.OK
    except HttpError:
        return False


def is_young(details: t.Any, now: datetime.datetime | None = None) -> bool:
    """Return whether a container is in its start period, in which the engine probes it each moment.

    `details` are the engine's; raises LookupError, TypeError and ValueError for others.
    """
    # Python 3.11 reads no more of a second than microseconds, the engine writes nanoseconds.
    started = datetime.datetime.fromisoformat(details["State"]["StartedAt"][:19]).replace(tzinfo=datetime.UTC)
    period = datetime.timedelta(microseconds=int(details["Config"]["Healthcheck"].get("StartPeriod") or 0) // 1000)
    return (now or datetime.datetime.now(datetime.UTC)) < started + period


@dataclasses.dataclass(frozen=True)
class Questions:
    """How services are asked; tests bring their own. `inspect` and `check` raise StackError."""

    works: Callable[[str], bool] = works
    inspect: Callable[[Container], t.Any] = engine.inspect
    check: Callable[[Container, t.Any], bool] = lambda container, details: engine.check(container, details, SECONDS)


def _after_no(container: Container, *, young: bool) -> str:
    """Return the health of a container that gave no good answer; one that was well before is not starting."""
    if young and container.health == STARTING:
        return STARTING
    return UNHEALTHY if container.health == UNHEALTHY else NOT_ANSWERING


def _photo_server(container: Container, questions: Questions) -> str:
    if container.address and questions.works(container.address):
        return HEALTHY
    try:
        return _after_no(container, young=is_young(questions.inspect(container)))
    except (StackError, LookupError, TypeError, ValueError):
        return _after_no(container, young=False)


def _other(container: Container, questions: Questions) -> str:
    try:
        details = questions.inspect(container)
        # Then the engine's word is not older than a moment.
        if container.health == STARTING and is_young(details):
            return STARTING
        return HEALTHY if questions.check(container, details) else _after_no(container, young=False)
    except (StackError, LookupError, TypeError, ValueError):
        return _after_no(container, young=False)


def asked(containers: Sequence[Container], questions: Questions | None = None) -> list[Container]:
    """Return `containers` with their health as it is now; one that does not run, or has no health check, is not asked.

    Takes about SECONDS if some do not answer, however many are asked.
    """
    by, found = questions or Questions(), {container.identity: container for container in containers}
    askable = [container for container in containers if container.state == "running" and container.health]
    servers = [container for container in askable if container.service == PHOTO_SERVER]
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:

        def ask(chosen: Sequence[Container], how: Callable[[Container, Questions], str]) -> None:
            for container, health in zip(chosen, pool.map(lambda one: how(one, by), chosen), strict=True):
                found[container.identity] = dataclasses.replace(container, health=health)

        ask(servers, _photo_server)
        troubled = {one.tenant for one in servers if found[one.identity].health not in (HEALTHY, STARTING)}
        others = [one for one in askable if one.service != PHOTO_SERVER]
        ask([one for one in others if one.health != HEALTHY or one.tenant in troubled], _other)
    return list(found.values())


def _end(container: Container, questions: Questions) -> str:
    """Return how a container ended for good, empty if the engine started it again, or will; raises StackError."""
    if container.state not in (*ENDED, "restarting"):
        return ""
    details = questions.inspect(container)
    state, restarts = details["State"], int(details.get("RestartCount") or 0)
    # Since the look it may run again, and its code is that of its next end.
    if state["Status"] in ENDED or (state["Status"] == "restarting" and restarts >= RESTARTS):
        return f"{container.name} ended with code {state['ExitCode']}"
    return ""


def _of_engine(tenant: str) -> Sequence[Container]:
    return engine.containers(tenant=tenant)


def wait(
    tenant: str,
    seconds: float,
    services: Collection[str] = (),
    look: Look = _of_engine,
    sleep: Callable[[float], t.Any] = time.sleep,
    questions: Questions | None = None,
) -> str:
    """Wait until all containers of `tenant` work, or those of some services; return why they do not, empty if they do.

    Returns as soon as one of them has ended for good or is unhealthy, or when the time is over. Raises StackError.
    """
    by, deadline = questions or Questions(), time.monotonic() + seconds
    while True:
        # Other containers with the tenant's label do not count, because Compose does not manage them.
        own = [one for one in look(tenant) if not one.stray and (not services or one.service in services)]
        found = asked(own, by)
        waiting = [one for one in found if (one.state, one.health) != ("running", HEALTHY)]
        if found and not waiting:
            return ""
        for one in waiting:
            if end := _end(one, by):
                return end
            if one.health == UNHEALTHY:
                return f"{one.name} runs, and does not work"
        if time.monotonic() >= deadline:
            names = ", ".join(one.name for one in waiting) or f"no container of {tenant}"
            return f"{names} did not work within {seconds:.0f} s"
        sleep(POLL_SECONDS)

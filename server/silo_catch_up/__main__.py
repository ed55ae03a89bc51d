"""One look: `python3 catch-up.pyz <tenants' directory> <port of Traefik's numbers> <machine learning> <memory>`."""

from __future__ import annotations

import argparse
import collections
import dataclasses
import http.client
import sys
import time
import urllib.parse
from collections.abc import Callable, Sequence
from pathlib import Path

from ansible_collections.swissphoto.silo.plugins.module_utils.common import metrics, tenant_env
from ansible_collections.swissphoto.silo.plugins.module_utils.common.systemd import NOTICE, WARNING
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.stack import StackError

from .memory import Memory
from .photo_server import PhotoServer

LINE = metrics.lines(metrics.LEARNING, [metrics.REQUESTS])
PING_SECONDS = 5


def addresses(directory: Path) -> dict[str, str]:
    """Return the tenants below `directory` that run and are set up to the end, each with its photo server's address."""
    return {name: values["SERVER_ADDRESS"] for name, values in tenant_env.should_run(directory).items()}


def failures(text: str) -> tuple[float, dict[str, int]]:
    """Return when Traefik began, and tenant to how many of its requests were not answered as they should be.

    Raises ValueError where it does not say when it began.
    """
    started, counts = metrics.parse(text, metrics.LEARNING)
    failed: collections.Counter[str] = collections.Counter()
    for count in counts:
        failed[count.tenant] += 0 if count.code.startswith("2") else count.value
    return started, dict(failed)


def answers(url: str) -> bool:
    """Whether the machine learning is there."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=PING_SECONDS)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def catch_up(name: str, address: str) -> bool:
    """Have the photo server of a tenant do what is missing; False where some of it is busy already."""
    return PhotoServer(name, address).catch_up()


@dataclasses.dataclass(frozen=True)
class CatchUpTools:
    """What is asked and told; tests bring their own."""

    metrics: Callable[[int], str] = lambda port: metrics.read(port, line=LINE)
    answers: Callable[[str], bool] = answers
    catch_up: Callable[[str, str], bool] = catch_up
    now: Callable[[], float] = time.time


def look(memory: Memory, tenants: dict[str, str], port: int, url: str, tools: CatchUpTools) -> Memory:
    """See who has lost something, and where the machine learning is there, tell those who are due, one by one."""
    started, failed = failures(tools.metrics(port))
    memory = memory.look(started, failed, tenants, tools.now())
    due = memory.due(tools.now())
    if not due or not tools.answers(url):
        return memory
    for name in due:
        try:
            all_started = tools.catch_up(name, tenants[name])
        except StackError as error:
            print(f"{WARNING}{name}: what the machine learning missed waits: {error}", flush=True)
            all_started = False
        else:
            rest = "" if all_started else "; a queue is at work, and is asked again"
            print(f"{NOTICE}{name}: what the machine learning missed is being done{rest}", flush=True)
        memory = memory.after(name, memory.debts[name].done(tools.now(), all_started=all_started))
    return memory


def main(arguments: Sequence[str] | None = None, tools: CatchUpTools | None = None) -> int:
    """Look once and remember; the exit code is 0 also where nothing can be done now, since the timer tries again."""
    parser = argparse.ArgumentParser(prog="catch-up", description="Does again what the machine learning missed.")
    parser.add_argument("directory", type=Path, help="directory that holds one directory per tenant")
    parser.add_argument("port", type=int, help="port of the loopback at which Traefik tells its numbers")
    parser.add_argument("url", help="where the machine learning answers")
    parser.add_argument("memory", type=Path, help="file for what is known from one look to the next")
    options = parser.parse_args(arguments)
    before = Memory.read(options.memory)
    try:
        after = look(before, addresses(options.directory), options.port, options.url, tools or CatchUpTools())
    except (metrics.MetricsError, ValueError):
        # What fails while Traefik is away is found when it is back, as it is another one then.
        return 0
    if after != before:
        after.write(options.memory)
    return 0


if __name__ == "__main__":
    sys.exit(main())

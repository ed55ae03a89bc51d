"""One run: `python3 catch-up.pyz <tenants' directory> <port of Traefik's metrics> <machine learning> <memory>`."""

from __future__ import annotations

import argparse
import collections
import dataclasses
import http
import re
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ansible_collections.swissphoto.silo.plugins.module_utils.common import http_client, metrics, tenant_env
from ansible_collections.swissphoto.silo.plugins.module_utils.common.systemd import NOTICE, WARNING
from ansible_collections.swissphoto.silo.plugins.module_utils.common.text import printable
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.stack import StackError

from .memory import Memory
from .photo_server import PhotoServer

LINE = metrics.lines(metrics.LEARNING, [metrics.REQUESTS])
PING_SECONDS = 5
# Answers with which nothing is lost: what worked, and what the gate before the machine learning refuses each time.
FINAL = re.compile(r"2\d\d|400|413|422|431")
LONGEST_LINE = 1000


def addresses(directory: Path) -> dict[str, str]:
    """Return tenant to its photo server's address, for all tenants that should run and whose set-up is complete."""
    return {name: values["SERVER_ADDRESS"] for name, values in tenant_env.should_run(directory).items()}


def failures(text: str) -> tuple[float, dict[str, int]]:
    """Return Traefik's start time, and tenant to the number of its failed requests.

    Raises ValueError if the start time is missing.
    """
    started, counts = metrics.parse(text, metrics.LEARNING)
    failed: collections.Counter[str] = collections.Counter()
    for count in counts:
        failed[count.tenant] += 0 if FINAL.fullmatch(count.code) else count.value
    return started, dict(failed)


def answers(url: str) -> bool:
    """Return whether the machine learning answers."""
    try:
        return http_client.ask(f"{url.rstrip('/')}/ping", seconds=PING_SECONDS).status == http.HTTPStatus.OK
    except http_client.HttpError:
        return False


def catch_up(name: str, address: str) -> bool:
    """Start the missed jobs of a tenant; return False if one of its queues is busy."""
    return PhotoServer(name, address).catch_up()


@dataclasses.dataclass(frozen=True)
class CatchUpTools:
    """The calls to other programs; tests replace them."""

    metrics: Callable[[int], str] = lambda port: metrics.read(port, line=LINE)
    answers: Callable[[str], bool] = answers
    catch_up: Callable[[str, str], bool] = catch_up
    now: Callable[[], float] = time.time


def look(
    memory: Memory,
    tenants: dict[str, str],
    port: int,
    url: str,
    tools: CatchUpTools,
    keep: Callable[[Memory], None] = lambda memory: None,
) -> Memory:
    """Find tenants with missed jobs, and start the due ones, one after the other, if the machine learning answers.

    `keep` stores the state before and after each of them: a tenant at which a run is cut off is not the first of the
    next one, and takes nothing from those before it.
    """
    started, failed = failures(tools.metrics(port))
    memory = memory.look(started, failed, tenants, tools.now())
    due = memory.due(tools.now())
    if not due or not tools.answers(url):
        return memory
    for name in due:
        memory = memory.after(name, memory.backlogs[name].done(tools.now(), all_started=False))
        keep(memory)
        try:
            all_started = tools.catch_up(name, tenants[name])
        except StackError as error:
            why = printable(str(error), LONGEST_LINE)
            print(f"{WARNING}{name}: the jobs that the machine learning missed cannot be started: {why}", flush=True)
            all_started = False
        else:
            rest = "" if all_started else "; a queue is busy, and is tried again later"
            print(f"{NOTICE}{name}: started the jobs that the machine learning missed{rest}", flush=True)
        memory = memory.after(name, memory.backlogs[name].done(tools.now(), all_started=all_started))
        keep(memory)
    return memory


def main(arguments: Sequence[str] | None = None, tools: CatchUpTools | None = None) -> int:
    """Run once; the exit code is 0 even if nothing can be done now, because the timer tries again."""
    parser = argparse.ArgumentParser(prog="catch-up", description="Restarts jobs that the machine learning missed.")
    parser.add_argument("directory", type=Path, help="directory with one directory per tenant")
    parser.add_argument("port", type=int, help="port of Traefik's metrics on the loopback interface")
    parser.add_argument("url", help="address of the machine learning")
    parser.add_argument("memory", type=Path, help="file of the state between two runs")
    options = parser.parse_args(arguments)
    before = Memory.read(options.memory)
    tenants, tools = addresses(options.directory), tools or CatchUpTools()
    try:
        after = look(before, tenants, options.port, options.url, tools, lambda memory: memory.write(options.memory))
    except (metrics.MetricsError, ValueError):
        # A restart of Traefik is noticed later, and then every tenant gets a run.
        return 0
    if after != before:
        after.write(options.memory)
    return 0


if __name__ == "__main__":
    sys.exit(main())

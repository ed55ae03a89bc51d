"""Keep the proxy fit to start again: no route that it cannot read, and certificates that are whole.

Traefik goes on with what it had when a file is broken, and after its next start has nothing: one file would take every
customer's address away. It writes its certificates in place, so that a full disk leaves half of them, or none.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.compose import Runner
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.files import write_file
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.stack import File, StackError

# Traefik names one broken file at a time, and the next one when that is gone; it waits for half a second before.
ROUNDS, ROUND_SECONDS = 20, 1.5
REFUSED = re.compile(
    r'^(?P<time>\S+)Z .* error="(?:collecting file configs: )?/\S*?/(?P<name>[^/\s]+\.ya?ml): (?P<why>(?:[^"\\]|\\.)*)"'
)
ASIDE, KEPT = ".broken", ".kept"


@dataclasses.dataclass(frozen=True)
class Proxy:
    """Traefik's container, the directory of its routes, and the file of its certificates; `pause` waits for seconds."""

    container: str
    routes: Path
    certificates: Path
    run: Runner
    pause: Callable[[float], None] = time.sleep

    def said(self) -> str:
        """What it has said last, each line with the engine's time; nothing where there is no container yet."""
        result = self.run(("docker", "logs", "--timestamps", "--tail", "200", self.container), {})
        return result.stdout + result.stderr

    def started(self) -> float:
        """When it was started, in seconds since 1970; raises StackError."""
        result = self.run(("docker", "inspect", "--format", "{{.State.StartedAt}}", self.container), {})
        if result.returncode:
            raise StackError(f"{self.container} cannot be looked at: {' '.join(result.stderr.split())}")
        return _seconds(result.stdout.strip().removesuffix("Z"))

    def restart(self) -> None:
        """Start it anew."""
        self.run(("docker", "restart", "--time", "5", self.container), {})


def _seconds(stamp: str) -> float:
    """Return seconds since 1970 of the engine's time, which has more digits than Python reads."""
    whole, _point, fraction = stamp.partition(".")
    moment = datetime.datetime.fromisoformat(whole).replace(tzinfo=datetime.UTC)
    return moment.timestamp() + float(f"0.{fraction or 0}")


def _refused(proxy: Proxy) -> tuple[Path, str] | None:
    """Return the route that the proxy cannot read, and what it says of it; None where it reads all."""
    for line in reversed(proxy.said().splitlines()):
        if found := REFUSED.match(line):
            path = proxy.routes / found["name"]
            try:
                # What was written since then, it has not seen yet, or reads.
                if path.stat().st_mtime <= _seconds(found["time"]):
                    return path, found["why"]
            except FileNotFoundError:
                pass
            return None
    return None


def put_aside(proxy: Proxy) -> Iterator[str]:
    """Put routes aside that the proxy cannot read, and yield a sentence for each."""
    for _round in range(ROUNDS):
        found = _refused(proxy)
        if found is None:
            return
        path, why = found
        if path.name.startswith("_"):
            yield f"Traefik cannot read {path}, which all routes need: {why}; playbooks/site.yml writes it anew"
            return
        path.replace(path.with_name(path.name + ASIDE))
        yield f"Traefik cannot read {path}: {why}; it is {path.name}{ASIDE} now, and an apply writes it anew"
        proxy.pause(ROUND_SECONDS)


def _whole(path: Path) -> str:
    """Return the content of a file of certificates; nothing where it is not whole."""
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        return text if isinstance(json.loads(text), dict) else ""
    except ValueError:
        return ""


def keep(proxy: Proxy) -> Iterator[str]:
    """Keep a copy of the certificates while they are whole; where they are not, put it in their place, and say so."""
    store = proxy.certificates
    copy = store.with_name(store.name + KEPT)
    try:
        status = store.stat()
    except FileNotFoundError:
        # Not there yet, or taken away by somebody who wants new ones.
        return
    if copy.exists() and copy.stat().st_mtime_ns == status.st_mtime_ns:
        return
    if text := _whole(store):
        write_file(File(copy, text, mode=0o600, owner=status.st_uid))
        os.utime(copy, ns=(status.st_atime_ns, status.st_mtime_ns))
    elif copy.exists():
        # To rename takes no room, where a disk is full.
        copy.replace(store)
        yield f"{store} was not whole, as after a full disk; the last good one is in its place"
        if proxy.started() > status.st_mtime:
            proxy.restart()
            yield f"{proxy.container} was started again with it"


def care(proxy: Proxy) -> tuple[str, ...]:
    """Do both, and return a sentence for each thing that was wrong."""
    told: list[str] = []
    for part in (put_aside, keep):
        try:
            # One by one: what was done before something failed is told too.
            for sentence in part(proxy):
                told.append(sentence)  # noqa: PERF402
        except (StackError, OSError) as error:
            told.append(f"the proxy's files cannot be looked after: {error}")
    return tuple(told)

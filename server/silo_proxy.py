"""Keeps Traefik able to restart: sets broken routes aside, and restores damaged certificates.

With a broken file, Traefik keeps its old routes, but after its next start it has none: one file would break the
addresses of all customers. Traefik rewrites its certificate file in place, so a full disk truncates it.
"""

from __future__ import annotations

import dataclasses
import datetime
import re
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ansible_collections.swissphoto.silo.plugins.module_utils.common import bounded_json, files, foreign
from ansible_collections.swissphoto.silo.plugins.module_utils.common.text import printable
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.compose import Runner
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.stack import StackError

# Traefik names one broken file at a time, and half a second after that is gone, the next one.
ROUNDS, ROUND_SECONDS = 20, 1.5
REFUSED = re.compile(
    r'^(?P<time>\S+)Z .* error="(?:collecting file configs: )?/\S*?/(?P<name>[^/\s]+\.ya?ml): (?P<why>(?:[^"\\]|\\.)*)"'
)
# The certificates of a thousand customers are some megabytes.
LARGEST = 64 * 1024**2
LONGEST_REASON = 500
ASIDE, KEPT = ".broken", ".kept"


@dataclasses.dataclass(frozen=True)
class Proxy:
    """Traefik's container, its directory of routes, and its certificate file; `pause` waits for seconds."""

    container: str
    routes: Path
    certificates: Path
    run: Runner
    pause: Callable[[float], None] = time.sleep

    def said(self) -> str:
        """Return its last lines of log, each with the engine's time; empty if there is no container yet."""
        result = self.run(("docker", "logs", "--timestamps", "--tail", "200", self.container), {})
        return result.out + result.err

    def started(self) -> float:
        """Return its start time, in seconds since 1970; raises StackError."""
        result = self.run(("docker", "inspect", "--format", "{{.State.StartedAt}}", self.container), {})
        if result.rc:
            raise StackError(f"{self.container} cannot be inspected: {printable(result.err.strip())}")
        return _seconds(result.out.strip().removesuffix("Z"))

    def restart(self) -> None:
        """Restart it."""
        self.run(("docker", "restart", "--time", "5", self.container), {})


def _seconds(stamp: str) -> float:
    """Return the engine's time in seconds since 1970; it has more digits than Python can parse."""
    whole, _point, fraction = stamp.partition(".")
    moment = datetime.datetime.fromisoformat(whole).replace(tzinfo=datetime.UTC)
    return moment.timestamp() + float(f"0.{fraction or 0}")


def _refused(proxy: Proxy) -> tuple[Path, str] | None:
    """Return the route that Traefik cannot read, and its error; None if it can read all."""
    for line in reversed(proxy.said().splitlines()):
        if found := REFUSED.match(line):
            path = proxy.routes / found["name"]
            try:
                # A file written after the error may be correct by now.
                if path.lstat().st_mtime <= _seconds(found["time"]):
                    return path, printable(found["why"], LONGEST_REASON)
            except FileNotFoundError:
                pass
            return None
    return None


def put_aside(proxy: Proxy) -> Iterator[str]:
    """Rename routes that Traefik cannot read, and yield a sentence for each."""
    for _round in range(ROUNDS):
        found = _refused(proxy)
        if found is None:
            return
        path, why = found
        if path.name.startswith("_"):
            yield f"Traefik cannot read {path}, which all routes need: {why}; playbooks/site.yml writes it again"
            return
        path.replace(path.with_name(path.name + ASIDE))
        yield f"Traefik cannot read {path}: {why}; it is now {path.name}{ASIDE}, and an apply writes it again"
        proxy.pause(ROUND_SECONDS)


def _is_whole(content: bytes) -> bool:
    try:
        return isinstance(bounded_json.parse(content, LARGEST), dict)
    except ValueError:
        return False


def keep(proxy: Proxy) -> Iterator[str]:
    """Copy valid certificates; if they are damaged, restore the last copy, and yield a sentence.

    Traefik may write into the directory, so what lies there may be anything; what is not a file of its own is refused.
    """
    store = proxy.certificates
    copy = store.with_name(store.name + KEPT)
    try:
        found = foreign.read(store, LARGEST)
    except FileNotFoundError:
        # Missing: not created yet, or removed by an operator who wants new ones.
        return
    status = found.status
    kept = _time_of(copy)
    if kept == status.st_mtime_ns:
        return
    if _is_whole(found.content):
        # The copy has the time of what it is a copy of, from its first moment under its name.
        files.write(
            copy,
            found.content,
            0o600,
            owner=status.st_uid,
            scratch=copy.with_name(f".{copy.name}.tmp"),
            times=(status.st_atime_ns, status.st_mtime_ns),
        )
    elif kept is not None:
        # A rename works on a full disk.
        copy.replace(store)
        yield f"{store} was damaged, for example by a full disk; the last good copy was restored"
        if proxy.started() > status.st_mtime:
            proxy.restart()
            yield f"{proxy.container} was restarted with it"


def _time_of(path: Path) -> int | None:
    """Return when a regular file was changed, in nanoseconds since 1970; None where there is none."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns if stat.S_ISREG(found.st_mode) else None


def care(proxy: Proxy) -> tuple[str, ...]:
    """Repair routes and certificates, and return a sentence for each problem."""
    told: list[str] = []
    for part in (put_aside, keep):
        try:
            # One by one, so that a failure does not hide the sentences before it.
            for sentence in part(proxy):
                told.append(sentence)  # noqa: PERF402
        except (StackError, OSError) as error:
            told.append(f"Traefik's files cannot be examined: {error}")
    return tuple(told)

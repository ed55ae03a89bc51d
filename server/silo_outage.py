"""Shows customers a page of its own while the NAS is away for long, and takes it back when the NAS answers.

Traefik reads each file in its directory of routes. This program puts one there that leads all tenants' addresses to the
pages, and removes it. A timer runs it. It asks the NAS itself, as a photo server that waits for its files says nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ansible_collections.swissphoto.silo.plugins.module_utils.common import files
from ansible_collections.swissphoto.silo.plugins.module_utils.common.systemd import NOTICE, WARNING
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.probe import Storage, look

MODE = 0o644


@dataclasses.dataclass(frozen=True)
class OutageTools:
    """The operations on the server; tests replace them. `now` gives seconds since the boot."""

    look: Callable[[Path], Storage] = look
    now: Callable[[], float] = time.monotonic


@dataclasses.dataclass(frozen=True)
class Outage:
    """The files: `route` becomes `shown` after `seconds` without the NAS; `since` holds when it was first away."""

    sentinel: Path
    route: Path
    shown: Path
    since: Path
    seconds: float

    def update(self, tools: OutageTools) -> str:
        """Show the page or take it back; return a sentence for the journal, empty where nothing changed."""
        problem = tools.look(self.sentinel).problem
        if not problem:
            self.since.unlink(missing_ok=True)
            if not self.shown.exists():
                return ""
            self.shown.unlink()
            return f"{NOTICE}the NAS answers; customers reach their photo clouds again"
        away = tools.now() - self._first_away(tools.now())
        if away < self.seconds and not self.shown.exists():
            return ""
        # The next apply of the platform may have written another one, such as for another domain.
        route, was = self.route.read_text(encoding="utf-8"), self._shown()
        if route == was:
            return ""
        files.write(self.shown, route, MODE)
        return "" if was else f"{WARNING}{problem}; customers read so since the NAS is away for {away:.0f} s"

    def _first_away(self, now: float) -> float:
        """Return when the NAS was first away, in seconds since the boot; from now on, if that is not known."""
        with contextlib.suppress(OSError, ValueError):
            since = float(self.since.read_text(encoding="utf-8"))
            if 0 <= since <= now:
                return since
        files.write(self.since, str(now), MODE, durable=False)
        return now

    def _shown(self) -> str:
        try:
            return self.shown.read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""


def main(arguments: Sequence[str] | None = None, tools: OutageTools | None = None) -> int:
    """Run once; return the exit code, 0 also while the NAS is away."""
    parser = argparse.ArgumentParser(prog="outage", description="Shows customers a page while the NAS is away.")
    parser.add_argument("sentinel", type=Path, help="a file that exists only on the NAS")
    parser.add_argument("route", type=Path, help="the route to the page, which Traefik does not read there")
    parser.add_argument("shown", type=Path, help="the same where Traefik reads it")
    parser.add_argument("since", type=Path, help="file with the time since which the NAS is away")
    parser.add_argument("seconds", type=float, help="how long the NAS is away before customers read so")
    given = parser.parse_args(arguments)
    outage = Outage(given.sentinel, given.route, given.shown, given.since, given.seconds)
    if said := outage.update(tools or OutageTools()):
        print(said, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

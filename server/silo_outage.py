"""Shows customers a page of its own while the NAS is away for long, and takes it back when the NAS answers.

Traefik reads each file in its directory of routes. This program puts one there that leads all tenants' addresses to the
pages, and removes it. A timer runs it. It asks the NAS itself, as a photo server that waits for its files says nothing.

If tenants of this server have their files on another NAS, mounted elsewhere, each NAS has a route of its own, which
names its tenants. Where each has its files stands in its .env.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from ansible_collections.swissphoto.silo.plugins.module_utils.common import files, tenant_env
from ansible_collections.swissphoto.silo.plugins.module_utils.common.systemd import NOTICE, WARNING
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.probe import Storage, look

MODE = 0o644
# What the route of one NAS of several has in place of its own name, and of those of its tenants.
NAS, TENANTS = "@NAS@", "@TENANTS@"


@dataclasses.dataclass(frozen=True)
class OutageTools:
    """The operations on the server; tests replace them. `now` gives seconds since the boot."""

    look: Callable[[Path], Storage] = look
    now: Callable[[], float] = time.monotonic


@dataclasses.dataclass(frozen=True)
class Outage:
    """The files: `route` becomes `shown` after `seconds` without the NAS; `since` holds when it was first away.

    `tenants` are those of this NAS, if the server has tenants of several, each with a route that names them.
    """

    sentinel: Path
    route: Path
    shown: Path
    since: Path
    seconds: float
    tenants: tuple[str, ...] = ()

    def update(self, tools: OutageTools) -> str:
        """Show the page or take it back; return a sentence for the journal, empty where nothing changed."""
        problem = tools.look(self.sentinel).problem
        if not problem:
            self.since.unlink(missing_ok=True)
            if not self.shown.exists():
                return ""
            self.shown.unlink()
            where = f" at {self.sentinel.parent}" if self.tenants else ""
            return f"{NOTICE}the NAS{where} answers; customers reach their photo clouds again"
        away = tools.now() - self._first_away(tools.now())
        if away < self.seconds and not self.shown.exists():
            return ""
        # The next apply of the platform may have written another one, such as for another domain.
        route, was = self._route(), self._shown()
        if route == was:
            return ""
        files.write(self.shown, route, MODE)
        return "" if was else f"{WARNING}{problem}; customers read so since the NAS is away for {away:.0f} s"

    def _route(self) -> str:
        text = self.route.read_text(encoding="utf-8")
        return text.replace(NAS, _word(self.sentinel.parent)).replace(TENANTS, "|".join(self.tenants))

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


def _word(root: Path) -> str:
    """Return the mount point of a NAS as a part of names."""
    return re.sub(r"[^A-Za-z0-9]+", "-", str(root)).strip("-")


def _by_root(tenants: Path | None) -> Mapping[Path, tuple[str, ...]]:
    """Return the mount point of each NAS to the tenants that have their files there."""
    found: dict[Path, list[str]] = {}
    # Where it cannot be read, all are on the server's own, as nearly everywhere.
    with contextlib.suppress(OSError, ValueError):
        for name, values in tenant_env.read_all(tenants).items() if tenants else ():
            uploads = Path(values.get("TENANT_STORAGE", ""))
            # <root>/<tenant>/uploads
            if uploads.is_absolute() and uploads.parent.name == name:
                found.setdefault(uploads.parent.parent, []).append(name)
    return {root: tuple(names) for root, names in found.items()}


def _outages(given: argparse.Namespace) -> Iterator[Outage]:
    """Yield the outage of each NAS whose tenants are on this server; that of its own where there is no other."""
    own, roots = given.sentinel.parent, _by_root(given.tenants)
    if not given.route_of_some or not roots.keys() - {own}:
        yield Outage(given.sentinel, given.route, given.shown, given.since, given.seconds)
        return
    for root, names in sorted(roots.items()):
        shown, since = given.shown, given.since
        if root != own:
            shown = shown.with_name(f"{shown.stem}-{_word(root)}{shown.suffix}")
            since = since.with_name(f"{since.name}-{_word(root)}")
        yield Outage(root / given.sentinel.name, given.route_of_some, shown, since, given.seconds, names)


def main(arguments: Sequence[str] | None = None, tools: OutageTools | None = None) -> int:
    """Run once; return the exit code, 0 also while the NAS is away."""
    parser = argparse.ArgumentParser(prog="outage", description="Shows customers a page while the NAS is away.")
    parser.add_argument("sentinel", type=Path, help="a file that exists only on the NAS")
    parser.add_argument("route", type=Path, help="the route to the page, which Traefik does not read there")
    parser.add_argument("shown", type=Path, help="the same where Traefik reads it")
    parser.add_argument("since", type=Path, help="file with the time since which the NAS is away")
    parser.add_argument("seconds", type=float, help="how long the NAS is away before customers read so")
    parser.add_argument("--tenants", type=Path, help="directory of the tenants, if they may be on several NAS")
    parser.add_argument("--route-of-some", type=Path, help="the route for the tenants of one NAS of several")
    given = parser.parse_args(arguments)
    outages = list(_outages(given))
    for outage in outages:
        if said := outage.update(tools or OutageTools()):
            print(said, flush=True)
    # Those of a NAS on which no tenant of this server is any more.
    for file in given.shown.parent.glob(f"{given.shown.stem}*{given.shown.suffix}"):
        if file not in {outage.shown for outage in outages}:
            file.unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

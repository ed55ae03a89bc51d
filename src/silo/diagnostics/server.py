"""Checks of values that servers and NAS returned: clocks, disks, quotas. Pure."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.swissphoto.silo.plugins.module_utils.common.sizes import rough
from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics.registry import PREFLIGHT

from silo.ansible.results import TaskResult
from silo.diagnostics import Finding, State
from silo.diagnostics.engine import Nas, Thresholds, check

# ACME, one-time links and logs need the same time on all machines.
CLOCK_SECONDS = 5.0


@dataclasses.dataclass(frozen=True)
class Server:
    """A server as the controller sees it: at `addresses`, where no tenant has the host name `unused_name`.

    `result` is its result; None if it did not answer.
    """

    name: str
    addresses: Sequence[str]
    unused_name: str
    result: TaskResult | None
    thresholds: Thresholds = Thresholds()
    fix: str = "run playbooks/site.yml"


@check("clock", scope="server", selections=PREFLIGHT)
def clock_of(server: Server) -> Finding | None:
    """Check that the clock of a server is right."""
    if server.result is None:
        return None
    facts = server.result.values["facts"]
    return clock(server.name, facts["time"], server.result.begin, server.result.end, facts["synchronised"])


@check("disk", scope="server", selections=PREFLIGHT)
def disks_of(server: Server) -> list[Finding]:
    """Check the free space and inodes of each file system of a server."""
    return disks(server.name, server.result.values["facts"]["disks"], server.thresholds) if server.result else []


@check("disk", scope="nas", selections=PREFLIGHT)
def pool_of(nas: Nas) -> Finding:
    """Check the free space of the file system with all uploads."""
    return pool(nas.name, nas.values["pool"], nas.thresholds)


@check("quota", scope="nas", selections=PREFLIGHT)
def quotas_of(nas: Nas) -> list[Finding]:
    """Check that a hard limit holds on each tenant's directory; other directories such as lost+found need none."""
    found = {name: directory for name, directory in nas.values["tenants"].items() if name in nas.tenants}
    return quotas(nas.name, nas.values["backend"], found)


def clock(server: str, there: float, begin: float, end: float, synchronised: bool) -> Finding:
    """Compare a server's clock with this machine's, in seconds since 1970; it was read between `begin` and `end`."""
    check_id = "clock"
    # The duration of the call is not an error of the clock.
    ahead, behind = there - end, begin - there
    off = max(ahead, behind)
    if off > CLOCK_SECONDS:
        word = "ahead of" if ahead > behind else "behind"
        text = f"it is {off:.0f} seconds {word} this machine's"
        fix = f"find out with `timedatectl` which of the two is right, and set the other; {_keep(server)}"
        return Finding(check_id, server, "wrong", text, fix)
    if not synchronised:
        return Finding(check_id, server, "warning", "it is right now, but nothing synchronizes it", _keep(server))
    return Finding(check_id, server, "ok", "it is right, and synchronized")


def _keep(server: str) -> str:
    return (
        f"run playbooks/site.yml, then `timedatectl` on {server} should say that it is synchronized; open UDP port 123 "
        "to the outside; a container has the clock of the machine that it is on"
    )


def disks(host: str, found: Sequence[Mapping[str, t.Any]], thresholds: Thresholds) -> list[Finding]:
    """Return a finding for each file system: free space and inodes."""
    return [_disk(host, disk, thresholds) for disk in found]


def pool(
    nas: str, found: Mapping[str, int], thresholds: Thresholds, what: str = "the storage of all tenants"
) -> Finding:
    """Return the finding on a file system of tenants, such as all uploads; `found` has `size` and `free` in bytes."""
    left = {"path": what, "inodes": 0, "inodes_free": 0, **found}
    finding = _disk(nas, left, thresholds)
    fix = "make it larger, or use another NAS for new tenants; `silo purge` empties the trash"
    return finding if finding.state == "ok" else dataclasses.replace(finding, fix=fix)


def _disk(host: str, disk: Mapping[str, t.Any], thresholds: Thresholds) -> Finding:
    # Some file systems, btrfs for one, do not count inodes.
    counted = {"room": (disk["free"], disk["size"]), "inodes": (disk["inodes_free"], disk["inodes"])}
    shares = {what: 100 * free / total for what, (free, total) in counted.items() if total}
    parts = [f"{rough(disk['free'])} of {rough(disk['size'])}"]
    if "inodes" in shares:
        parts.append(f"{shares['inodes']:.0f} % of the inodes")
    text = f"{disk['path']} has {' and '.join(parts)} left"
    limits: tuple[tuple[State, float], ...] = (("wrong", thresholds.wrong), ("warning", thresholds.warning))
    for state, limit in limits:
        if short := " and ".join(what for what, share in shares.items() if share < limit):
            verb = "are" if "inodes" in short else "is"
            text += f"; its {short} {verb} below {limit:g} % (silo_check_disk_{state})"
            fix = f"make the disk larger, or free space; `du -xh {disk['path']}` shows large directories"
            return Finding("disk", host, state, text, f"{fix}, `docker image prune` removes old images")
    return Finding("disk", host, "ok", text)


def quotas(nas: str, backend: str, found: Mapping[str, Mapping[str, t.Any]]) -> list[Finding]:
    """Return a finding for each tenant's directory without a hard limit, and one for all others."""
    wrong = [_unlimited(nas, name, directory) for name, directory in sorted(found.items()) if not _holds(directory)]
    held = len(found) - len(wrong)
    if wrong and not held:
        return wrong
    tenants = "1 tenant" if held == 1 else f"{held} tenants"
    return [Finding("quota", nas, "ok", f"quotas of {backend} are on, and hold {tenants}"), *wrong]


def _holds(directory: Mapping[str, t.Any]) -> bool:
    return not directory["problem"] and directory["limit"] is not None


def _unlimited(nas: str, name: str, directory: Mapping[str, t.Any]) -> Finding:
    why = f": it {directory['problem']}" if directory["problem"] else ""
    page = "docs/operate/storage.md"
    fix = f"run playbooks/apply.yml --limit {name}; if it refuses, {page} explains what a quota needs"
    return Finding("quota", name, "wrong", f"no limit holds on {directory['path']} of {nas}{why}", fix)

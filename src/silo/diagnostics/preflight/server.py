"""What a server and a NAS told of themselves, as findings. Pure."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.swissphoto.silo.plugins.module_utils.common.sizes import rough

from silo.diagnostics.preflight.finding import Finding, State

# ACME, one-time links and logs want the same time everywhere; a letter's link tolerates no more.
CLOCK_SECONDS = 5.0


@dataclasses.dataclass(frozen=True)
class Thresholds:
    """At how many percent left of a disk, or of its inodes, it is worth a warning, and when it is wrong."""

    warning: float = 15.0
    wrong: float = 5.0


def clock(server: str, there: float, begin: float, end: float, synchronised: bool) -> Finding:
    """Compare a server's clock with this machine's, in seconds since 1970; it was read between `begin` and `end`."""
    subject = "clock"
    # The way there and back is no error of the clock.
    ahead, behind = there - end, begin - there
    off = max(ahead, behind)
    if off > CLOCK_SECONDS:
        word = "ahead of" if ahead > behind else "behind"
        text = f"it is {off:.0f} seconds {word} this machine's"
        remedy = f"see by `timedatectl` which of the two is right, and set the other; {_keep(server)}"
        return Finding(subject, server, "wrong", text, remedy)
    if not synchronised:
        return Finding(subject, server, "warning", "it is right now, and nothing keeps it right", _keep(server))
    return Finding(subject, server, "ok", "it is right, and kept so")


def _keep(server: str) -> str:
    return (
        f"run playbooks/site.yml, then `timedatectl` on {server} should say that it is synchronized; open UDP port 123 "
        "to the outside; a container has the clock of the machine that it is on"
    )


def disks(host: str, found: Sequence[Mapping[str, t.Any]], thresholds: Thresholds) -> list[Finding]:
    """Return a finding for each file system: its room and its inodes."""
    return [_disk(host, disk, thresholds) for disk in found]


def pool(nas: str, found: Mapping[str, int], thresholds: Thresholds) -> Finding:
    """Return whether the file system of all tenants' uploads has room; `found` has `size` and `free` in bytes."""
    left = {"path": "the storage of all tenants", "inodes": 0, "inodes_free": 0, **found}
    finding = _disk(nas, left, thresholds)
    remedy = "make it larger, or take another NAS for new tenants; `silo purge` empties what lies in the trash too long"
    return finding if finding.state == "ok" else dataclasses.replace(finding, remedy=remedy)


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
            remedy = f"make the disk larger, or remove what is not needed; `du -xh {disk['path']}` tells what is large"
            return Finding("disk", host, state, text, f"{remedy}, `docker image prune` removes old images")
    return Finding("disk", host, "ok", text)


def storage(server: str, problem: str) -> Finding:
    """Return whether the NAS is there on a server."""
    if not problem:
        return Finding("NAS", server, "ok", "it is mounted, and answers")
    remedy = (
        f"on {server}, `journalctl -u silo-recovery` says why it cannot be mounted, which is tried every 30 seconds; "
        "where the NAS itself is well, run playbooks/site.yml"
    )
    return Finding("NAS", server, "wrong", problem, remedy)


def firewall(server: str, problem: str) -> Finding:
    """Return whether the rules that keep tenants apart are loaded on a server."""
    if not problem:
        return Finding("firewall", server, "ok", "its rules are loaded, and are those of the file")
    remedy = f"`systemctl restart silo-firewall` on {server}, or run playbooks/site.yml"
    return Finding("firewall", server, "wrong", f"tenants may reach each other: {problem}", remedy)


def network(server: str, problem: str) -> Finding:
    """Return whether the tenants' addresses on a server are nobody else's."""
    if not problem:
        return Finding("network", server, "ok", "the tenants' addresses are nobody else's")
    remedy = (
        "take another tenant_address_pool while the server has no tenants; where it has some, change the other network "
        "or its route"
    )
    return Finding("network", server, "wrong", f"tenants' addresses are in use elsewhere: {problem}", remedy)


def opened(server: str, problem: str) -> Finding:
    """Return whether a server is closed but for what it offers."""
    if not problem:
        return Finding("open ports", server, "ok", "no more than it offers, or as you chose")
    remedy = (
        "run playbooks/site.yml; with a firewall of your own in its place, set host_firewall_input_enabled to false"
    )
    return Finding("open ports", server, "wrong", problem, remedy)


def keyless(server: str, problem: str) -> Finding:
    """Return whether SSH of a server takes keys alone."""
    if not problem:
        return Finding("SSH", server, "ok", "by keys alone, or as you chose")
    remedy = "run playbooks/site.yml, which does not lock you out; to keep passwords, set host_ssh_keys_only to false"
    return Finding("SSH", server, "wrong", f"it may be entered without a key: {problem}", remedy)


def quotas(nas: str, backend: str, found: Mapping[str, Mapping[str, t.Any]]) -> list[Finding]:
    """Return whether a hard limit holds on each tenant's directory of a NAS; one finding where it does on all."""
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
    remedy = f"run playbooks/apply.yml --limit {name}; where it refuses, docs/storage.md tells what a quota needs"
    return Finding("quota", name, "wrong", f"no limit holds on {directory['path']} of {nas}{why}", remedy)

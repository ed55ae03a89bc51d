"""Checks of the servers' disks: each tenant has a hard limit of its own there, and it is the expected one."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Iterator, Mapping

from ansible_collections.swissphoto.silo.plugins.module_utils.common.sizes import size
from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics.finding import holds
from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics.registry import PREFLIGHT
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.detect import BACKENDS
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.unlimited import Unlimited

from silo.diagnostics import Finding, server
from silo.diagnostics.engine import Disk, check

ID = "disk_quota"
PAGE = "docs/operate/disk.md"


@check(ID, scope="disk")
def limits(disk: Disk) -> Iterator[Finding]:
    """Check the limit of each tenant that should have one."""
    for name, facts in disk.tenants.items():
        if facts["desired"] != "absent":
            yield compare(name, facts, disk.values["backend"], disk.values["tenants"].get(name))


def compare(name: str, facts: Mapping[str, t.Any], backend: str, found: Mapping[str, t.Any] | None) -> Finding:
    """Check that the limits of a tenant on its server's disk are the expected ones; `found` is what the disk has."""
    kind = BACKENDS[backend]
    wanted_bytes, wanted_inodes = int(facts["disk_bytes"]), int(facts["disk_inodes"]) if kind.limits_inodes else 0
    about = "" if kind.counts_by_id else "about "
    expected = f"{about}{size(wanted_bytes)}{_files(wanted_inodes)}{_id(kind.counts_by_id, facts['index'])}"
    if found is None:
        return holds(False, "no directory on its server's disk", expected, name)
    if not kind.limits:
        return holds(True, "no limit, as silo_disk_backend says", "no limit, as silo_disk_backend says", name)
    if found["problem"]:
        return holds(False, f"no limit holds: it {found['problem']}", expected, name)
    if found["limit"] is None:
        return holds(False, "no limit", expected, name)
    right = kind.grants(found["limit"], wanted_bytes)
    right = right and (not wanted_inodes or found["inode_limit"] == wanted_inodes)
    right = right and (not kind.counts_by_id or found["id"] == facts["index"])
    files = _files(found["inode_limit"] or 0) if wanted_inodes else ""
    return holds(right, f"{size(found['limit'])}{files}{_id(kind.counts_by_id, found['id'])}", expected, name)


def _files(count: int) -> str:
    return f", {count} files" if count else ""


def _id(is_counted: bool, number: int | None) -> str:
    return f", counted under {number}" if is_counted else ""


@check("disk", scope="disk", selections=PREFLIGHT)
def pool_of(disk: Disk) -> Finding:
    """Check the free space of a server's disk for its tenants."""
    finding = server.pool(disk.name, disk.values["pool"], disk.thresholds, "the disk of its tenants")
    fix = "make it larger, or move tenants to another server; `silo stats --sort disk` shows who uses most"
    return finding if finding.state == "ok" else dataclasses.replace(finding, fix=fix)


@check(ID, scope="disk", selections=PREFLIGHT)
def quotas_of(disk: Disk) -> Iterator[Finding]:
    """Check that a tenant of this server can fill its own part of the disk alone."""
    backend = disk.values["backend"]
    if backend == Unlimited.name:
        text = "silo_disk_backend is none: one tenant can fill its disk, and stop all others"
        yield Finding(ID, disk.name, "warning", text, f"give it a disk with quotas, as {PAGE} says")
        return
    found = {name: one for name, one in disk.values["tenants"].items() if name in disk.tenants}
    wrong = sorted(name for name, one in found.items() if one["problem"] or one["limit"] is None)
    for name in wrong:
        why = f": it {found[name]['problem']}" if found[name]["problem"] else ""
        fix = f"run 'silo apply {name}'; if it refuses, {PAGE} explains what a limit needs"
        yield Finding(ID, name, "wrong", f"no limit holds on {found[name]['path']} of {disk.name}{why}", fix)
    if not wrong:
        tenants = "1 tenant" if len(found) == 1 else f"{len(found)} tenants"
        yield Finding(ID, disk.name, "ok", f"limits of {backend} are on, and hold {tenants}")

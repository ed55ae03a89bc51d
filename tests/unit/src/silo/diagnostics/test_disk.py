"""The hard limit of a tenant on its server's own disk, and a disk that has none."""

import pytest

from silo.ansible.results import TaskResult
from silo.capacity import GIB
from silo.diagnostics import disk, engine, preflight, verify
from silo.diagnostics.engine import Disk

from .facts import HANS

FACTS = HANS | {"disk_bytes": 20 * GIB, "disk_inodes": 1000}
FOUND = {"path": "/databases/hans", "limit": 20 * GIB, "id": 1, "problem": "", "inodes": 7, "inode_limit": 1000}
POOL = {"size": 400 * GIB, "free": 200 * GIB}


def of(found=FOUND, backend="xfs", **facts):
    values = {"backend": backend, "pool": POOL, "tenants": {} if found is None else {"hans": found}}
    return Disk("silo1", values, {"hans": FACTS | facts})


def test_limits_that_hold():
    (check,) = disk.limits(of())
    assert (check.ok, check.id, check.subject) == (True, "disk_quota", "hans")
    assert check.seen == "20 GiB, 1000 files, counted under 1"


@pytest.mark.parametrize(
    ("found", "seen"),
    [
        (None, "no directory on its server's disk"),
        (FOUND | {"limit": None}, "no limit"),
        (FOUND | {"limit": 21 * GIB}, "21 GiB, 1000 files, counted under 1"),
        (FOUND | {"id": 2}, "20 GiB, 1000 files, counted under 2"),
        (FOUND | {"inode_limit": None}, "20 GiB, counted under 1"),
        (FOUND | {"problem": "is a plain directory", "limit": None}, "no limit holds: it is a plain directory"),
    ],
)
def test_limits_that_do_not(found, seen):
    (check,) = disk.limits(of(found))
    assert (check.ok, check.seen) == (False, seen)
    assert engine.failed("verify", [check]) == [check]


def test_a_file_system_that_counts_no_files_needs_no_limit_of_them():
    (check,) = disk.limits(of(FOUND | {"inodes": None, "inode_limit": None}, "btrfs"))
    assert (check.ok, check.seen) == (True, "20 GiB, counted under 1")
    (check,) = disk.limits(of(FOUND | {"inode_limit": None}, disk_inodes=0))
    assert check.ok


@pytest.mark.parametrize(("limit", "ok"), [(20 * GIB, True), (20.2 * GIB, True), (18 * GIB, False)])
def test_a_file_system_of_the_operators_own_is_about_as_large(limit, ok):
    (check,) = disk.limits(of(FOUND | {"limit": limit, "id": None}, "manual"))
    assert check.ok is ok


def test_a_tenant_that_is_absent_needs_none():
    assert list(disk.limits(of(None, desired="absent"))) == []


def test_where_the_operator_wants_no_limits_verify_holds_and_check_warns():
    nothing = of(FOUND | {"limit": None, "id": None}, "none")
    (check,) = disk.limits(nothing)
    assert (check.ok, check.seen) == (True, "no limit, as silo_disk_backend says")
    (finding,) = disk.quotas_of(nothing)
    assert (finding.state, finding.subject) == ("warning", "silo1")
    assert "one tenant can fill its disk, and stop all others" in finding.message


def test_before_a_tenant_is_created_its_disk_must_have_limits():
    (finding,) = disk.quotas_of(of())
    assert (finding.state, finding.message) == ("ok", "limits of xfs are on, and hold 1 tenant")
    (finding,) = disk.quotas_of(of(FOUND | {"limit": None}))
    assert (finding.state, finding.subject) == ("wrong", "hans")
    assert "no limit holds on /databases/hans of silo1" in finding.message


@pytest.mark.parametrize(("free", "state"), [(200, "ok"), (40, "warning"), (10, "wrong")])
def test_a_disk_that_runs_low_is_told(free, state):
    found = of()
    found.values["pool"]["free"] = free * GIB
    (finding,) = disk.pool_of(found)
    assert finding.state == state
    assert finding.message.startswith("the disk of its tenants has ")


def test_a_server_without_quotas_is_refused(tmp_path, monkeypatch):
    said = "/databases is ext4; limits can be set on btrfs, xfs, zfs"
    answer = TaskResult({"failed": True, "msg": said}, 0.0, 1.0)
    monkeypatch.setattr(preflight.results, "read", lambda *_arguments: {preflight.DISKS: {"silo1": answer}})
    (finding,) = [one for one in preflight.run(tmp_path).findings if one.id == "disk_quota"]
    assert (finding.state, finding.subject) == ("wrong", "silo1")
    assert said in finding.message
    assert verify.DISKS == preflight.DISKS


def test_what_a_check_finds_is_that_of_both_selections():
    checks = {one: engine.run(one, {"disk": [of()]}) for one in ("preflight", "verify")}
    both = {selection: {one.id for one in found} for selection, found in checks.items()}
    assert both == {"preflight": {"disk", "disk_quota"}, "verify": {"disk_quota"}}

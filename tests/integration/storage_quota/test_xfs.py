"""What is XFS's own: projects, the flag that new files inherit them by, and mounts without quotas."""

from __future__ import annotations

import pytest

from .machine import MIB, ROOT, Machine, tenant

pytestmark = [pytest.mark.needs_root, pytest.mark.kind("xfs")]

# Resets the project of a directory to none, as its owner may do where nothing forbids the ioctl.
RESET = """
import fcntl, os, struct
handle = os.open(".", os.O_RDONLY)
attributes = bytearray(28)
fcntl.ioctl(handle, 0x801c581f, attributes)
flags, extent, extents, project, copy = struct.unpack("IIIII8x", attributes)
fcntl.ioctl(handle, 0x401c5820, struct.pack("IIIII8x", flags & ~0x200, extent, extents, 0, copy))
"""


def project(nas: Machine, path: str) -> str:
    """Project id and flags of a path, by the tool of XFS."""
    number = nas.must(f"cd {path} && xfs_io -r -c lsproj .").split()[-1]
    return f"{number}{' inherited' if 'P' in nas.must(f'xfs_io -r -c lsattr {path}').split()[0] else ''}"


@pytest.mark.fault(8)
def test_a_mount_without_prjquota_is_refused_and_a_remount_changes_nothing(nas: Machine) -> None:
    nas.must(f"umount {ROOT}")
    nas.mount("loop")
    assert "is mounted without prjquota, so no limit would hold" in nas.quota(tenant("hans", 1))["msg"]
    nas.must(f"mount -o remount,prjquota {ROOT}")
    assert "is mounted without prjquota" in nas.quota(tenant("hans", 1))["msg"]
    assert "is mounted without prjquota" in nas.info()["msg"]
    assert nas.must(f"ls {ROOT}") == ""
    # The trial that shows why: nothing holds there.
    nas.must(f"mkdir {ROOT}/free && xfs_quota -x -c 'project -s -p {ROOT}/free 9' {ROOT} 2>&1")
    nas.run(f"xfs_quota -x -c 'limit -p bhard=20m 9' {ROOT}")
    assert nas.write(f"{ROOT}/free/film", 40, 0).returncode == 0


def test_what_is_there_already_is_counted_with_all_that_is_in_it(nas: Machine) -> None:
    nas.must(f"mkdir -p {ROOT}/hans/uploads/deep/deeper && ln -s /etc/passwd {ROOT}/hans/uploads/link")
    assert nas.write(f"{ROOT}/hans/uploads/deep/deeper/old", 30, 0).returncode == 0
    nas.must(f"chown -R 200001 {ROOT}/hans/uploads && mkfifo {ROOT}/hans/uploads/pipe")
    adopted = nas.quota(tenant("hans", 1))
    assert 30 * MIB <= adopted["tenants"]["hans"]["used"] < 31 * MIB
    assert nas.kind.full in nas.write(f"{ROOT}/hans/uploads/deep/new", 30, 200001).stderr
    assert not nas.quota(tenant("hans", 1))["changed"]


def test_a_count_that_was_cut_short_is_completed(nas: Machine) -> None:
    nas.quota(tenant("hans", 1))
    assert nas.write(f"{ROOT}/hans/uploads/film", 30, 200001).returncode == 0
    # As after a SIGKILL before the last step, which counts the directory itself.
    nas.must(f"cd {ROOT}/hans && python3 -c '{RESET}'")
    assert project(nas, f"{ROOT}/hans") == "0"
    assert nas.quota(tenant("hans", 1))["changed"]
    assert project(nas, f"{ROOT}/hans") == "1 inherited"
    assert project(nas, f"{ROOT}/hans/uploads") == "1 inherited"
    assert nas.kind.full in nas.write(f"{ROOT}/hans/uploads/more", 30, 200001).stderr


def test_its_owner_can_leave_the_project_which_is_why_containers_may_not_call_it(nas: Machine) -> None:
    nas.quota(tenant("hans", 1))
    nas.must(f"cd {ROOT}/hans/uploads && python3 -c '{RESET}'", 200001)
    assert nas.write(f"{ROOT}/hans/uploads/film", 60, 200001).returncode == 0


def test_the_limit_is_in_whole_blocks_and_never_more_than_promised(nas: Machine) -> None:
    made = nas.quota(tenant("hans", 1, str(50 * MIB + 4095)))
    assert made["tenants"]["hans"]["limit"] == nas.limits()[1] == 50 * MIB
    assert not nas.quota(tenant("hans", 1, str(50 * MIB + 4095)))["changed"]


def test_files_have_a_wall_of_their_own(nas: Machine) -> None:
    hans = tenant("hans", 1) | {"inodes": 100}
    made = nas.quota(hans, tenant("maria", 2), uploads=False)
    assert made["tenants"]["hans"]["inode_limit"] == 100
    nas.must(f"install -d -m 0700 -o 200001 -g 200001 {ROOT}/hans/queue")
    over = nas.run(f"cd {ROOT}/hans/queue && for number in $(seq 200); do : >$number || exit 1; done", 200001)
    assert over.returncode != 0
    assert nas.must(f"touch {ROOT}/maria/file") == ""
    found = nas.info()["tenants"]["hans"]
    assert (found["inodes"], found["inode_limit"]) == (100, 100)
    # More of them is live, and a second run changes nothing.
    more = hans | {"inodes": 300}
    assert nas.quota(more, uploads=False)["tenants"]["hans"]["changes"] == ["inodes 100 -> 300"]
    nas.must(f"touch {ROOT}/hans/queue/one-more", 200001)
    assert not nas.quota(more, uploads=False)["changed"]


def test_a_limit_of_files_ends_with_its_tenant(nas: Machine) -> None:
    nas.quota(tenant("hans", 1) | {"inodes": 100}, uploads=False)
    deleted = {"name": "hans", "id": 1, "when": "2026-11-23T16:57:05+00:00"}
    assert nas.trash("trashed", deleted)["changed"]
    assert nas.trash("purged", deleted)["changed"]
    assert nas.numbers() == set()

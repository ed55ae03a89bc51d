"""XFS, with the kernel's part in memory: its structures byte for byte, as its headers have them.

The real system calls are tried in a virtual machine.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.command import Completed
from ansible_collections.swissphoto.silo.plugins.module_utils.common.mounts import Mount
from ansible_collections.swissphoto.silo.plugins.module_utils.quota import xfs as module
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.base import (
    QuotaError,
    QuotaTenant,
    State,
    Survey,
    Usage,
)
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.converge import QuotaOutcome, converge
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.rules import QuotaPolicy
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.trash import Order, trash
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.xfs import (
    DISK_QUOTA,
    DiskQuota,
    Kernel,
    Project,
    Xfs,
    state_of,
)
from hypothesis import given
from hypothesis import strategies as st

GIB = 2**30
HANS = QuotaTenant("hans", 1, 200001, 200001, 100 * GIB)
NOTHING = Survey({}, {})
# linux/dqblk_xfs.h, linux/quota.h and linux/fs.h, in full: a second opinion on what the module takes from them.
FS_DISK_QUOTA = struct.Struct("=bbHIQQQQQQiiHHbbbbQQQiHh8s")
FS_QUOTA_STATV = struct.Struct("=bBHI" + "QQII" * 3 + "iiiHHHHI7Q")
FSXATTR = struct.Struct("=IIIII8s")
PROJINHERIT, HASATTR, NODUMP = 0x200, 0x80000000, 0x80
NEVER_A_PROJECT = 2**32 - 1


@dataclass
class Quota:
    """What XFS keeps of a project; sizes in sectors of 512 bytes."""

    hard: int = 0
    soft: int = 0
    blocks: int = 0
    inodes: int = 0
    most: int = 0


@dataclass
class Memory(Kernel):
    """Projects and quotas in memory, behind the layout of the real structures; keeps a diary of what is changed."""

    root: Path
    flags: int = 0x30
    quotas: dict[int, Quota] = field(default_factory=dict)
    attributes: dict[int, tuple[int, int]] = field(default_factory=dict)
    diary: list[tuple[Any, ...]] = field(default_factory=list)
    off: int = 0
    broken: Callable[[], None] = lambda: None

    def quotactl(self, command: int, number: int, buffer: bytearray) -> None:
        if self.off:
            raise OSError(self.off, os.strerror(self.off), str(self.root))
        {0x5804: self._set, 0x5808: self._state, 0x5809: self._next}[command](number, buffer)

    def _state(self, number: int, buffer: bytearray) -> None:
        assert buffer[0] == 1, "the version that is asked for"
        assert len(buffer) >= FS_QUOTA_STATV.size
        buffer[: FS_QUOTA_STATV.size] = FS_QUOTA_STATV.pack(1, 0, self.flags, 0, *[0] * (FS_QUOTA_STATV_FIELDS - 4))

    def _next(self, number: int, buffer: bytearray) -> None:
        assert len(buffer) == FS_DISK_QUOTA.size
        if number == NEVER_A_PROJECT:
            raise OSError(errno.EINVAL, "Invalid argument")
        found = min((other for other in self.quotas if other >= number), default=None)
        if found is None:
            raise OSError(errno.ENOENT, "No such file or directory")
        quota = self.quotas[found]
        sizes = (quota.hard, quota.soft, quota.most, 0, quota.blocks, quota.inodes)
        buffer[:] = FS_DISK_QUOTA.pack(1, 2, 0, found, *sizes, *[0] * 14, b"")

    def _set(self, number: int, buffer: bytearray) -> None:
        version, flags, mask, found, hard, soft, most, *_others = FS_DISK_QUOTA.unpack(buffer)
        assert (version, flags, found) == (1, 2, number)
        quota = self.quotas.setdefault(number, Quota())
        hard = hard if mask & 1 << 3 else quota.hard
        soft = soft if mask & 1 << 2 else quota.soft
        # As XFS: a pair that contradicts itself is left out, without an error.
        if hard == 0 or hard >= soft:
            quota.hard, quota.soft = hard, soft
        if mask & 1 << 1:
            quota.most = most
        self.diary.append(("limit", number, hard * 512))

    def ioctl(self, descriptor: int, request: int, buffer: bytes | bytearray) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        inode = os.fstat(descriptor).st_ino
        if request == 0x801C581F:
            assert isinstance(buffer, bytearray)
            flags, number = self.attributes.get(inode, (HASATTR, 0))
            buffer[:] = FSXATTR.pack(flags, 11, 12, number, 13, b"")
            return
        assert request == 0x401C5820
        self.broken()
        flags, *sizes, _padding = FSXATTR.unpack(buffer)
        number = sizes.pop(2)
        assert sizes == [11, 12, 13], "what is not the project stays"
        self.attributes[inode] = flags, number
        self.diary.append(("count", str(path.relative_to(self.root)), number, bool(flags & PROJINHERIT)))

    def tag(self, path: Path, number: int, inherited: bool = True) -> None:
        self.attributes[path.stat().st_ino] = PROJINHERIT if inherited else 0, number


FS_QUOTA_STATV_FIELDS = len(FS_QUOTA_STATV.unpack(bytes(FS_QUOTA_STATV.size)))


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Memory:
    (tmp_path / "nas").mkdir()
    memory = Memory(tmp_path / "nas")
    monkeypatch.setattr(Xfs, "kernel", property(lambda _backend: memory))
    monkeypatch.setattr(fcntl, "ioctl", memory.ioctl)
    return memory


@pytest.fixture
def xfs(kernel: Memory) -> Xfs:
    mount = Mount(str(kernel.root), "xfs", "/dev/sdb1", "/", frozenset({"rw", "prjquota"}))
    return Xfs(mount, lambda argv: pytest.fail(f"{argv} is run"))


def run(xfs: Xfs, *tenants: dict[str, Any], check: bool = False, **policy: Any) -> list[QuotaOutcome]:
    return converge(xfs, tenants, QuotaPolicy(**{"overcommit": 1e9} | policy), check)


def wanted(name: str, number: int, limit: str | int = "100G") -> dict[str, Any]:
    return {"name": name, "id": number, "uid": 200000 + number, "gid": 200000 + number, "limit": str(limit)}


def test_the_structures_are_those_of_the_kernel() -> None:
    assert (FS_DISK_QUOTA.size, FS_QUOTA_STATV.size, FSXATTR.size) == (112, 160, 28)
    assert (module.DISK_QUOTA.size, module.ATTRIBUTES.size) == (112, 28)
    assert FS_QUOTA_STATV.size <= module.STATE_SIZE


@given(st.tuples(*[st.integers(0, 2**64 - 1)] * 6), st.integers(1, 2**32 - 2))
def test_the_numbers_of_a_project_are_where_the_kernel_has_them(numbers: tuple[int, ...], number: int) -> None:
    packed = FS_DISK_QUOTA.pack(1, 2, 3, number, *numbers, *[0] * 14, b"")
    assert DiskQuota(*DISK_QUOTA.unpack(packed)) == DiskQuota(1, 2, 3, number, *numbers)


def test_the_system_call_is_the_one_of_this_machine(tmp_path: Path) -> None:
    # A kernel that knows the call says whose it is; its answer to no quota at all is refused with the sentence.
    backend = Xfs(Mount(str(tmp_path), "xfs", "none", "/", frozenset()), lambda _: Completed(0))
    with pytest.raises(QuotaError, match="mounted without prjquota|cannot be read: Operation not permitted"):
        backend.check()


@pytest.mark.parametrize("flags", [0, 0x10, 0x20, 0x0F, 0x1F])
def test_quotas_that_are_off_or_not_enforced_are_refused(xfs: Xfs, kernel: Memory, flags: int) -> None:
    kernel.flags = flags
    with pytest.raises(QuotaError) as caught:
        xfs.check()
    assert str(caught.value) == (
        f"{kernel.root} is mounted without prjquota, so no limit would hold; "
        "put prjquota into its options in /etc/fstab, unmount it and mount it (a remount changes nothing)"
    )


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.ESRCH, errno.EINVAL])
def test_a_kernel_that_knows_no_quota_here_is_refused(xfs: Xfs, kernel: Memory, code: int) -> None:
    kernel.off = code
    with pytest.raises(QuotaError, match="is mounted without prjquota, so no limit would hold"):
        xfs.check()


def test_whoever_may_not_ask_is_told(xfs: Xfs, kernel: Memory) -> None:
    kernel.off = errno.EPERM
    with pytest.raises(QuotaError, match=r"the quota of .*nas cannot be read: Operation not permitted"):
        xfs.check()
    with pytest.raises(QuotaError, match=r"the quotas of .*nas cannot be read: Operation not permitted"):
        xfs.read()


@pytest.mark.parametrize("flags", [0x30, 0x3F])
def test_quotas_that_hold_are_taken(xfs: Xfs, kernel: Memory, flags: int) -> None:
    kernel.flags = flags
    xfs.check()


def test_reads_all_directories_and_projects(xfs: Xfs, kernel: Memory) -> None:
    for name in ("hans", "maria", "anna", "peter"):
        (kernel.root / name).mkdir()
    (kernel.root / "file").touch()
    (kernel.root / "link").symlink_to("/etc")
    kernel.tag(kernel.root / "hans", 1)
    kernel.tag(kernel.root / "maria", 2, inherited=False)
    kernel.tag(kernel.root / "peter", 4)
    kernel.quotas = {
        0: Quota(blocks=10**6, inodes=10**6),
        1: Quota(hard=200 * 2**21, blocks=80, inodes=7),
        2: Quota(blocks=8, inodes=1),
        7: Quota(hard=2**21, blocks=16, inodes=2),
        8: Quota(hard=2**21),
    }
    survey = xfs.read()
    assert survey.directories == {
        "hans": State(1, 200 * GIB, Usage(40960, 7)),
        "maria": State(2, None, Usage(4096, 1), ("new files in it",)),
        "anna": State(),
        "peter": State(4, None, Usage(0, 0)),
    }
    assert survey.holders == {1: "hans", 2: "maria", 4: "peter", 7: "a directory that was deleted", 8: ""}


def test_the_largest_project_ends_the_reading(xfs: Xfs, kernel: Memory) -> None:
    kernel.quotas = {2**32 - 2: Quota(hard=8)}
    assert xfs.read().holders == {2**32 - 2: ""}


@pytest.mark.parametrize(("hard", "soft", "limit"), [(8, 0, 4096), (0, 8, 4096), (16, 8, 4096), (0, 0, None)])
def test_a_soft_limit_is_a_wall_too(hard: int, soft: int, limit: int | None) -> None:
    quota = DiskQuota(1, 2, 0, 1, hard, soft, 0, 0, 0, 0)
    assert state_of(Project(1, True), {1: quota}).limit == limit


def test_a_soft_limit_is_taken_away(xfs: Xfs, kernel: Memory, owners: Any) -> None:
    assert not run(xfs, wanted("hans", 1))[0].error
    kernel.quotas[1] = Quota(hard=100 * 2**21, soft=50 * 2**21)
    assert run(xfs, wanted("hans", 1))[0].changes() == ["limit 50G -> 100G"]
    # Where it is above the new limit, XFS would leave both as they are.
    kernel.quotas[1] = Quota(hard=100 * 2**21, soft=90 * 2**21)
    assert run(xfs, wanted("hans", 1, "80G"))[0].error == ""
    assert kernel.quotas[1] == Quota(hard=80 * 2**21)


def test_the_wall_stands_before_the_directory_and_the_directory_is_counted_before_it_is_filled(
    xfs: Xfs, kernel: Memory, owners: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = Path.mkdir

    def mkdir(path: Path, mode: int = 0o777) -> None:
        kernel.diary.append(("mkdir", str(path.relative_to(kernel.root)), oct(mode)))
        make(path, mode)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    assert run(xfs, wanted("hans", 1))[0].changes() == ["new, with a limit of 100G"]
    assert kernel.diary == [
        ("limit", 1, 100 * GIB),
        ("mkdir", "hans", "0o700"),
        ("count", "hans", 1, True),
        ("mkdir", "hans/uploads", "0o700"),
    ]


def test_a_second_run_changes_nothing(xfs: Xfs, kernel: Memory, owners: Any) -> None:
    tenants = [wanted(f"tenant{number}", number) for number in range(1, 11)]
    assert all(outcome.changed for outcome in run(xfs, *tenants))
    kernel.diary.clear()
    assert [(outcome.changed, outcome.error) for outcome in run(xfs, *tenants)] == [(False, "")] * 10
    assert kernel.diary == []


def test_check_mode_says_the_same_and_does_nothing(xfs: Xfs, kernel: Memory, owners: Any) -> None:
    assert run(xfs, wanted("hans", 1), check=True)[0].changes() == ["new, with a limit of 100G"]
    assert (kernel.diary, list(kernel.root.iterdir())) == ([], [])


def test_a_new_limit_is_one_call_and_looks_at_no_file(xfs: Xfs, kernel: Memory, owners: Any) -> None:
    run(xfs, wanted("hans", 1))
    (kernel.root / "hans" / "uploads" / "photo").touch()
    kernel.diary.clear()
    assert run(xfs, wanted("hans", 1, "200G"))[0].changes() == ["limit 100G -> 200G"]
    assert kernel.diary == [("limit", 1, 200 * GIB)]


def fill(hans: Path, outside: Path) -> None:
    """Make what may lie in a directory that was made by hand: files, links out of it, and what is no file."""
    (hans / "uploads" / "2026").mkdir(parents=True)
    (hans / "uploads" / "2026" / "photo").touch()
    (hans / "note").touch()
    outside.mkdir()
    (outside / "secret").touch()
    (hans / "link").symlink_to(outside / "secret")
    (hans / "uploads" / "link").symlink_to(outside)
    os.mkfifo(hans / "pipe")
    with socket.socket(socket.AF_UNIX) as connection:
        connection.bind(str(hans / "socket"))


def test_what_is_there_already_is_counted_and_its_top_last(
    xfs: Xfs, kernel: Memory, owners: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The name of a socket may have 107 bytes.
    monkeypatch.chdir(tmp_path)
    fill(kernel.root / "hans", tmp_path / "outside")
    (outcome,) = run(xfs, wanted("hans", 1))
    assert outcome.error == ""
    assert kernel.diary[0] == ("limit", 1, 100 * GIB)
    counted = kernel.diary[1:]
    assert sorted(counted) == [
        ("count", "hans", 1, True),
        ("count", "hans/note", 1, False),
        ("count", "hans/uploads", 1, True),
        ("count", "hans/uploads/2026", 1, True),
        ("count", "hans/uploads/2026/photo", 1, False),
    ]
    assert counted[-1] == ("count", "hans", 1, True)
    assert (tmp_path / "outside").stat().st_ino not in kernel.attributes
    assert (tmp_path / "outside" / "secret").stat().st_ino not in kernel.attributes
    # What else the file system keeps of a file stays.
    assert kernel.attributes[(kernel.root / "hans" / "note").stat().st_ino][0] == HASATTR


@pytest.mark.parametrize("steps", range(5))
def test_a_run_that_was_killed_while_it_counted_begins_anew(
    xfs: Xfs, kernel: Memory, owners: Any, tmp_path: Path, steps: int
) -> None:
    fill(kernel.root / "hans", tmp_path / "outside")
    left = [*range(steps)]

    def killed() -> None:
        if not left:
            raise KeyboardInterrupt
        left.pop()

    kernel.broken = killed
    with pytest.raises(KeyboardInterrupt):
        run(xfs, wanted("hans", 1))
    kernel.broken = lambda: None
    assert xfs.read().directories["hans"].id is None
    kernel.diary.clear()
    assert run(xfs, wanted("hans", 1))[0].error == ""
    assert len([entry for entry in kernel.diary if entry[0] == "count"]) == 5
    assert not run(xfs, wanted("hans", 1))[0].changed


@pytest.mark.parametrize("step", ["limit", "mkdir"])
def test_a_run_that_was_killed_before_it_counted_begins_anew(
    xfs: Xfs, kernel: Memory, owners: Any, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def killed(*_arguments: Any, **_options: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
        broken.setattr(*{"limit": (Path, "mkdir"), "mkdir": (Xfs, "_count")}[step], killed)
        run(xfs, wanted("hans", 1))
    assert kernel.quotas[1].hard == 100 * 2**21
    (outcome,) = run(xfs, wanted("hans", 1))
    assert (outcome.error, outcome.changed) == ("", True)
    assert xfs.read().directories["hans"] == State(1, 100 * GIB, Usage(0, 0))


def test_a_directory_whose_new_files_are_not_counted_is_counted_again(xfs: Xfs, kernel: Memory, owners: Any) -> None:
    run(xfs, wanted("hans", 1))
    kernel.tag(kernel.root / "hans", 1, inherited=False)
    assert run(xfs, wanted("hans", 1))[0].changes() == ["not counted new files in it -> none"]
    assert not xfs.read().directories["hans"].uncounted


def test_what_cannot_be_looked_into_is_an_error_and_not_left_out(
    xfs: Xfs, kernel: Memory, owners: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (kernel.root / "hans" / "broken").mkdir(parents=True)
    real = os.open

    def broken(path: Any, *arguments: Any, **options: Any) -> int:
        if path == "broken":
            raise OSError(errno.EIO, "Input/output error")
        return real(path, *arguments, **options)

    monkeypatch.setattr(os, "open", broken)
    assert "Input/output error" in run(xfs, wanted("hans", 1))[0].error
    assert xfs.read().directories["hans"].id is None


def test_an_id_that_still_counts_what_was_deleted_is_refused(xfs: Xfs, kernel: Memory, owners: Any) -> None:
    kernel.quotas[1] = Quota(hard=2**21, blocks=8, inodes=1)
    assert run(xfs, wanted("hans", 1))[0].error == "its quota id 1 already counts a directory that was deleted"


def test_a_first_count_that_was_cut_off_is_completed_by_whom_the_id_was_given_to(
    xfs: Xfs, kernel: Memory, owners: Any
) -> None:
    run(xfs, wanted("hans", 1))
    kernel.quotas[1].inodes = 5
    (kernel.root / "hans").rename(kernel.root / "elsewhere")
    (kernel.root / "hans").mkdir()
    (kernel.root / "elsewhere").rename(kernel.root.parent / "elsewhere")
    assert run(xfs, wanted("maria", 1))[0].error == "its quota id 1 already counts a directory that was deleted"
    assert run(xfs, wanted("hans", 1))[0].changed
    assert xfs.read().directories["hans"].id == 1


def test_a_limit_is_set_in_whole_blocks(xfs: Xfs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_frsize=4096))
    assert [xfs.rounded(size) for size in (4096, 8191, 8192, 100 * GIB + 1)] == [4096, 4096, 8192, 100 * GIB]
    with pytest.raises(QuotaError, match="the limit is 4095 bytes, less than one block of 4096"):
        xfs.rounded(4095)


@given(st.integers(1, 2**63), st.sampled_from([512, 1024, 4096, 65536]))
def test_a_limit_is_never_rounded_upwards(limit: int, block: int) -> None:
    backend = Xfs(Mount("/nas", "xfs", "/dev/sdb1", "/", frozenset()), lambda _: Completed(0))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "statvfs", lambda _: SimpleNamespace(f_frsize=block))
        try:
            rounded = backend.rounded(limit)
        except QuotaError:
            assert limit < block
        else:
            assert 0 <= limit - rounded < block
            assert rounded % block == 0 < rounded


def test_a_rounded_limit_is_found_again(xfs: Xfs, kernel: Memory, owners: Any) -> None:
    assert run(xfs, wanted("hans", 1, 10**9))[0].limit == 10**9 // 4096 * 4096
    assert not run(xfs, wanted("hans", 1, 10**9))[0].changed


def test_applies_what_differs_and_nothing_else(xfs: Xfs, kernel: Memory) -> None:
    (kernel.root / "hans").mkdir()
    xfs.apply(HANS, Survey({"hans": State(1, 100 * GIB)}, {1: "hans"}))
    assert kernel.diary == []
    xfs.apply(HANS, Survey({"hans": State(None, None)}, {}))
    assert [entry[0] for entry in kernel.diary] == ["limit", "count"]


def test_a_new_directory_is_for_root_alone_until_it_is_counted(xfs: Xfs, kernel: Memory) -> None:
    xfs.apply(HANS, NOTHING)
    assert stat.S_IMODE((kernel.root / "hans").stat().st_mode) == 0o700


PLACE = ".trash/20261123T165705Z-hans-1"
DELETED = {"name": "hans", "id": 1, "when": "2026-11-23T16:57:05+00:00"}


def step(xfs: Xfs, state: str, check: bool = False) -> Any:
    (moved,) = trash(xfs, Order(state), [DELETED], [], check)
    return moved


def test_a_project_moves_to_the_trash_and_ends_with_its_files(xfs: Xfs, kernel: Memory, owners: Any) -> None:
    run(xfs, wanted("hans", 1), wanted("maria", 2))
    kernel.quotas[1].blocks, kernel.quotas[1].inodes = 80, 7
    kernel.diary.clear()
    gone = step(xfs, "trashed")
    assert (gone.error, gone.files, gone.bytes, gone.limit) == ("", 7, 40960, 100 * GIB)
    survey = xfs.read()
    assert survey.directories.keys() == {"maria"}
    assert survey.trash == {PLACE: State(1, 100 * GIB, Usage(40960, 7))}
    assert survey.holders == {1: PLACE, 2: "maria"}
    assert "restore it first" in run(xfs, wanted("hans", 1))[0].error
    assert kernel.diary == []

    limit = xfs._limit

    def free(number: int, size: int, inodes: int | None) -> None:
        # The wall stands until nothing is left behind it.
        assert not (kernel.root / f"{PLACE}.purging").exists()
        limit(number, size, inodes)
        kernel.quotas[1].inodes = 0

    xfs._limit = free  # type: ignore[method-assign]  # tells when it is called
    assert step(xfs, "purged").changes() == [f"{kernel.root / PLACE} -> removed for good"]
    assert kernel.diary == [("limit", 1, 0)]
    assert kernel.quotas[1].hard == 0


def test_inodes_are_limited_and_a_second_run_changes_nothing(xfs: Xfs, kernel: Memory, owners: Any) -> None:
    hans = wanted("hans", 1) | {"inodes": 1000}
    assert [(one.error, one.inodes) for one in run(xfs, hans)] == [("", 1000)]
    assert kernel.quotas[1] == Quota(hard=100 * 2**21, most=1000)
    assert not run(xfs, hans)[0].changed
    assert run(xfs, hans | {"inodes": 2000})[0].changes() == ["inodes 1000 -> 2000"]
    # 0 leaves what is there.
    assert run(xfs, wanted("hans", 1, "200G"))[0].error == ""
    assert kernel.quotas[1] == Quota(hard=200 * 2**21, most=2000)
    kernel.quotas[1].inodes = 1500
    refused = "1500 inodes are in use, more than the new limit of 1200; nothing was changed"
    assert run(xfs, hans | {"inodes": 1200, "limit": "200G"})[0].error == refused
    assert run(xfs, hans | {"inodes": 1200, "limit": "200G"}, force=True)[0].error == ""


def test_a_limit_of_inodes_that_does_not_hold_is_an_error(
    xfs: Xfs, kernel: Memory, owners: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LIMITS_OF_INODES", 0)
    assert "not there when read again" in run(xfs, wanted("hans", 1) | {"inodes": 1000})[0].error


def test_what_is_counted_elsewhere_is_named_after_some_waiting(
    xfs: Xfs, kernel: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            kernel.quotas[1].inodes = 0

    monkeypatch.setattr(module.time, "sleep", wait)
    kernel.quotas = {1: Quota(hard=2**21, inodes=5), 2: Quota(hard=2**21, inodes=5)}
    assert xfs.forget(1) == ""
    assert len(waits) == 3
    assert xfs.forget(2) == "the project 2 still counts 5 files elsewhere"
    assert sum(waits) < 20
    assert [quota.hard for quota in kernel.quotas.values()] == [0, 0]

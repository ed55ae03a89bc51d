"""Project quotas of XFS, by C(quotactl_fd(2)) and the ioctls of the project id: exact numbers, no text to parse.

Constants and structures are those of C(linux/dqblk_xfs.h), C(linux/quota.h) and C(linux/fs.h).
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import stat
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

from ansible_collections.swissphoto.silo.plugins.module_utils.quota.base import (
    DELETED,
    Backend,
    QuotaError,
    QuotaTenant,
    State,
    Survey,
    Usage,
)
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.directory_tree import remove_tree

# The same number on every architecture. The call takes a file descriptor, so it needs no device node.
SYS_QUOTACTL_FD = 443
PROJECT_QUOTA = 2
GET_NEXT_QUOTA, SET_LIMIT, GET_STATE = 0x5809, 0x5804, 0x5808
ACCOUNTED, ENFORCED = 1 << 4, 1 << 5
LIMITS_OF_BLOCKS, LIMITS_OF_INODES = 1 << 3 | 1 << 2, 1 << 1 | 1 << 0
"""Of each the hard and the soft limit."""
SECTOR = 512
LAST_ID = 2**32 - 2
FREEING_POLLS, FREEING_SECONDS = 100, 0.1

GET_ATTRIBUTES, SET_ATTRIBUTES = 0x801C581F, 0x401C5820
INHERIT = 0x200


class DiskQuota(NamedTuple):
    """The first fields of C(struct fs_disk_quota); blocks are sectors of 512 bytes."""

    version: int
    flags: int
    fields: int
    id: int
    block_hard: int
    block_soft: int
    inode_hard: int
    inode_soft: int
    blocks: int
    inodes: int


DISK_QUOTA = struct.Struct("=bbHIQQQQQQ56x")
STATE_SIZE = 256
"""A buffer larger than C(struct fs_quota_statv); the version is its first byte, the flags its third and fourth."""
ATTRIBUTES = struct.Struct("=IIIII8x")


@dataclass(frozen=True)
class Project:
    """The project of a file or directory, and whether new files in it inherit it."""

    id: int
    inherited: bool


class Kernel:
    """The system calls on a file system; tests replace this class."""

    def __init__(self, root: Path) -> None:
        """Remember the root of the file system."""
        self.root = root
        self._libc = ctypes.CDLL(None, use_errno=True)

    def quotactl(self, command: int, number: int, buffer: bytearray) -> None:
        """Call C(quotactl_fd) with a buffer for its result; raises OSError."""
        address = (ctypes.c_char * len(buffer)).from_buffer(buffer)
        with _directory(self.root) as descriptor:
            code = self._libc.syscall(
                ctypes.c_long(SYS_QUOTACTL_FD),
                ctypes.c_uint(descriptor),
                ctypes.c_uint(command << 8 | PROJECT_QUOTA),
                ctypes.c_uint(number),
                ctypes.byref(address),
            )
        if code != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(self.root))

    def project(self, descriptor: int) -> Project:
        """Return the project of an open file or directory."""
        buffer = bytearray(ATTRIBUTES.size)
        fcntl.ioctl(descriptor, GET_ATTRIBUTES, buffer)
        flags, _extent, _extents, number, _copy = ATTRIBUTES.unpack(buffer)
        return Project(number, bool(flags & INHERIT))

    def set_project(self, descriptor: int, number: int, inherited: bool) -> None:
        """Set the project of an open file or directory; keep its other attributes."""
        buffer = bytearray(ATTRIBUTES.size)
        fcntl.ioctl(descriptor, GET_ATTRIBUTES, buffer)
        flags, extent, extents, _number, copy = ATTRIBUTES.unpack(buffer)
        wanted = flags | INHERIT if inherited else flags & ~INHERIT
        fcntl.ioctl(descriptor, SET_ATTRIBUTES, ATTRIBUTES.pack(wanted, extent, extents, number, copy))


@contextmanager
def _directory(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def state_of(project: Project, quotas: dict[int, DiskQuota]) -> State:
    """Return the state of a directory, from its project and the quotas of all projects."""
    if project.id == 0:
        return State()
    quota = quotas.get(project.id)
    # df shows the soft limit, and XFS enforces it after some days.
    limits = [sectors * SECTOR for sectors in (quota.block_hard, quota.block_soft) if sectors] if quota else []
    counts = [count for count in (quota.inode_hard, quota.inode_soft) if count] if quota else []
    usage = Usage(quota.blocks * SECTOR, quota.inodes) if quota else Usage(0, 0)
    uncounted = () if project.inherited else ("new files in it",)
    limit, inodes = min(limits, default=None), min(counts, default=None)
    return State(project.id, limit, usage, uncounted, inode_limit=inodes)


class Xfs(Backend):
    """Projects as limits: hard limits of blocks and inodes, and an id that each new file takes from its directory."""

    name = "xfs"
    limits_inodes: ClassVar[bool] = True

    @property
    def kernel(self) -> Kernel:
        """The system calls on this file system."""
        return Kernel(self.root)

    def rounded(self, limit: int) -> int:
        """Return the limit rounded down to whole blocks of the file system."""
        block = os.statvfs(self.root).f_frsize
        if limit < block:
            raise QuotaError(f"the limit is {limit} bytes, less than one block of {block}")
        return limit // block * block

    def check(self) -> None:
        """Raise QuotaError if XFS does not count projects or does not enforce their limits."""
        buffer = bytearray(STATE_SIZE)
        buffer[0] = 1
        try:
            self.kernel.quotactl(GET_STATE, 0, buffer)
        except OSError as error:
            if error.errno not in (errno.ENOSYS, errno.ESRCH, errno.EINVAL):
                raise QuotaError(f"the quota of {self.root} cannot be read: {error.strerror}") from error
        flags = struct.unpack_from("=H", buffer, 2)[0]
        if flags & (ACCOUNTED | ENFORCED) != ACCOUNTED | ENFORCED:
            raise QuotaError(
                f"{self.root} is mounted without prjquota, so no limit would hold; "
                "put prjquota into its options in /etc/fstab, unmount it and mount it (a remount changes nothing)"
            )

    def read(self) -> Survey:
        """Return all directories and projects, without reading a file."""
        quotas = {quota.id: quota for quota in self._quotas()}
        projects = dict(self._projects())
        counted = {project.id: name for name, project in sorted(projects.items(), reverse=True)}
        holders = {quota.id: counted.get(quota.id, DELETED if quota.inodes else "") for quota in quotas.values()}
        holders |= {number: name for number, name in counted.items() if number}
        return self.survey({name: state_of(project, quotas) for name, project in projects.items()}, holders)

    def apply(self, tenant: QuotaTenant, survey: Survey) -> None:
        """Set the limit first, then create the directory and count it: nobody can fill it without a limit."""
        state = survey.directories.get(tenant.name)
        inodes = tenant.inodes or None
        if state is None or state.limit != tenant.limit or inodes not in (None, state.inode_limit):
            self._limit(tenant.id, tenant.limit, inodes)
        path = self.root / tenant.name
        if state is None:
            path.mkdir(mode=0o700)
        if state is None or state.id is None or state.uncounted:
            self._count(path, tenant.id)

    def remove(self, place: str, number: int) -> None:
        """Remove the directory file by file, which XFS allows at a full quota, too."""
        remove_tree(self.root / place)

    def forget(self, number: int) -> str:
        """Remove the limit; a project without a limit and without files does not exist any more."""
        self._limit(number, 0, 0)
        for _attempt in range(FREEING_POLLS):
            # XFS frees unlinked files a moment later, and earlier when free space is requested.
            os.statvfs(self.root)
            inodes = next((quota.inodes for quota in self._quotas() if quota.id == number), 0)
            if not inodes:
                return ""
            time.sleep(FREEING_SECONDS)
        return f"the project {number} still counts {inodes} files elsewhere"

    def _quotas(self) -> Iterator[DiskQuota]:
        number = 1
        while number <= LAST_ID:
            buffer = bytearray(DISK_QUOTA.size)
            try:
                self.kernel.quotactl(GET_NEXT_QUOTA, number, buffer)
            except OSError as error:
                if error.errno == errno.ENOENT:
                    return
                raise QuotaError(f"the quotas of {self.root} cannot be read: {error.strerror}") from error
            quota = DiskQuota(*DISK_QUOTA.unpack(buffer))
            yield quota
            number = quota.id + 1

    def _projects(self) -> Iterator[tuple[str, Project]]:
        for name in self.names():
            with _directory(self.root / name) as descriptor:
                yield name, self.kernel.project(descriptor)

    def _limit(self, number: int, limit: int, inodes: int | None) -> None:
        # Without a soft limit: XFS silently ignores a hard limit below the soft one.
        fields = LIMITS_OF_BLOCKS | (LIMITS_OF_INODES if inodes is not None else 0)
        quota = DiskQuota(1, PROJECT_QUOTA, fields, number, limit // SECTOR, 0, inodes or 0, 0, 0, 0)
        self.kernel.quotactl(SET_LIMIT, number, bytearray(DISK_QUOTA.pack(*quota)))

    def _count(self, path: Path, number: int) -> None:
        """Count a directory's content, then the directory itself, so that an interrupted run starts again."""

        def stop(error: OSError) -> None:
            # A directory that cannot be read would remain uncounted without an error.
            raise error

        for _path, _directories, files, directory in os.fwalk(path, topdown=False, onerror=stop):
            for name in files:
                status = os.stat(name, dir_fd=directory, follow_symlinks=False)
                if stat.S_ISREG(status.st_mode):
                    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)
                    try:
                        self.kernel.set_project(descriptor, number, inherited=False)
                    finally:
                        os.close(descriptor)
            self.kernel.set_project(directory, number, inherited=True)

"""Memory that the real server would have: pages that this process takes and gives back, so that the kernel counts them.

A container whose limit is too low for it is killed here as there.
"""

import mmap
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from photo_server.costs import MemoryCosts

MIB = 1024**2
_BLOCK = 8
"""MiB that are taken or given back at a time."""
_STATM = Path("/proc/self/statm")


class Memory:
    """Keeps this process at the size that the real server has while it does the same."""

    def __init__(self, costs: MemoryCosts | None, purges: bool, tight: bool) -> None:
        """`purges`: the allocator gives back at once. `tight`: the container's limit is near the server's size."""
        self._costs, self._purges, self._tight = costs, purges, tight
        self._importing = False
        self._left = 0
        self._jobs = self._done = 0
        self._beside = Counter[str]()
        self._blocks: list[mmap.mmap] = []

    @contextmanager
    def importing(self) -> Iterator[None]:
        """While the places are imported; some of it stays."""
        self._importing = True
        self.settle()
        try:
            yield
        finally:
            self._importing = False
            self._left = self._costs.left_by_import if self._costs else 0
            self.settle()

    @contextmanager
    def job(self) -> Iterator[None]:
        """While a picture is worked on."""
        self._jobs += 1
        self.settle()
        try:
            yield
        finally:
            self._jobs -= 1
            self._done += 1
            self.settle()

    def upload(self) -> AbstractContextManager[None]:
        """While a file is received."""
        return self._during("upload")

    def video(self) -> AbstractContextManager[None]:
        """While a film is converted."""
        return self._during("video")

    def dump(self) -> AbstractContextManager[None]:
        """While the database is dumped."""
        return self._during("dump")

    @contextmanager
    def _during(self, work: str) -> Iterator[None]:
        self._beside[work] += 1
        self.settle()
        try:
            yield
        finally:
            self._beside[work] -= 1
            self.settle()

    def level(self) -> int:
        """MiB that the real server would have now; nothing where it costs nothing."""
        costs = self._costs
        if costs is None:
            return 0
        beside = self._beside["upload"] * costs.upload
        beside += self._beside["video"] * costs.video + self._beside["dump"] * costs.dump
        at_work = max(self._left, self._jobs * costs.job) + beside
        kept = 0 if self._purges else min(self._done, costs.kept)
        if self._importing:
            size = costs.import_limited if self._tight else costs.import_unlimited
            return size + beside
        return costs.idle + at_work + kept

    def settle(self) -> None:
        """Takes or gives back pages until the process has its size."""
        if self._costs is None:
            return
        missing = self.level() - resident()
        for _ in range(missing // _BLOCK):
            self._blocks.append(_pages(_BLOCK * MIB))
        while missing <= -_BLOCK and self._blocks:
            self._blocks.pop().close()
            missing += _BLOCK


def resident() -> int:
    """MiB of this process that are in memory."""
    return int(_STATM.read_text().split()[1]) * mmap.PAGESIZE // MIB


def _pages(size: int) -> mmap.mmap:
    """Memory of this process alone, each page of it written to: the kernel has nothing of it before."""
    block = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    block[:: mmap.PAGESIZE] = b"\1" * (size // mmap.PAGESIZE)
    return block

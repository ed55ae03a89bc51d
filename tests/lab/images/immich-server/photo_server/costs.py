"""What the real server costs at its start and at work, as it was measured, for labs that are to feel it.

STAND_IN_COSTS says how much: `none`, the default of the image, for tests that are about something else, or `real`.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Costs:
    """Seconds are of one processor but for `pause`. Memory is in MiB of all processes together.

    `before_database`, `pause` and `after_database` make up a start; `importing` is what the import of the places needs
    of the processor beside what the database needs, `video` what a film of a few seconds needs to become a smaller one.
    """

    before_database: float
    pause: float
    after_database: float
    importing: float
    places: int
    memory: "MemoryCosts | None"
    video: float = 0


@dataclass(frozen=True)
class MemoryCosts:
    """How much memory the server has while it does nothing, and what is added by what it does.

    A job uses again what the import left behind. What an allocator does not give back grows by one MiB a job up to
    `kept`. Without a tight limit the import takes `import_unlimited`. `video` and `dump` are programs beside the
    server, which count against the same limit.
    """

    idle: int = 630
    import_limited: int = 955
    import_unlimited: int = 1453
    left_by_import: int = 215
    job: int = 260
    upload: int = 80
    kept: int = 175
    video: int = 116
    dump: int = 16


NONE = Costs(before_database=0, pause=0, after_database=0, importing=0, places=20, memory=None)
REAL = Costs(
    before_database=2.5, pause=1, after_database=4.5, importing=14, places=196_578, memory=MemoryCosts(), video=5
)
CHOICES = {"none": NONE, "real": REAL}

_TIGHT = 1280
"""MiB of a container's limit up to which the import keeps itself small."""
_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Where the kernel says a container's limit: control groups of version 2, and of version 1."""


def burn(seconds: float) -> None:
    """Uses the processor for as long, in the time of this thread. Blocks."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        sum(range(10_000))


def is_tight(limits: Sequence[Path] = _LIMITS) -> bool:
    """Whether the container's limit of memory is one under which the import keeps itself small."""
    texts = [limit.read_text().strip() for limit in limits if limit.exists()]
    return any(text.isdecimal() and int(text) <= _TIGHT * 1024**2 for text in texts)

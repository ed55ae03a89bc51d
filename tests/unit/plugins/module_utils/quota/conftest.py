"""A back end that answers with a recorded session."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.command import Completed
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.base import Mount
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.btrfs import Btrfs

SESSIONS = Path(__file__).with_name("sessions")
SHOW = ["btrfs", "--format", "json", "qgroup", "show", "-pcre", "--raw"]


@dataclass
class Shell:
    """Answers from a table, by the beginning of the command, and remembers what ran."""

    answers: list[tuple[list[str], Completed]]
    ran: list[list[str]] = field(default_factory=list)

    def __call__(self, argv: Sequence[str]) -> Completed:
        self.ran.append(list(argv))
        return next((answer for start, answer in self.answers if list(argv)[: len(start)] == start), Completed(0))


@pytest.fixture
def recorded() -> str:
    """btrfs-progs 6.14: hans, maria with a nested subvolume, anna without a group, group 3 without a member."""
    return (SESSIONS / "btrfs-6.14-qgroup-show.json").read_text(encoding="utf-8")


@pytest.fixture
def shell(recorded: str) -> Shell:
    return Shell([(SHOW, Completed(0, recorded))])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The directories of the recorded file system."""
    for name in ("hans", "maria", "anna", "plain"):
        (tmp_path / "instances" / name).mkdir(parents=True)
    return tmp_path / "instances"


@pytest.fixture
def backend(root: Path, shell: Shell, tmp_path: Path) -> Btrfs:
    mount = Mount(str(root), "btrfs", "/dev/loop0", "/", frozenset({"rw"}))
    return Btrfs(mount, shell, tmp_path / "sys")


@pytest.fixture
def sysfs(tmp_path: Path) -> Callable[[str], None]:
    """Write what the kernel says of the quotas of /dev/loop0."""

    def write(mode: str) -> None:
        system = tmp_path / "sys" / "fs" / "btrfs" / "c429c820-9043-4f62-8561-2981e91fbb6e"
        (system / "devices" / "loop0").mkdir(parents=True)
        (system / "qgroups").mkdir()
        (system / "qgroups" / "mode").write_text(f"{mode}\n", encoding="ascii")

    return write

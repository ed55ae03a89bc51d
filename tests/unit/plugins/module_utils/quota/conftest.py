"""Back ends that answer with a recorded session, or keep their quotas in memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.command import CommandError, Completed
from ansible_collections.swissphoto.silo.plugins.module_utils.common.mounts import Mount
from ansible_collections.swissphoto.silo.plugins.module_utils.quota import converge, folder, trash
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.base import (
    Backend,
    QuotaTenant,
    State,
    Survey,
)
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.btrfs import Btrfs
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.directory_tree import remove_tree

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


class Memory(Backend):
    """A back end that keeps its quotas in memory, and counts how often it is read."""

    name = "memory"

    def __init__(self, root: Path) -> None:
        super().__init__(Mount(str(root), "memory", "none", "/", frozenset()), lambda _: Completed(0))
        self.states: dict[str, State] = {}
        self.size = 1000 * 2**30
        self.reads = 0
        self.broken = ""
        self.left: list[int] = []

    def pool(self) -> int:
        return self.size

    def check(self) -> None: ...

    def read(self) -> Survey:
        self.reads += 1
        holders = {number: "" for number in self.left}
        return self.survey(self.states, holders | {s.id: name for name, s in self.states.items() if s.id})

    def apply(self, tenant: QuotaTenant, survey: Survey) -> None:
        if self.broken == tenant.name:
            raise CommandError(["btrfs", "subvolume", "create"], Completed(1, err="ERROR: no space left"))
        (self.root / tenant.name).mkdir(exist_ok=True)
        self.states[tenant.name] = replace(self.states.get(tenant.name, State()), id=tenant.id, limit=tenant.limit)

    def move(self, source: str, target: str) -> None:
        super().move(source, target)
        self.states[target] = self.states.pop(source)

    def remove(self, place: str, number: int) -> None:
        assert self.states[place].id == number
        remove_tree(self.root / place)
        del self.states[place]
        self.left.append(number)

    def forget(self, number: int) -> str:
        self.left.remove(number)
        return ""


@pytest.fixture
def owners(monkeypatch: pytest.MonkeyPatch) -> dict[int, tuple[int, int]]:
    """Let directories have other owners than who runs the tests; the table has user and group by inode."""
    table: dict[int, tuple[int, int]] = {}
    read = folder.read_folder

    def fchown(descriptor: int, uid: int, gid: int) -> None:
        table[os.fstat(descriptor).st_ino] = uid, gid

    def owned(path: Path) -> folder.Folder | None:
        found = read(path)
        uid, gid = table.get(os.lstat(path).st_ino, (0, 0)) if found else (0, 0)
        return found and replace(found, uid=uid, gid=gid)

    monkeypatch.setattr(os, "fchown", fchown)
    monkeypatch.setattr(folder, "read_folder", owned)
    monkeypatch.setattr(converge, "read_folder", owned)
    monkeypatch.setattr(trash, "read_folder", owned)
    return table


@pytest.fixture
def memory(tmp_path: Path, owners: dict[int, tuple[int, int]]) -> Memory:
    (tmp_path / "nas").mkdir()
    return Memory(tmp_path / "nas")

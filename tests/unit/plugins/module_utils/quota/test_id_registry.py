from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.common import locks
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.base import QuotaError
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.id_registry import (
    FILE,
    only_one,
    read_register,
    write_register,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.patience import PATIENCE

OWNERS = {1: "hans", 2: "maria"}
PROGRAM = """
import sys
import time
from pathlib import Path
from ansible_collections.swissphoto.silo.plugins.module_utils.quota import id_registry as register
root = Path(sys.argv[1])
"""


def python(root: Path, program: str, *arguments: str) -> subprocess.Popen[bytes]:
    """Run a program in a process of its own, with the collection where this one has it."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    argv = [sys.executable, "-c", PROGRAM + program, str(root), *arguments]
    return subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE)


def test_there_is_none_before_the_first_id(tmp_path: Path) -> None:
    assert read_register(tmp_path) == {}


def test_is_written_for_root_alone_and_as_people_read_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_register(tmp_path, {2: "maria", 1: "hans"})
    finally:
        os.umask(before)
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / FILE).read_text(encoding="ascii") == "1 hans\n2 maria\n"


@given(st.dictionaries(st.integers(1, 2**32 - 2), st.from_regex(r"[a-z][a-z0-9]{1,30}", fullmatch=True), max_size=20))
def test_reads_what_it_wrote(tmp_path_factory: pytest.TempPathFactory, owners: dict[int, str]) -> None:
    root = tmp_path_factory.mktemp("nas")
    write_register(root, owners)
    assert read_register(root) == owners


@pytest.mark.parametrize("text", ["1 hans\n2\n", "hans 1\n", "1 hans maria\n", "\n", "1 h\xe4ns\n", "\0\0\0\0"])
def test_a_line_that_cannot_be_read_is_an_error_and_stays(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text, encoding="utf-8")
    with pytest.raises(QuotaError, match=r"/\.silo-ids has a line that is not '<id> <name>': .*from a backup"):
        read_register(tmp_path)
    assert (tmp_path / FILE).read_text(encoding="utf-8") == text


@given(st.binary(max_size=60))
def test_any_bytes_are_a_register_or_an_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    root = tmp_path_factory.mktemp("nas")
    (root / FILE).write_bytes(content)
    try:
        owners = read_register(root)
    except QuotaError:
        return
    assert all(isinstance(number, int) and name for number, name in owners.items())


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_run_that_was_cut_off_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    write_register(tmp_path, OWNERS)

    def cut_off(*_arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
        broken.setattr(*{"fsync": (os, "fsync"), "replace": (Path, "replace")}[step], cut_off)
        write_register(tmp_path, {3: "peter"})
    assert read_register(tmp_path) == OWNERS
    write_register(tmp_path, {**OWNERS, 3: "peter"})
    assert read_register(tmp_path) == {**OWNERS, 3: "peter"}
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_a_run_that_was_killed_at_any_moment_leaves_a_whole_one(tmp_path: Path) -> None:
    writer = """
owners = {number: f"tenant{number}" for number in range(1, 3000)}
while True:
    register.write_register(root, owners)
    print(end="x", flush=True)
    register.write_register(root, {1: "hans"})
"""
    for attempt in range(3):
        process = python(tmp_path, writer)
        assert process.stdout is not None
        assert process.stdout.read(2) == b"xx"
        time.sleep(0.013 * attempt)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=PATIENCE)
        assert len(read_register(tmp_path)) in (1, 2999)


def test_two_runs_at_once_lose_no_id(tmp_path: Path) -> None:
    add = """

for number in range(int(sys.argv[2]), int(sys.argv[2]) + 20):
    with register.only_one(root, 60):
        register.write_register(root, {**register.read_register(root), number: f"tenant{number}"})
"""
    both = [python(tmp_path, add, start) for start in ("1", "21")]
    assert [process.wait(timeout=PATIENCE) for process in both] == [0, 0]
    for process in both:
        process.communicate()
    assert read_register(tmp_path) == {number: f"tenant{number}" for number in range(1, 41)}


def test_waits_for_another_run_until_that_is_killed(tmp_path: Path) -> None:
    process = python(tmp_path, 'with register.only_one(root):\n    print("x", flush=True)\n    time.sleep(600)')
    assert process.stdout is not None
    assert process.stdout.read(1) == b"x"
    killer = threading.Timer(0.3, process.kill)
    killer.start()
    try:
        with only_one(tmp_path, PATIENCE):
            assert process.wait(timeout=PATIENCE) == -signal.SIGKILL
    finally:
        killer.join()
        process.communicate()


def test_names_another_run_that_takes_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "POLL_SECONDS", 0.01)
    begun = time.monotonic()
    with (
        only_one(tmp_path),
        pytest.raises(QuotaError, match=f"another run is changing quotas below {tmp_path}, and did not end within 1 s"),
        only_one(tmp_path, 1),
    ):
        pytest.fail("two runs at once")
    assert 1 <= time.monotonic() - begun < PATIENCE

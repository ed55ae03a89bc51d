"""Locks between processes: waited for, told once, and free when their process ends."""

import contextlib
import subprocess
import sys
import threading
import time

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.common import locks

from tests.unit.patience import PATIENCE

HOLD = """
import fcntl, os, sys, time
handle = os.open(sys.argv[1], os.O_RDONLY)
fcntl.flock(handle, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(60)
"""


@contextlib.contextmanager
def held_by_another(path):
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE)
    try:
        process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(params=["file", "directory"])
def path(request, tmp_path):
    found = tmp_path / "lock"
    found.touch() if request.param == "file" else found.mkdir()
    return found


def test_one_that_is_held_is_not_waited_for(path):
    with held_by_another(path):
        with pytest.raises(locks.LockedError), locks.held(path):
            pytest.fail("two hold it")
        with (
            pytest.raises(ValueError, match="its own words"),
            locks.held(path, busy=lambda: ValueError("its own words")),
        ):
            pytest.fail("two hold it")


@pytest.mark.parametrize("seconds", [30, None])
def test_it_is_free_when_its_holder_is_killed_and_the_wait_is_told_once(path, seconds):
    told = []
    with held_by_another(path) as process:
        threading.Timer(0.3, process.kill).start()
        begun = time.monotonic()
        with locks.held(path, seconds, waiting=lambda: told.append("waits")):
            assert time.monotonic() - begun > 0.2
    assert told == ["waits"]


def test_the_wait_ends(path):
    with held_by_another(path):
        begun = time.monotonic()
        with pytest.raises(locks.LockedError), locks.held(path, 0.3):
            pytest.fail("two hold it")
        assert 0.3 <= time.monotonic() - begun < PATIENCE


def test_a_file_is_made_and_no_link_followed(tmp_path):
    with locks.held(tmp_path / "new", mode=0o600):
        assert (tmp_path / "new").stat().st_mode & 0o777 == 0o600
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"), locks.held(tmp_path / "link"):
        pytest.fail("it was followed")
    assert not (tmp_path / "elsewhere").exists()


def test_an_error_inside_frees_it(path):
    with pytest.raises(KeyError), locks.held(path):
        raise KeyError
    with locks.held(path):
        pass

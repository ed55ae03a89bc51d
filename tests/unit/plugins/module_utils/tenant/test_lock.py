"""One apply at a time: the second waits, and says so when it has waited too long."""

import subprocess
import sys
import threading
import time

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant import lock
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.stack import StackError

HOLD = """
import fcntl, sys, time
with open(sys.argv[1], "w") as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def other_run(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "lock")], stdout=subprocess.PIPE)
    process.stdout.readline()
    yield process
    process.kill()
    process.wait()


def test_a_run_that_has_waited_too_long_says_so(tmp_path, other_run):
    with (
        pytest.raises(StackError, match="another apply is running on this server"),
        lock.held(tmp_path / "lock", 0.3),
    ):
        pass


def test_a_run_that_waits_goes_on_when_the_other_is_killed(tmp_path, other_run):
    threading.Timer(0.3, other_run.kill).start()
    begun = time.monotonic()
    with lock.held(tmp_path / "lock", 30):
        assert time.monotonic() - begun > 0.2


def test_it_is_free_again_afterwards(tmp_path):
    for _attempt in range(2):
        with lock.held(tmp_path / "lock", 0):
            pass


def test_who_must_not_wait_knows_the_lock_from_other_faults(tmp_path, other_run):
    with pytest.raises(lock.LockedError), lock.held(tmp_path / "lock", 0):
        pass

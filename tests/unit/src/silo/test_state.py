"""What silo keeps beside an inventory: for its owner alone, whole, and one run at a time."""

import os
import subprocess
import sys
import threading

import pytest

from silo.state import BusyError, State
from tests.unit.patience import PATIENCE


def test_nobody_else_looks_into_it_and_git_does_not_see_it(tmp_path):
    state = State(tmp_path)
    assert state.folder.stat().st_mode & 0o777 == 0o700
    (state.folder / "outbox.db").write_text("")
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    status = subprocess.run(["git", "-C", tmp_path, "status", "--porcelain"], capture_output=True, check=True)
    assert status.stdout == b""


def test_durations_are_kept_task_by_task(tmp_path):
    state = State(tmp_path)
    assert state.durations() == {}
    state.keep_durations({"a": 1.5, "b": 2})
    state.keep_durations({"b": 3})
    assert State(tmp_path).durations() == {"a": 1.5, "b": 3}


@pytest.mark.parametrize("text", ["", "{", "[]", '"a"'])
def test_durations_that_cannot_be_read_are_none(tmp_path, text):
    state = State(tmp_path)
    (state.folder / "durations.json").write_text(text)
    assert state.durations() == {}


def test_one_run_waits_for_the_other_and_is_told_so(tmp_path):
    state, told, order = State(tmp_path), [], []

    def second():
        with state.turn(told.append):
            order.append("second")

    with state.turn():
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.5)
        order.append("first")
    thread.join(PATIENCE)
    assert order == ["first", "second"]
    assert told == [f"Another run (process {os.getpid()}) is changing the same machines; waiting for its end."]


def test_who_waits_too_long_is_told(tmp_path):
    state = State(tmp_path)
    busy = pytest.raises(BusyError, match="is changing the same machines, and did not end within 0 s; try again later")
    with state.turn(), busy, state.turn(wait_seconds=0.3):
        pytest.fail("two runs at once")


def test_a_run_that_lost_its_parent_still_holds_the_lock(tmp_path):
    """As ansible-playbook does when silo is killed."""
    state = State(tmp_path)
    with state.turn() as lock:
        orphan = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)"], pass_fds=(lock,))
    try:
        with pytest.raises(BusyError), state.turn(wait_seconds=0.3):
            pytest.fail("two runs at once")
    finally:
        orphan.kill()
        orphan.wait()
    with state.turn(wait_seconds=5):
        pass

"""Commands that fail, hang, flood, or are not there."""

import sys
import time
from pathlib import Path

from ansible_collections.swissphoto.silo.plugins.module_utils.usage.bounded import LIMIT, ask

from tests.unit.patience import LONGER, PATIENCE


def test_what_is_printed_comes_back():
    assert ask(("cat",), "hans\n", PATIENCE) == "hans\n"


def test_what_was_printed_before_a_failure_is_as_good_as_ever():
    assert ask(("sh", "-c", "echo size; exit 3"), "", PATIENCE) == "size\n"


def test_a_command_that_is_not_there_prints_nothing():
    assert ask(("silo-has-no-such-command",), "", PATIENCE) == ""


def test_what_hangs_is_cut_off_with_all_that_it_started(tmp_path):
    file = tmp_path / "pid"
    begin = time.monotonic()
    # The child of the shell keeps the pipe open.
    assert ask(("sh", "-c", f"echo size; sleep 600 & echo $! > {file}; wait"), "", 0.5) == "size\n"
    assert time.monotonic() - begin < PATIENCE
    child = int(file.read_text())
    # A signal that was sent is on its way for a moment.
    while time.monotonic() - begin < 2 * PATIENCE and not has_ended(child):
        time.sleep(0.05)
    assert has_ended(child)


def has_ended(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_a_flood_is_read_no_further_than_its_limit():
    begin = time.monotonic()
    assert len(ask(("yes",), "", LONGER)) == LIMIT
    assert time.monotonic() - begin < PATIENCE


def test_one_who_does_not_read_what_it_is_told_is_no_error():
    assert ask((sys.executable, "-c", "print('done')"), "x" * 1024**2, PATIENCE) == "done\n"


def test_one_who_neither_reads_nor_ends_is_cut_off():
    begin = time.monotonic()
    assert ask(("sleep", "600"), "x" * 1024**2, 0.5) == ""
    assert time.monotonic() - begin < PATIENCE


def test_nothing_stays_open():
    descriptors = Path("/proc/self/fd")
    before = len(list(descriptors.iterdir()))
    for _ in range(5):
        ask(("true",), "", PATIENCE)
    assert len(list(descriptors.iterdir())) == before

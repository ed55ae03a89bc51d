"""The memory of the stand-in for the photo server: that of the real one as it was measured, in MiB."""

import subprocess
import sys

import pytest
from photo_server import memory
from photo_server.costs import NONE, REAL, is_tight
from photo_server.memory import Memory


@pytest.fixture
def at_work(monkeypatch):
    """Gives a memory that takes no pages."""
    monkeypatch.setattr(Memory, "settle", lambda _: None)

    def make(costs=REAL, purges=True, tight=True):
        return Memory(costs.memory, purges, tight)

    return make


def test_a_second_start_idles_far_below_its_limit(at_work):
    assert 610 <= at_work().level() <= 660


def test_the_import_takes_almost_all_of_a_gigabyte_and_leaves_some_behind(at_work):
    server = at_work()
    with server.importing():
        assert 900 <= server.level() <= 1000
        with server.upload():
            assert server.level() > 1024
    assert 800 <= server.level() <= 890


def test_the_import_takes_more_where_there_is_more(at_work):
    server = at_work(tight=False)
    with server.importing():
        assert server.level() == 1453


def test_one_job_at_a_time_fits_into_a_gigabyte_and_three_do_not(at_work):
    server = at_work()
    with server.job():
        assert 887 <= server.level() <= 903
        with server.job(), server.job():
            assert 1024 < server.level() < 1463
    assert server.level() == REAL.memory.idle


def test_a_photo_and_a_dump_fit_into_a_gigabyte_and_a_film_beside_them_does_not(at_work):
    server = at_work()
    with server.job(), server.upload(), server.dump():
        assert server.level() < 1024
        with server.video():
            assert 1024 < server.level() < 1536
    with server.video(), server.upload():
        assert server.level() < 1024
    assert server.level() == REAL.memory.idle
    with server.importing(), server.video():
        assert server.level() > 1024


def test_an_allocator_that_keeps_what_is_freed_does_not_stay_in_a_gigabyte(at_work):
    server = at_work(purges=False)
    highest = 0
    for _ in range(200):
        with server.job():
            highest = max(highest, server.level())
    assert 1024 < highest <= 1065


def test_without_costs_it_has_what_it_needs_itself(at_work):
    server = at_work(NONE)
    with server.importing(), server.job(), server.upload(), server.video(), server.dump():
        assert server.level() == 0


def test_a_limit_is_tight_where_the_import_keeps_itself_small(tmp_path):
    limit = tmp_path / "memory.max"
    answers = {}
    for text in (str(1024**3), str(3 * 1024**3), "max"):
        limit.write_text(f"{text}\n")
        answers[text] = is_tight([tmp_path / "nowhere", limit])
    assert answers == {str(1024**3): True, str(3 * 1024**3): False, "max": False}
    assert not is_tight([tmp_path / "nowhere"])


GROW = """
from photo_server.costs import MemoryCosts
from photo_server.memory import Memory, resident
server = Memory(MemoryCosts(idle=96, job=64), True, True)
server.settle()
print(resident())
with server.job():
    print(resident())
print(resident())
"""


def test_the_kernel_counts_it():
    root = memory.__file__.rpartition("/photo_server/")[0]
    command = (sys.executable, "-c", GROW)
    told = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True, timeout=60).stdout.split()
    idle, busy, after = (int(size) for size in told)
    assert (88 <= idle <= 96, 152 <= busy <= 160, 88 <= after <= 104) == (True, True, True)

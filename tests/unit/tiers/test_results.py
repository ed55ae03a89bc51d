"""What is written down of each test, what is left out with its reason, and the table of durations."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tiers import results
from tests.tiers.parts import Part
from tests.tiers.results import Tried
from tests.tiers.run import Ended

ROOT = Path(__file__).parents[3]
TESTS = """
import pytest

def test_passes():
    pass

def test_fails():
    assert 1 == 2

@pytest.mark.slow("all points of a kill take ten minutes")
def test_slow():
    pass

@pytest.mark.long("a year of thirty customers")
def test_long():
    pass

@pytest.fixture
def broken():
    yield
    raise OSError

def test_is_not_restored(broken):
    pass

def test_elsewhere():
    pytest.skip("not here")
"""


def run(directory, *arguments):
    (directory / "test_some.py").write_text(TESTS)
    plugins = ("-p", "tests.tiers.slow", "-p", "tests.tiers.results", "-p", "no:cacheprovider")
    command = [sys.executable, "-m", "pytest", "-q", *plugins, "-c", "pyproject.toml"]
    command += ["--rootdir", str(directory)]
    reports = directory / "reports"
    reports.mkdir()
    environment = {**os.environ, **results.environment(reports), "PYTEST_ADDOPTS": ""}
    ended = subprocess.run(
        [*command, str(directory / "test_some.py"), *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.stdout, {one.test.rpartition("::")[2]: one for one in results.read(reports)}


@pytest.mark.parametrize("processes", ["0", "2"])
def test_each_test_is_written_down_once_with_how_it_went(tmp_path, processes):
    _said, seen = run(tmp_path, "-n", processes)
    assert {name: one.outcome for name, one in seen.items()} == {
        "test_passes": "passed",
        "test_fails": "failed",
        "test_slow": "skipped",
        "test_long": "passed",
        "test_is_not_restored": "failed",
        "test_elsewhere": "skipped",
    }
    assert seen["test_elsewhere"].reason == "Skipped: not here"
    assert seen["test_slow"].slow == "all points of a kill take ten minutes"
    assert seen["test_passes"].file == "test_some.py"


def test_what_is_slow_runs_when_it_is_asked_for(tmp_path):
    said, seen = run(tmp_path, "-n", "0", "--slow")
    assert seen["test_slow"].outcome == "passed"
    assert seen["test_slow"].slow
    assert "make test-all" not in said


def test_what_is_long_is_left_out_where_only_a_moment_is_there(tmp_path):
    said, seen = run(tmp_path, "-n", "0", "--quick", "-rs")
    assert seen["test_long"].outcome == "skipped"
    assert "long: a year of thirty customers; make test runs it" in said


def test_the_list_of_what_is_left_out_is_the_same_in_both_tiers():
    seen = [Tried("a.py::test_a", slow="it reboots four times"), Tried("a.py::test_b")]
    left = results.left_out(seen, is_run=False, storage=False)
    ran = results.left_out(seen, is_run=True, storage=True)
    assert left.splitlines()[2:] == ran.splitlines()[2:]
    assert "a.py::test_a: it reboots four times" in left
    assert "test_b" not in left
    assert "tests/vm" in left
    assert "tests/vm" not in results.left_out(seen, is_run=False, storage=True)


def test_durations_are_a_table_of_files_the_longest_first():
    seen = [Tried("a.py::test_a", 1.0), Tried("b.py::test_a", 9.04), Tried("a.py::test_b", 2.5)]
    assert results.durations(seen).splitlines()[2:] == ["| `b.py` | 1 | 9.0 |", "| `a.py` | 2 | 3.5 |"]


def test_the_last_line_has_the_numbers_and_what_failed_is_named():
    ended = [Ended(Part("lint", []), 12.2), Ended(Part("unit", []), 3.0, "'pytest' ended with 1")]
    seen = [
        Tried("a.py::test_a"),
        Tried("a.py::test_b", outcome="failed", reason="assert 1"),
        Tried("a.py::test_c", outcome="skipped"),
    ]
    lines = results.summary(ended, seen, "12:00").splitlines()
    assert lines[-1] == "1 passed, 1 failed, 1 skipped"
    assert "  a.py::test_b: assert 1" in lines
    assert "  unit           3  FAILED: 'pytest' ended with 1" in lines

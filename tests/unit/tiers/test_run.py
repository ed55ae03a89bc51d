"""Parts run side by side; what fails keeps only those from running that need it; what is ended ends whole."""

import threading
import time
from pathlib import Path

import pytest

from tests.tiers.parts import Part
from tests.tiers.run import Runner
from tests.unit.patience import PATIENCE


def shell(script):
    return ("sh", "-euc", script)


@pytest.fixture
def said():
    return []


@pytest.fixture
def runner(tmp_path, said):
    return Runner(tmp_path / "logs", {"WORK": str(tmp_path)}, said.append)


def wait_until(check):
    end = time.monotonic() + PATIENCE
    while not check():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_parts_run_at_the_same_time(runner):
    # Each waits for what the other makes.
    wait = 'for _ in $(seq 1200); do [ ! -e "$WORK/{}" ] || exit 0; sleep 0.05; done; exit 9'
    parts = [
        Part("a", [shell(f'touch "$WORK/a"; {wait.format("b")}')]),
        Part("b", [shell(f'touch "$WORK/b"; {wait.format("a")}')]),
    ]
    assert [ended.passed for ended in runner.run(parts)] == [True, True]


def test_commands_of_a_part_run_one_after_the_other_until_one_fails(runner, tmp_path, said):
    part = Part("a", [shell("echo first"), shell("echo second >&2; exit 3"), shell(f"touch {tmp_path}/third")])
    (ended,) = runner.run([part])
    assert (ended.passed, "ended with 3" in ended.problem) == (False, True)
    assert runner.log_of(part).read_text() == "first\nsecond\n"
    assert not (tmp_path / "third").exists()
    assert said[0] == "  a begins"
    assert said[-1].startswith("  a FAILED: 'sh -euc echo second")


def test_what_needs_a_part_that_failed_is_not_run_and_what_stands_behind_it_is(runner, tmp_path):
    parts = [
        Part("lab", [shell("exit 1")]),
        Part("tenants", [shell(f"touch {tmp_path}/tenants")], needs=("lab",)),
        Part("last", [shell("true")], needs=("tenants",)),
        Part("unit", [shell(f"touch {tmp_path}/unit")], behind=("lab",)),
    ]
    lab, tenants, last, unit = runner.run(parts)
    assert (lab.passed, unit.passed) == (False, True)
    assert tenants.problem == "not run, because it needs lab"
    assert last.problem == "not run, because it needs tenants"
    assert not (tmp_path / "tenants").exists()


def test_a_part_has_its_own_environment_and_no_input(runner):
    part = Part("a", [shell('echo "$SILO_LAB $WORK"; read -r line || echo nothing')], env={"SILO_LAB": "silo-test-a"})
    runner.run([part])
    assert runner.last_lines(part) == [f"silo-test-a {runner.logs.parent}", "nothing"]


def test_a_part_that_hangs_is_ended_and_says_so(runner, tmp_path, said):
    hangs = Part("a", [shell(f"echo begun; sleep 600 & echo $! >{tmp_path}/child; wait"), shell("true")], limit=1)
    start = time.monotonic()
    (ended,) = runner.run([hangs])
    assert time.monotonic() - start < PATIENCE
    assert ended.problem == f"it was stopped 1 s after the run began; see {runner.log_of(hangs)}"
    assert runner.last_lines(hangs) == ["begun"]
    wait_until(lambda: not _lives((tmp_path / "child").read_text().strip()))


def test_a_part_that_begins_late_has_what_is_left_of_the_run(runner):
    late = Part("late", [shell("sleep 600")], behind=("first",), limit=4)
    first, ended = runner.run([Part("first", [shell("sleep 3")]), late])
    assert first.passed
    assert ended.seconds < 3.5
    assert "4 s after the run began" in ended.problem


def test_what_is_ended_takes_its_children_along_and_begins_nothing_new(runner, tmp_path):
    parts = [
        Part("a", [shell(f"sleep 600 & echo $! >{tmp_path}/child; wait"), shell(f"touch {tmp_path}/next")]),
        Part("b", [shell(f"touch {tmp_path}/b")], behind=("a",)),
    ]
    ended = []
    thread = threading.Thread(target=lambda: ended.extend(runner.run(parts)))
    thread.start()
    wait_until(lambda: (tmp_path / "child").exists() and (tmp_path / "child").read_text().endswith("\n"))
    runner.stop()
    thread.join(PATIENCE)
    assert [one.problem for one in ended] == ["it was stopped", "it was stopped"]
    child = (tmp_path / "child").read_text().strip()
    wait_until(lambda: not _lives(child))
    assert not (tmp_path / "next").exists()
    assert not (tmp_path / "b").exists()


def _lives(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_what_takes_long_is_named_meanwhile(tmp_path, said, monkeypatch):
    monkeypatch.setattr("tests.tiers.run.HEARTBEAT", 0.1)
    Runner(tmp_path, {}, said.append).run([Part("slow", [shell("sleep 0.5")])])
    assert "  still running: slow" in said

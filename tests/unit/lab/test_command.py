import sys
import time
from pathlib import Path

import pytest

from tests.lab.command import LabError, LocalMachine, Result, failure

PYTHON = sys.executable


def test_output_and_code_come_back():
    ended = LocalMachine().run(
        PYTHON, "-c", "import sys; print(sys.stdin.read()); sys.exit(3)", stdin=b"hello", check=False
    )
    assert (ended.code, ended.stdout) == (3, "hello\n")


def test_a_failure_names_command_code_and_last_words():
    with pytest.raises(LabError) as caught:
        LocalMachine().run(PYTHON, "-c", "import sys; sys.exit('no room left')")
    assert "ended with code 1" in str(caught.value)
    assert "no room left" in str(caught.value)


def test_a_missing_program_is_an_error_like_any_other():
    assert LocalMachine().run("no-such-program", check=False).code == 127


def test_a_failure_is_short_whatever_the_command():
    error = str(failure(["sh", "-c", "x\n" * 1000], Result(1, "", "\n".join(str(number) for number in range(100)))))
    assert len(error.splitlines()) == 9
    assert error.endswith("99")


def test_a_pipe_passes_bytes_on():
    assert LocalMachine().pipe(["printf", "abc"], ["tr", "a-c", "x-z"]) == "xyz"


@pytest.mark.parametrize(("source", "sink"), [(["false"], ["cat"]), (["true"], ["false"])])
def test_a_pipe_fails_where_either_end_does(source, sink):
    with pytest.raises(LabError, match="false"):
        LocalMachine().pipe(source, sink)


def test_a_pipe_whose_sink_is_gone_does_not_hang():
    with pytest.raises(LabError, match="code 1"):
        LocalMachine().pipe(["yes"], ["false"])


def test_a_daemon_is_started_in_a_session_of_its_own(tmp_path):
    code = "import os; print(os.getpid() == os.getsid(0), flush=True)"
    log = tmp_path / "log"
    LocalMachine().start([PYTHON, "-c", code], log)
    deadline = time.time() + 10
    while not Path(log).read_text().endswith("\n") and time.time() < deadline:
        time.sleep(0.05)
    assert log.read_text() == "True\n"

"""A question at a terminal: answered when it comes, and never waited for without an end."""

import sys
import time

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.access import pty_session
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.stack import StackError

# Slow, so that an answer that is typed too early would be lost, and silent about what a pipe says.
TOOL = """
import pathlib, sys, termios, time
assert sys.stdin.isatty() and sys.stdout.isatty()
print("- Email=hans@example.ch", flush=True)
time.sleep(0.3)
termios.tcflush(sys.stdin, termios.TCIFLUSH)
pathlib.Path(sys.argv[1]).write_text(input("? new password "))
print("it has been updated", flush=True)
"""
ENDS = ("has been updated", "Unable")


def tool(*parts):
    return [sys.executable, "-c", *parts]


def test_the_question_is_answered_at_a_terminal(tmp_path):
    said = pty_session.hold(tool(TOOL, str(tmp_path / "answer")), "new password", "Asecret", ENDS, 20)
    assert said.startswith("- Email=hans@example.ch\r\n")
    assert "Asecret" not in said
    assert (tmp_path / "answer").read_text() == "Asecret"


def test_one_that_does_not_go_away_when_it_is_done_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(pty_session, "SECONDS_TO_END", 0.2)
    started = time.monotonic()
    pty_session.hold(tool(TOOL + "time.sleep(60)", str(tmp_path / "answer")), "new password", "Asecret", ENDS, 20)
    assert time.monotonic() - started < 10
    assert (tmp_path / "answer").read_text() == "Asecret"


def test_one_that_never_asks_is_told():
    assert pty_session.hold(tool("print('no admin')"), "new password", "Asecret", ENDS, 20) == "no admin\r\n"


def test_one_that_does_not_end_is_ended():
    with pytest.raises(StackError, match="did not end in time; run again"):
        pty_session.hold(tool("import time; time.sleep(60)"), "new password", "Asecret", ENDS, 0.5)

"""A question at a terminal: answered when it comes, and never waited for without an end."""

import sys
import time
from pathlib import Path

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.access import pty_session
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.stack import StackError

from tests.unit.patience import LONGER, PATIENCE

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
    said = pty_session.hold(tool(TOOL, str(tmp_path / "answer")), "new password", "Asecret", ENDS, PATIENCE)
    assert said.startswith("- Email=hans@example.ch\r\n")
    assert "Asecret" not in said
    assert (tmp_path / "answer").read_text() == "Asecret"


def test_one_that_does_not_go_away_when_it_is_done_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(pty_session, "SECONDS_TO_END", 0.2)
    started = time.monotonic()
    pty_session.hold(
        tool(TOOL + "time.sleep(600)", str(tmp_path / "answer")), "new password", "Asecret", ENDS, PATIENCE
    )
    assert time.monotonic() - started < PATIENCE
    assert (tmp_path / "answer").read_text() == "Asecret"


def test_one_that_never_asks_is_told():
    assert pty_session.hold(tool("print('no admin')"), "new password", "Asecret", ENDS, PATIENCE) == "no admin\r\n"


def test_one_that_does_not_end_is_ended():
    with pytest.raises(StackError, match="did not end in time; run again"):
        pty_session.hold(tool("import time; time.sleep(600)"), "new password", "Asecret", ENDS, 0.5)


def test_a_flood_is_cut_off_with_all_that_it_started(tmp_path):
    begin = time.monotonic()
    file = tmp_path / "pid"
    flood = f"import subprocess; child = subprocess.Popen(['sleep', '600']); open({str(file)!r}, 'w').write("
    flood += "str(child.pid))\nwhile True: print('x' * 1000)"
    with pytest.raises(StackError, match="says more than 65536 bytes, which no dialogue needs"):
        pty_session.hold(tool(flood), "new password", "Asecret", ENDS, LONGER)
    assert time.monotonic() - begin < PATIENCE
    status = Path(f"/proc/{file.read_text()}/stat")
    for _ in range(100):
        if not status.exists() or status.read_text().split()[2] == "Z":
            return
        time.sleep(0.05)
    raise AssertionError("the child goes on")

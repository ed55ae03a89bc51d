# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs a command that prompts at a terminal, on a pseudo-terminal, and answers the prompt."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time

from ..tenant.stack import StackError

SECONDS = 180
SECONDS_TO_END = 10
# A dialogue has a few hundred bytes; the program is the tenant's own, and may say anything.
LARGEST = 64 * 1024


def hold(command: list[str], question: str, answer: str, ends: tuple[str, ...], seconds: float = SECONDS) -> str:
    """Run `command`, type `answer` when `question` appears, and return the output before that.

    The session ends when one of `ends` appears or the command ends. Output after the question echoes the answer, so it
    is dropped. The command is killed with all that it has started. Raises StackError if it has not ended after
    `seconds`, or says more than LARGEST bytes.
    """
    ours, theirs = pty.openpty()
    # Wide, so that no line is broken.
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 250, 0, 0))
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    deadline = time.monotonic() + seconds
    try:
        said = _read(ours, (question,), command, deadline)
        if question in said:
            os.write(ours, f"{answer}\r".encode())
            _read(ours, ends, command, deadline)
        process.wait(SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        pass  # it has printed that it is done
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(SECONDS_TO_END)
        os.close(ours)
    return said


def _read(terminal: int, texts: tuple[str, ...], command: list[str], deadline: float) -> str:
    """Return the output up to one of `texts`, or up to its end."""
    said = bytearray()
    while not any(text.encode() in said for text in texts):
        if len(said) > LARGEST:
            raise StackError(f"{command[-1]} says more than {LARGEST} bytes, which no dialogue needs")
        if not select.select([terminal], [], [], max(0, deadline - time.monotonic()))[0]:
            raise StackError(f"{command[-1]} did not end in time; run again")
        try:
            part = os.read(terminal, 4096)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        said += part
    return said.decode(errors="replace")

# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A command of which neither the time nor the output can grow without end, whatever a tenant makes of it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import typing as t
from collections.abc import Sequence

LIMIT = 64 * 1024

Ask = t.Callable[[Sequence[str], str, float], str]


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def ask(command: Sequence[str], text: str, seconds: float) -> str:
    """Return what `command`, fed with `text`, prints: its first LIMIT bytes, and no more than comes within `seconds`.

    Its exit code tells nothing: what it printed before it failed or was cut off is as good as ever. A command that is
    not there prints nothing.
    """
    try:
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        return ""
    watch = threading.Timer(seconds, _kill, (process,))
    watch.start()
    with process:
        try:
            if process.stdin is None or process.stdout is None:  # both were asked for
                return ""
            with contextlib.suppress(BrokenPipeError), process.stdin:
                process.stdin.write(text.encode())
            return process.stdout.read(LIMIT).decode(errors="replace")
        finally:
            watch.cancel()
            # Before it is waited for, its number is nobody else's.
            _kill(process)

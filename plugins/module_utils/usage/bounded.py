# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs a command with a limit of time and output, which hold even if a tenant controls its output."""

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
    """Run `command` with `text` as its input; return the first LIMIT bytes that it prints within `seconds`.

    The exit code is ignored: output before a failure or a timeout is valid. A missing command prints nothing.
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
            if process.stdin is None or process.stdout is None:  # both are pipes
                return ""
            with contextlib.suppress(BrokenPipeError), process.stdin:
                process.stdin.write(text.encode())
            return process.stdout.read(LIMIT).decode(errors="replace")
        finally:
            watch.cancel()
            # No other process can have its pid before it is waited for.
            _kill(process)

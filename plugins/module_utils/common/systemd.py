# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Messages of silo's programs to systemd and its journal."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path

# Priorities as systemd reads them from the beginning of a line.
WARNING, NOTICE = "<4>", "<5>"


def is_news(text: str, memory: Path) -> bool:
    """Return whether `text` differs from the last one in the file `memory`, and store it there.

    A timer's program thus prints a message once. The file is not flushed: a power cut costs one repeated line at most.
    """
    if text == (memory.read_text(encoding="utf-8", errors="replace") if memory.exists() else ""):
        return False
    memory.write_text(text, encoding="utf-8")
    return True


def notify(state: str) -> None:
    """Send systemd a state such as READY=1, if it listens; a failure is ignored."""
    if address := os.environ.get("NOTIFY_SOCKET"):
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.connect(address.replace("@", "\0", 1))
            channel.send(state.encode())

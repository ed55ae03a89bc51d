# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a program of ours tells systemd."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path

# Priorities as systemd reads them from the beginning of a line.
WARNING, NOTICE = "<4>", "<5>"


def is_news(text: str, memory: Path) -> bool:
    """Whether a timer's program has to say `text`: not where it said the same last, by the file `memory`, written anew.

    Torn by a power cut, the file costs one repeated line, so it is not put on the disk.
    """
    if text == (memory.read_text(encoding="utf-8", errors="replace") if memory.exists() else ""):
        return False
    memory.write_text(text, encoding="utf-8")
    return True


def notify(state: str) -> None:
    """Tell systemd a state such as READY=1, where it listens; whether it hears it is no concern of the program."""
    if address := os.environ.get("NOTIFY_SOCKET"):
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.connect(address.replace("@", "\0", 1))
            channel.send(state.encode())

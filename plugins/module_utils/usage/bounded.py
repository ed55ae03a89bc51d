# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs a command with a limit of time and output, and takes whatever it has said by then."""

from __future__ import annotations

import os
import typing as t
from collections.abc import Sequence

from ..common import process

LIMIT = 64 * 1024

Ask = t.Callable[[Sequence[str], str, float], str]


def ask(command: Sequence[str], text: str, seconds: float) -> str:
    """Run `command` with `text` as its input; return the first LIMIT bytes that it prints within `seconds`.

    The exit code is ignored: output before a failure or a timeout is valid. A missing command prints nothing.
    """
    try:
        return process.run(command, seconds=seconds, environment=os.environ, text=text, largest=LIMIT).out
    except OSError:
        return ""

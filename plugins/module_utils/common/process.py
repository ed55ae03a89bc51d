# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one way to run a program: it ends in time with all that it started, and what it says is bounded."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import selectors
import signal
import subprocess
import time
import typing as t
from collections.abc import Mapping, Sequence
from pathlib import Path

LARGEST = 1024**2
# Of a stream whose end is kept, so much is read.
FLOOD = 64 * 1024**2
BLOCK = 64 * 1024
# How often to look whether a program has ended, where it is silent.
PEEK_SECONDS = 0.1
# How long the streams of a program that has ended are read.
LAST_SECONDS = 1.0
# A process in the kernel, such as one that waits for a NAS, does not end when it is killed; it is left behind.
KILL_SECONDS = 1.0


@dataclasses.dataclass(frozen=True)
class Completed:
    """The result of a command: exit code, standard output, standard error.

    `stopped` says why it was killed before its end, such as "did not end within 60 s"; it is empty otherwise.
    """

    rc: int
    out: str = ""
    err: str = ""
    stopped: str = ""


class _Stream:
    """What a program says: its beginning up to a limit, or its end."""

    def __init__(self, largest: int, tail: bool) -> None:
        self._largest, self._tail = largest, tail
        self._kept, self._total = bytearray(), 0

    def add(self, part: bytes) -> None:
        self._total += len(part)
        if self._tail:
            self._kept += part
            del self._kept[: -2 * self._largest]
        else:
            self._kept += part[: self._largest - len(self._kept)]

    @property
    def is_over(self) -> bool:
        return self._total > (max(FLOOD, self._largest) if self._tail else self._largest)

    @property
    def text(self) -> str:
        kept = self._kept[-self._largest :] if self._tail else self._kept
        return kept.decode(errors="replace")


def run(
    argv: Sequence[str],
    *,
    seconds: float,
    environment: Mapping[str, str],
    text: str = "",
    largest: int = LARGEST,
    tail: bool = False,
    grace: float = 0.0,
    directory: Path | None = None,
    user: int | None = None,
    umask: int = -1,
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.PIPE,
) -> Completed:
    """Run a command without a shell for at most `seconds`, and return what it said.

    It gets `environment` alone, and `text` as its input, or the descriptor `stdin`. It runs in `directory` with
    `umask`, as `user` (also the number of its group) if that is another than this process's. Of each of its two
    streams at most `largest` bytes are kept: the beginning, and a command that says more is killed; with `tail`, the
    end. Its output goes to the descriptor `stdout` instead if there is one. A command that is late is told to end, if
    it has `grace` (seconds), and is then killed; so is what it leaves running in its process group, however it ended.
    Raises OSError if the command cannot be started.
    """
    deadline = time.monotonic() + seconds
    identity: dict[str, t.Any] = {}
    if user is not None and user != os.geteuid():
        identity = {"user": user, "group": user, "extra_groups": ()}
    process = subprocess.Popen(
        list(argv),
        cwd=directory,
        env=dict(environment),
        stdin=subprocess.PIPE if text else stdin,
        stdout=stdout,
        stderr=subprocess.PIPE,
        umask=umask,
        start_new_session=True,
        **identity,
    )
    pipes = (process.stdout, process.stderr)
    streams = {pipe: _Stream(largest, tail) for pipe in pipes if pipe}
    stopped = f"did not end within {seconds:g} s"
    try:
        if _listen(process, streams, text.encode(), deadline):
            stopped = "said more than is taken"
        elif _has_ended_by(process, deadline):
            stopped = ""
    finally:
        _end(process, grace if stopped else 0)
        for pipe in filter(None, (process.stdin, *pipes)):
            pipe.close()
    out, err = (streams[pipe].text if pipe else "" for pipe in pipes)
    return Completed(-signal.SIGKILL if process.returncode is None else process.returncode, out, err, stopped)


def _listen(
    process: subprocess.Popen[bytes], streams: Mapping[t.IO[bytes], _Stream], text: bytes, deadline: float
) -> bool:
    """Exchange text until all is said, or the deadline; return whether it is more than is taken."""
    has_ended = False
    with selectors.DefaultSelector() as selector:
        for pipe in streams:
            selector.register(pipe, selectors.EVENT_READ)
        if process.stdin:
            os.set_blocking(process.stdin.fileno(), False)
            selector.register(process.stdin, selectors.EVENT_WRITE)
        left = memoryview(text)
        while selector.get_map():
            ready = selector.select(max(0.0, min(PEEK_SECONDS, deadline - time.monotonic())))
            for key, _events in ready:
                pipe = t.cast("t.IO[bytes]", key.fileobj)
                if pipe is process.stdin:
                    left = _write(pipe, left)
                    is_done = not left
                else:
                    is_done = not _read(pipe, streams[pipe])
                    if streams[pipe].is_over:
                        return True
                if is_done:
                    selector.unregister(pipe)
                    pipe.close()
            if (has_ended and not ready) or time.monotonic() >= deadline:
                break
            if not has_ended and _has_ended(process):
                # What it left running may keep its streams open, and go on to speak.
                has_ended, deadline = True, min(deadline, time.monotonic() + LAST_SECONDS)
    return False


def _read(pipe: t.IO[bytes], stream: _Stream) -> bool:
    part = os.read(pipe.fileno(), BLOCK)
    stream.add(part)
    return bool(part)


def _write(pipe: t.IO[bytes], left: memoryview) -> memoryview:
    try:
        return left[os.write(pipe.fileno(), left[:BLOCK]) :]
    except BlockingIOError:
        return left
    except BrokenPipeError:  # a command need not read all that it is told
        return left[len(left) :]


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether the program has ended; its number stays its own, so that its group can still be killed."""
    try:
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def _has_ended_by(process: subprocess.Popen[bytes], deadline: float) -> bool:
    pause = 0.0005
    while not _has_ended(process):
        if time.monotonic() >= deadline:
            return False
        time.sleep(min(pause, max(0.0, deadline - time.monotonic())))
        pause = min(2 * pause, 0.05)
    return True


def _end(process: subprocess.Popen[bytes], grace: float) -> None:
    if grace and _signal(process, signal.SIGTERM):
        _has_ended_by(process, time.monotonic() + grace)
    _signal(process, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(KILL_SECONDS)


def _signal(process: subprocess.Popen[bytes], sign: signal.Signals) -> bool:
    try:
        os.killpg(process.pid, sign)
    except (ProcessLookupError, PermissionError):
        return False
    return True

"""Processes that start in milliseconds: one process reads the modules, and each one that a test starts is its fork.

A fork keeps to itself what it learns, as each question to Ansible needs it; it has its own environment, ends with a
code, and can be killed.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[2]
LIMIT_BYTES = 1 << 20
PR_SET_PDEATHSIG = 1
File = IO[bytes] | socket.socket
Target = Callable[[list[str]], object]


class Fork:
    """A fork, used as a `subprocess.Popen` is; `opened` is where it reads its questions and answers them."""

    def __init__(self, status: int, opened: socket.socket | None = None) -> None:
        """`status` is a pipe into which it writes its number, and at its end its code."""
        self._status, self._opened = os.fdopen(status), opened
        self.pid = int(self._status.readline())
        # A pipe says too early that it has ended: a process closes its files one after the other, and what comes after
        # the pipe, such as a lock, it still has then.
        self._end: int | None = None
        with contextlib.suppress(ProcessLookupError):
            self._end = os.pidfd_open(self.pid)
        self.returncode: int | None = None
        if opened:
            self.stdin, self.stdout = opened.makefile("w"), opened.makefile("r")

    def kill(self) -> None:
        """End it at once, and whoever waits for an answer of it."""
        if not self._has_ended(0):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        if self._opened:
            self._opened.shutdown(socket.SHUT_RDWR)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; return its code. Raises subprocess.TimeoutExpired."""
        if not self._has_ended(timeout):
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        if self.returncode is None:
            with self._status:
                self.returncode = int(self._status.read() or -signal.SIGKILL)
            if self._end is not None:
                os.close(self._end)
        return self.returncode

    def _has_ended(self, timeout: float | None) -> bool:
        if self.returncode is not None or self._end is None:
            return True
        return bool(select.select([self._end], [], [], timeout)[0])

    def communicate(self) -> None:
        """Wait for its end, and close what it was asked by."""
        self.wait()
        if self._opened:
            for one in (self.stdin, self.stdout, self._opened):
                with contextlib.suppress(OSError):
                    one.close()


class Forks:
    """The process that has read its modules, started for the first fork."""

    def __init__(self, module: str, environment: Mapping[str, str] | None = None) -> None:
        """Run a module that calls `serve`, in the environment of this moment and these variables."""
        self._module = module
        self.environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self._mouth: socket.socket | None = None
        self._starting = threading.Lock()  # threads that ask at once share one process

    def __enter__(self) -> Forks:
        """Return it."""
        return self

    def __exit__(self, *_error: object) -> None:
        """End the process."""
        if self._process and self._mouth:
            self._mouth.close()
            self._process.wait(60)

    def start(
        self,
        command: Sequence[str],
        stdout: IO[bytes],
        stderr: IO[bytes],
        stdin: IO[bytes] | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Fork:
        """Start a command as `subprocess.Popen` does; without `stdin` there is nothing to read."""
        with Path(os.devnull).open("rb") as nothing:
            return Fork(self._fork(command, [stdin or nothing, stdout, stderr], env))

    def talk(self, command: Sequence[str], stderr: IO[bytes]) -> Fork:
        """Start a command that answers questions."""
        ours, its = socket.socketpair()
        with its:
            return Fork(self._fork(command, [its, its, stderr]), ours)

    def run(self, command: Sequence[str], text: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command to its end; `text` is what it reads."""
        with tempfile.TemporaryFile() as asked, tempfile.TemporaryFile() as told, tempfile.TemporaryFile() as said:
            asked.write(text.encode())
            asked.seek(0)
            code = self.start(command, told, said, asked).wait()
            told.seek(0)
            said.seek(0)
            return subprocess.CompletedProcess(list(command), code, told.read().decode(), said.read().decode())

    def _fork(self, command: Sequence[str], files: Sequence[File], env: Mapping[str, str] | None = None) -> int:
        with self._starting:
            mouth = self._mouth = self._mouth or self._start()
        status, its_status = os.pipe()
        message = json.dumps([list(command), dict(os.environ if env is None else env)]).encode()
        socket.send_fds(mouth, [message], [*(file.fileno() for file in files), its_status])
        os.close(its_status)
        return status

    def _start(self) -> socket.socket:
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with its:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self._module], cwd=ROOT, env=self.environment, stdin=its.fileno()
            )
        return ours


def serve(targets: Mapping[str, Target]) -> None:
    """Fork for each command until nobody can ask any more; `targets` is the name of a command to what it does."""
    gc.freeze()  # what is read by now stays shared
    with socket.socket(fileno=0) as asked:
        while True:
            message, files, _flags, _address = socket.recv_fds(asked, LIMIT_BYTES, 4)
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            if not message:
                return
            if os.fork() == 0:
                command, environment = json.loads(message)
                _be(targets, command, environment, files)
            for file in files:
                os.close(file)


def _be(targets: Mapping[str, Target], command: list[str], environment: dict[str, str], files: list[int]) -> None:
    """Be the command, with its environment and its files; does not return."""
    # It ends with the process that it comes from, as that one does with the tests.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    *standard, status = files
    os.write(status, f"{os.getpid()}\n".encode())
    os.environ.clear()
    os.environ.update(environment)
    for number, file in enumerate(standard):
        os.dup2(file, number)
        os.close(file)
    code = 1
    try:
        targets[Path(command[0]).name](command)
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        if not isinstance(ended.code, int | None):
            print(ended.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os.write(status, str(code).encode())
    os._exit(0)

"""Runs parts in parallel: prints a line when a part begins and ends, and writes its output to its own file."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from .parts import ROOT, Command, Part

GRACE = 60.0  # seconds for a part to clean up
HEARTBEAT = 60.0
LAST_LINES = 40


@dataclasses.dataclass(frozen=True)
class Ended:
    """The result of a part: its seconds, and why it failed or did not run; empty if it passed."""

    part: Part
    seconds: float
    problem: str = ""

    @property
    def passed(self) -> bool:
        """Return whether all its commands succeeded."""
        return not self.problem


class Runner:
    """Runs the parts of a tier. `say` prints a line."""

    def __init__(self, logs: Path, env: Mapping[str, str], say: Callable[[str], None] = print) -> None:
        """Write logs into a directory; `env` is added to the environment of every part."""
        self.logs, self.env, self.say = logs, env, say
        self._running = dict[str, subprocess.Popen[bytes]]()
        self._lock = threading.Lock()
        self._is_stopped = False
        self._begun = time.monotonic()

    def run(self, parts: Sequence[Part]) -> list[Ended]:
        """Run all parts, except those that need a failed one."""
        self.logs.mkdir(parents=True, exist_ok=True)
        self._begun = time.monotonic()
        futures = dict[str, concurrent.futures.Future[Ended]]()
        with concurrent.futures.ThreadPoolExecutor(max(1, len(parts))) as pool:
            # Parts come after those that they need, so each thread waits only for threads that run already.
            for part in parts:
                before = {name: futures[name] for name in (*part.needs, *part.behind) if name in futures}
                futures[part.name] = pool.submit(self._run, part, before)
            try:
                self._wait(list(futures.values()))
            except BaseException:
                self.stop()
                raise
        return [futures[part.name].result() for part in parts]

    def stop(self) -> None:
        """Stop all running parts, and start no others."""
        with self._lock:
            self._is_stopped = True
            for process in self._running.values():
                _signal(process, signal.SIGTERM)
        end = time.monotonic() + GRACE
        for process in list(self._running.values()):
            _wait_or_kill(process, end)

    def log_of(self, part: Part) -> Path:
        """Return the log file of a part."""
        return self.logs / f"{part.name}.log"

    def last_lines(self, part: Part, count: int = LAST_LINES) -> list[str]:
        """Return the end of the log of a part."""
        log = self.log_of(part)
        return log.read_text(encoding="utf-8", errors="replace").splitlines()[-count:] if log.exists() else []

    def _wait(self, futures: Sequence[concurrent.futures.Future[Ended]]) -> None:
        pending = set(futures)
        while pending:
            _done, pending = concurrent.futures.wait(pending, HEARTBEAT, concurrent.futures.FIRST_COMPLETED)
            if not _done and self._running:
                self.say(f"  still running: {', '.join(sorted(self._running))}")

    def _run(self, part: Part, before: Mapping[str, concurrent.futures.Future[Ended]]) -> Ended:
        ended = {name: future.result() for name, future in before.items()}
        failed = [name for name in part.needs if name in ended and not ended[name].passed]
        if failed:
            return self._told(Ended(part, 0.0, f"not run, because it needs {' and '.join(failed)}"))
        self.say(f"  {part.name} begins")
        start, problem = time.monotonic(), ""
        # From the beginning of the run: a part that begins late must not outlive CI either.
        end = self._begun + part.limit
        with self.log_of(part).open("wb") as log:
            for command in part.commands:
                code = self._call(part, command, log.fileno(), end)
                if code:
                    problem = f"'{' '.join(command)}' ended with {code}" if code > 0 else "it was stopped"
                    if time.monotonic() >= end:
                        problem = f"it was stopped {part.limit:.0f} s after the run began; see {self.log_of(part)}"
                    break
        return self._told(Ended(part, time.monotonic() - start, problem))

    def _told(self, ended: Ended) -> Ended:
        outcome = "passed" if ended.passed else f"FAILED: {ended.problem}"
        self.say(f"  {ended.part.name} {outcome} ({ended.seconds:.0f} s)")
        return ended

    def _call(self, part: Part, command: Command, log: int, end: float) -> int:
        """Run a command until `end` at most; return its exit code, negative if it or the run was stopped."""
        with self._lock:
            if self._is_stopped:
                return -signal.SIGTERM
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, **self.env, **part.env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            self._running[part.name] = process
        try:
            code = process.wait(max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            _signal(process, signal.SIGTERM)
            code = _wait_or_kill(process, time.monotonic() + GRACE)
        with self._lock:
            del self._running[part.name]
        return code


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal to a process and all of its group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _wait_or_kill(process: subprocess.Popen[bytes], end: float) -> int:
    """Wait for a process until a time, then kill it; return its exit code, negative for a signal."""
    try:
        return process.wait(max(0.0, end - time.monotonic()))
    except subprocess.TimeoutExpired:
        _signal(process, signal.SIGKILL)
        return -signal.SIGKILL

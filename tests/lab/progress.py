"""The progress of the lab: one line for each step, with its seconds."""

import sys
from collections.abc import Callable
from time import monotonic, sleep
from typing import TypeVar

Answer = TypeVar("Answer")


def step(what: str, work: Callable[[], Answer], outcome: Callable[[Answer], str] = str) -> Answer:
    """Do `work`, and print a line with its name, result and duration; return its result."""
    started = monotonic()
    answer = work()
    # One write, so that lines of parallel steps do not mix.
    sys.stdout.write(f"lab  {what} ... {outcome(answer)} ({monotonic() - started:.0f} s)\n")
    sys.stdout.flush()
    return answer


def wait_for(what: str, ready: Callable[[], Answer | None], seconds: float, error: type[Exception]) -> Answer:
    """Poll `ready` until it returns a value; raise `error` after so many seconds."""
    deadline = monotonic() + seconds
    while (answer := ready()) is None:
        if monotonic() > deadline:
            raise error(f"{what} did not come within {seconds:.0f} seconds")
        sleep(0.2)
    return answer

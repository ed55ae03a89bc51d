"""What the lab says while it works: one line for each step, with the seconds that it took."""

import sys
from collections.abc import Callable
from time import monotonic, sleep
from typing import TypeVar

Answer = TypeVar("Answer")


def step(what: str, work: Callable[[], Answer], outcome: Callable[[Answer], str] = str) -> Answer:
    """Do `work` and say in one line what it was, how it came out and how long it took; the answer of `work`."""
    started = monotonic()
    answer = work()
    # One write: lines of steps that run side by side stay whole.
    sys.stdout.write(f"lab  {what} ... {outcome(answer)} ({monotonic() - started:.0f} s)\n")
    sys.stdout.flush()
    return answer


def wait_for(what: str, ready: Callable[[], Answer | None], seconds: float, error: type[Exception]) -> Answer:
    """Ask `ready` again and again until it answers something; `error` after so many seconds."""
    deadline = monotonic() + seconds
    while (answer := ready()) is None:
        if monotonic() > deadline:
            raise error(f"{what} did not come within {seconds:.0f} seconds")
        sleep(0.2)
    return answer

"""For what comes to be by itself, soon."""

import time


def wait_for(check, seconds=30):
    """The first true value of `check`."""
    end = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < end, f"{check} did not come true in {seconds} s"
        time.sleep(0.2)
    return found

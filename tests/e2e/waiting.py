"""For what comes to be by itself, soon."""

import time


def wait_for(check, seconds=30):
    """The first true value of `check`."""
    end = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < end, f"{check} did not come true in {seconds} s"
        time.sleep(0.2)
    return found


def seconds_until(check, seconds):
    """How long it took until `check` was true."""
    begun = time.monotonic()
    wait_for(check, seconds)
    return round(time.monotonic() - begun, 1)

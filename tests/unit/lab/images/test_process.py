"""The process of the stand-in for the photo server: how it ends, and what its image has around it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
IMAGE = HERE.parents[2] / "lab" / "images" / "immich-server"


@pytest.fixture
def server():
    """Gives a function that starts the program; it is ended at the end."""
    started = []

    def start(**environment):
        path = f"{IMAGE}:{HERE / 'drivers'}"
        command = (sys.executable, "-m", "photo_server")
        process = subprocess.Popen(
            command, env={**os.environ, "PYTHONPATH": path, **environment}, stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stderr.close()


def test_a_database_that_is_away_ends_it_at_once(server):
    process = server()
    _out, told = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "The database does not answer: [Errno 111] Connect call failed" in told


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_and_nothing_is_put_in_order(server, number):
    """So tini, the entry point of the image, exits with 143 after a stop."""
    process = server(STAND_IN_COSTS="real")
    assert "Initializing Immich" in process.stderr.readline()
    process.send_signal(number)
    process.wait(timeout=60)
    assert process.returncode == -number

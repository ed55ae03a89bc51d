"""Starts the gate: `python3 learning-gate.pyz <settings.json>`. Ends with SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from ansible_collections.swissphoto.silo.plugins.module_utils.common import systemd

from .gate import Gate
from .settings import GateSettings, SettingsError, load

GRACE_SECONDS = 10.0


async def serve(settings: GateSettings) -> None:
    """Serve until SIGTERM; what is under way has a moment to be answered."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    gate = Gate(settings)
    await gate.start()
    systemd.notify("READY=1")
    await stop.wait()
    await gate.stop(GRACE_SECONDS)
    # A thread may wait for the machine learning for minutes yet, and Python would wait for it.
    sys.stdout.flush()
    os._exit(0)


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the settings and serve."""
    parser = argparse.ArgumentParser(
        prog="learning-gate", description="Lets pass to the machine learning what Immich asks, and nothing else."
    )
    parser.add_argument("settings", type=Path, help="the file that the role machine_learning writes")
    options = parser.parse_args(arguments)
    try:
        settings = load(options.settings)
    except SettingsError as error:
        sys.exit(str(error))
    asyncio.run(serve(settings))


if __name__ == "__main__":
    main()

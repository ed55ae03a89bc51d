"""Starts the service: `python3 access.pyz <settings.json>`. Ends with SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from pathlib import Path

from aiohttp import web
from ansible_collections.swissphoto.silo.plugins.module_utils.common import systemd, tickets

from .pages import PageSettings
from .website import Website

GRACE_SECONDS = 30


async def serve(settings: PageSettings) -> None:
    """Serve until SIGTERM; running requests still get their answer."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    # The path of a request contains the token, so there is no access log.
    runner = web.AppRunner(Website(settings).application(), access_log=None, shutdown_timeout=GRACE_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.address, settings.port).start()
        systemd.notify("READY=1")
        await stop.wait()
    finally:
        await runner.cleanup()


def main(arguments: list[str]) -> None:
    """Read the settings and serve."""
    if not tickets.HAS_CRYPTOGRAPHY:
        sys.exit("python3-cryptography is not installed, so no link can be opened; the role access installs it")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    # Its messages quote requests, which contain tokens.
    logging.getLogger("aiohttp").setLevel(logging.CRITICAL + 1)
    asyncio.run(serve(PageSettings.read(Path(arguments[0]))))


if __name__ == "__main__":
    main(sys.argv[1:])

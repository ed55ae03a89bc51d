"""Forks with the modules of billing's services: the command line of silo, and any program in Python."""

from __future__ import annotations

import sys
from pathlib import Path

from silo import cli
from silo.billing import reconciler, service, webhook_server
from silo.billing.stripe import client
from silo.cli import billing
from tests.unit.forks import serve

READ = (client, webhook_server, service, reconciler, billing)


def silo(command: list[str]) -> None:
    """Be `silo ...`."""
    sys.argv = command
    cli.main()


def python(command: list[str]) -> None:
    """Be `python -c PROGRAM ...`."""
    sys.argv = command[1:2] + command[3:]
    exec(command[2], {"__name__": "__main__"})  # noqa: S102  # the test's own


if __name__ == "__main__":
    serve({"silo": silo, Path(sys.executable).name: python})

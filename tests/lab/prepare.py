"""Prepares the machine for a lab while the Python environment is installed: an engine and the hosts' images.

Run by the machine's own Python, so nothing here comes from outside of the standard library.
"""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .command import LabError, LocalMachine
from .engine import Engine
from .images import HOSTS, Builder
from .progress import step
from .state import DEFAULT, Directory, only_one

REPOSITORY = Path(__file__).parents[2]


def main() -> int:
    """Create missing parts; return the exit code."""
    machine = LocalMachine()
    try:
        directory = Directory(REPOSITORY / ".lab", os.environ.get("SILO_LAB") or DEFAULT)
        with only_one(directory):
            Engine(machine).ensure()
            directory.make()
            builder = Builder(machine, directory.path / "build")
            step("image base", builder.make_base)
            with ThreadPoolExecutor(len(HOSTS)) as workers:
                list(workers.map(builder.ensure, HOSTS))
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

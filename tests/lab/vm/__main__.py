"""Command line of a lab's virtual machines: `python -m tests.lab.vm up nas`."""

import argparse
import os
import sys

from ..command import LabError, LocalMachine
from ..lab import REPOSITORY
from ..state import DEFAULT, Directory, only_one
from .machines import MACHINES, Machines


def main(arguments: list[str] | None = None) -> int:
    """Do what is asked; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.lab.vm",
        description="Virtual machines in a lab's network, for what this machine's kernel lacks.",
        epilog="SILO_LAB names the lab (default: silo-lab).",
    )
    parser.add_argument("command", choices=("up", "down", "cut", "pause", "resume"))
    parser.add_argument("name", nargs="*", choices=[*MACHINES, []], help="all of them where none is named")
    asked = parser.parse_args(arguments)
    try:
        directory = Directory(REPOSITORY / ".lab", os.environ.get("SILO_LAB") or DEFAULT)
        machines = Machines(LocalMachine(), directory, REPOSITORY / ".cache")
        names = asked.name or list(MACHINES)
        if asked.command in ("pause", "resume"):
            for name in names:
                getattr(machines.guest(name), asked.command)()
            return 0
        with only_one(directory):
            {"up": machines.up, "down": machines.down, "cut": machines.cut}[asked.command](names)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())

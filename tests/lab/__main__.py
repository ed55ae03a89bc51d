"""Command line of the lab: `python -m tests.lab up | down | reboot | status`."""

import argparse
import os
import sys

from .command import LabError, LocalMachine
from .lab import REPOSITORY, Laboratory
from .state import DEFAULT, Directory, only_one


def main(arguments: list[str] | None = None) -> int:
    """Do what is asked; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.lab",
        description="A throw-away server that looks to Ansible like a rented one.",
        epilog="SILO_LAB names the lab (default: silo-lab). IMAGES=official runs the official images.",
    )
    parser.add_argument("command", choices=("up", "down", "reboot", "status"))
    command = parser.parse_args(arguments).command
    try:
        directory = Directory(REPOSITORY / ".lab", os.environ.get("SILO_LAB") or DEFAULT)
        lab = Laboratory(LocalMachine(), directory, official=wants_official(os.environ.get("IMAGES", "")))
        if command == "status":
            return 0 if lab.status() else 1
        with only_one(directory):
            {"up": lab.up, "down": lab.down, "reboot": lab.reboot}[command]()
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def wants_official(images: str) -> bool:
    """What IMAGES says: `official`, or nothing for the stand-ins. LabError where it says something else."""
    if images not in ("", "official"):
        raise LabError(f"IMAGES={images!r} is not known: official, or nothing for the lab's own")
    return images == "official"


if __name__ == "__main__":
    sys.exit(main())

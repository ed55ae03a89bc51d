"""Command line of the lab: `python -m tests.lab up | down | reboot | status | keep | restore | forget`."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from .command import LabError, LocalMachine
from .image_set import chosen
from .lab import REPOSITORY, Laboratory
from .snapshot import Inventory
from .state import DEFAULT, Directory, only_one

NOTHING_KEPT = 3
EPILOG = """
SILO_LAB names the lab (default: silo-lab). IMAGES=official runs the official images, IMAGES=FILE those of a file:
tests/lab/images/README.md says how it looks. `keep` turns a converged lab, with its inventory (SILO_INVENTORY,
SILO_VAULT_PASSWORD_FILE), into a snapshot, and the lab is gone then; `restore` makes a lab from it, and exits with 3
where none fits; `forget` removes it.
"""


def main(arguments: list[str] | None = None) -> int:
    """Do what is asked; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.lab",
        description="A throw-away server that looks to Ansible like a rented one.",
        epilog=EPILOG,
    )
    parser.add_argument("command", choices=("up", "down", "reboot", "status", "keep", "restore", "forget"))
    command = parser.parse_args(arguments).command
    try:
        directory = Directory(REPOSITORY / ".lab", os.environ.get("SILO_LAB") or DEFAULT)
        lab = Laboratory(LocalMachine(), directory, chosen(os.environ.get("IMAGES", "")))
        with only_one(directory):
            return _do(lab, command)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _do(lab: Laboratory, command: str) -> int:
    if command == "status":
        return 0 if lab.status() else 1
    if command == "restore":
        return 0 if lab.restore(_inventory()) else NOTHING_KEPT
    if command == "keep":
        lab.keep(_inventory())
    else:
        work: Callable[[], object] = getattr(lab, command)
        work()
    return 0


def _inventory() -> Inventory:
    """The inventory that the environment names, as for Ansible."""
    names = ("SILO_INVENTORY", "SILO_VAULT_PASSWORD_FILE")
    folder, password = (os.environ.get(name, "") for name in names)
    if not folder or not password:
        raise LabError(f"{' and '.join(names)} name the inventory of a lab that is kept; set both")
    return Inventory(Path(folder), Path(password))


if __name__ == "__main__":
    sys.exit(main())

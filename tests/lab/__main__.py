"""Command line of the lab: `python -m tests.lab up`, and the other commands below."""

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

NO = 3
COMMANDS = (
    *("up", "down", "reboot", "status", "add-server"),
    *("mark-converged", "is-converged", "keep", "restore", "forget"),
)
EPILOG = """
SILO_LAB names the lab (default: silo-lab). IMAGES=official runs the official images, IMAGES=FILE those of a file, and
IMAGES=costly stand-ins that cost what the official ones cost: tests/lab/images/README.md. `keep` turns a converged
lab, with its inventory (SILO_INVENTORY, SILO_VAULT_PASSWORD_FILE), into a snapshot, and the lab is gone then; `restore`
makes a lab from it, and exits with 3 where none fits; `forget` removes it. `add-server` adds a second server, from
nothing, to a lab that runs. `mark-converged` notes that site.yml has ended well; `is-converged` exits with 3 where it
has not, or where what it ran with has changed since: roles, images, or the inventory but for its tenants.
"""


def main(arguments: list[str] | None = None) -> int:
    """Run a command; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.lab",
        description="A throw-away server that looks to Ansible like a rented one.",
        epilog=EPILOG,
    )
    parser.add_argument("command", choices=COMMANDS)
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
        return 0 if lab.restore(_inventory()) else NO
    if command == "is-converged":
        return 0 if lab.is_converged(_named("SILO_INVENTORY")) else NO
    if command == "mark-converged":
        lab.mark_converged(_named("SILO_INVENTORY"))
    elif command == "keep":
        lab.keep(_inventory())
    else:
        work: Callable[[], object] = getattr(lab, command.replace("-", "_"))
        work()
    return 0


def _inventory() -> Inventory:
    """Return the inventory that the environment names."""
    return Inventory(_named("SILO_INVENTORY"), _named("SILO_VAULT_PASSWORD_FILE"))


def _named(variable: str) -> Path:
    path = os.environ.get(variable)
    if not path:
        raise LabError(f"{variable} is not set; it names the inventory of a lab, or the password of its vaults")
    return Path(path)


if __name__ == "__main__":
    sys.exit(main())

"""The keys of SSH that an inventory names for its machines, wherever they lie."""

from __future__ import annotations

from pathlib import Path

from silo import repository
from silo.inventory import InventoryError
from silo.inventory.reader import Reader

# Ansible knows it by two names.
VARIABLES = ("ansible_ssh_private_key_file", "ansible_private_key_file")


def keys(inventory: Path, home: Path) -> tuple[list[Path], list[str]]:
    """Return the files of the keys by which Ansible reaches servers and NAS, and sentences on those it cannot tell.

    `home` is that of the inventory's owner. Raises InventoryError.
    """
    with Reader(inventory) as reader:
        merged = reader.merge(also=VARIABLES)
    named = [str(values[name]) for values in merged.hosts.values() for name in VARIABLES if values.get(name)]
    wrong = [text for host, texts in merged.problems.items() for text in texts if text.startswith(_beginnings(host))]
    found, problems = [], [f"{text}; name the key of SSH with --also" for text in wrong]
    for text in dict.fromkeys(named):
        try:
            found.append(expanded(text, home))
        except InventoryError as error:
            problems.append(f"the key of SSH {error}; name it with --also")
    return found, problems


def expanded(text: str, home: Path) -> Path:
    """Return a path as it is for the owner of an inventory, whoever runs this; raises InventoryError."""
    if text == "~" or text.startswith("~/"):
        return home / text[2:]
    try:
        # Ansible runs in the folder of this repository.
        return repository.root() / Path(text).expanduser()
    except RuntimeError:
        raise InventoryError(f"{text} is in the home of a user whom this machine has not") from None


def _beginnings(host: str) -> tuple[str, ...]:
    return tuple(f"{host}: {name} " for name in VARIABLES)

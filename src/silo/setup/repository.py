"""The repository of a new inventory: made whole or not at all, outside of the product's clone, passwords beside it."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path

from ansible_collections.swissphoto.silo.plugins.module_utils.common import files, locks

from silo.inventory.errors import InventoryError
from silo.inventory.history import Author, History, is_product
from silo.inventory.transaction import Edit, Write
from silo.repository import root
from silo.setup.answers import file

VAULT_PASSWORD = "~/.silo-vault-password"  # noqa: S105  # where it is
VARIABLE = "SILO_VAULT_PASSWORD_FILE"
MESSAGE = "Create the inventory"


def check_place(folder: Path) -> None:
    """Refuse a place in a clone of this software, or one in which something else is; raises InventoryError."""
    check_outside(folder, "an inventory")
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise InventoryError(f"{folder}: it is no folder; name a new one, such as ~/silo-inventory")
    if folder.is_dir() and any(folder.iterdir()) and not is_inventory(folder):
        raise InventoryError(f"{folder}: it has other files in it; name a new folder, such as ~/silo-inventory")


def check_outside(path: Path, what: str) -> None:
    """Refuse a path in a clone of this software; raises InventoryError."""
    real = path.resolve()
    for above in (real, *real.parents):
        if above == root() or is_product(above):
            raise InventoryError(
                f"{path}: it is in a clone of SwissPhoto Silo ({above}), and {what} does not belong there: 'git pull' "
                "would stop at your changes, and a 'git push' send your customers' names away. Name a place "
                "outside, such as ~/silo-inventory"
            )


def is_inventory(folder: Path) -> bool:
    """Return whether an inventory is there already, whoever made it."""
    return (folder / "hosts.yml").is_file() and (folder / "tenants.yml").is_file()


def check_complete(folder: Path) -> None:
    """Refuse an inventory without a history of its own; raises InventoryError."""
    if not (folder / ".git").exists():
        raise InventoryError(
            f"{folder}: it is an inventory without a git repository of its own; make one: git -C {folder} init, then "
            "add and commit its files, of vault.yml only those that are encrypted"
        )


def password_file(given: str | None) -> Path:
    """Return the file of the vault password: the given one, or that of the environment, or one at home."""
    text = given or os.environ.get(VARIABLE) or VAULT_PASSWORD
    return file("the vault password's file", text)


def check_password(path: Path, folder: Path, what: str) -> bool:
    """Return whether a file with a password is there; raises InventoryError where it lies wrong, or is no such file.

    `what` says which password.
    """
    if path.resolve().is_relative_to(folder.resolve()):
        raise InventoryError(f"{path}: {what} must lie outside of the inventory, which others get; name another file")
    check_outside(path, what)
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise InventoryError(f"{path}: {what} cannot be read: {str(error.strerror).lower()}") from error
    if not stat.S_ISREG(found.st_mode) or not found.st_size:
        raise InventoryError(f"{path}: it must be a file with {what}, and is empty or none; it stays as it is")
    if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise InventoryError(f"{path}: others on this machine can read {what}; chmod 600 {path}")
    return True


def make_password(path: Path, text: str = "") -> None:
    """Write a password that nobody has written yet, by default a new one, readable by its owner only."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        files.create(path, f"{text or secrets.token_urlsafe(32)}\n", 0o600)
    except FileExistsError:
        raise InventoryError(f"{path}: another program has just written it; repeat the command") from None
    except OSError as error:
        raise InventoryError(f"{path}: it cannot be written: {str(error.strerror).lower()}") from error


def make(folder: Path, texts: Mapping[str, str], author: Author | None) -> None:
    """Write an inventory and its first commit beside its place, then move it there; raises InventoryError.

    What a killed run left beside it is replaced.
    """
    aside = folder.with_name(f".{folder.name}.silo-init")
    try:
        aside.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locks.held(aside, busy=lambda: InventoryError(f"{folder}: another 'silo init' is making it; wait for it")):
            _clear(aside)
            for path, text in texts.items():
                (aside / path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                files.write(aside / path, text)
            edit = Edit(MESSAGE, tuple(Write(path, None, text) for path, text in texts.items()))
            History.begin(aside, author).commit(edit)
            files.move(aside, folder)
    except OSError as error:
        where = error.filename2 or error.filename or folder
        raise InventoryError(f"{where}: it cannot be written: {str(error.strerror).lower()}; repeat it") from error


def _clear(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()

"""The keys of backups, in the format of age: anybody with the recipient can write a backup, only the key opens one."""

from __future__ import annotations

import datetime
import os
import typing as t
from collections.abc import Sequence
from pathlib import Path

import pyrage
from ansible_collections.swissphoto.silo.plugins.module_utils.common import files
from ansible_collections.swissphoto.silo.plugins.module_utils.common.text import printable

from silo.controller.errors import ControllerError
from silo.state import FOLDER, State

RECIPIENTS = "backup-recipients"
LARGEST = 64 * 1024

Recipient = t.Any
Identity = t.Any


def recipients_file(inventory: Path) -> Path:
    """Return the file of an inventory with the recipients of its backups, one on each line."""
    return inventory / FOLDER / RECIPIENTS


def make(path: Path, inventory: Path) -> str:
    """Make a key at `path`, mode 0600, and add its recipient to those of the inventory; return the recipient.

    Raises ControllerError where `path` exists, or is in the inventory, which others get.
    """
    if path.resolve().is_relative_to(inventory.resolve()):
        raise ControllerError(
            f"{path} is in the inventory, which colleagues and each backup get; name a file outside of it"
        )
    State(inventory)
    identity = pyrage.x25519.Identity.generate()
    recipient = str(identity.to_public())
    made = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    try:
        # As age-keygen writes it.
        files.create(path, f"# created: {made}\n# public key: {recipient}\n{identity}\n", 0o600)
    except FileExistsError:
        raise ControllerError(f"{path} exists, and no key is replaced; name another file") from None
    except OSError as error:
        raise ControllerError(f"{path} cannot be written: {error.strerror}; nothing was changed") from None
    place = recipients_file(inventory)
    before = place.read_text(encoding="utf-8") if place.exists() else ""
    # Whoever added a line by hand may have left its end open.
    before += "" if before.endswith("\n") or not before else "\n"
    owner = inventory.stat().st_uid if os.geteuid() == 0 else None
    files.write(place, f"{before}{recipient}\n", 0o600, owner=owner)
    return recipient


def recipients(inventory: Path) -> list[Recipient]:
    """Return the recipients of an inventory's backups; raises ControllerError where there are none."""
    place = recipients_file(inventory)
    try:
        lines = place.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        lines = []
    except (OSError, UnicodeDecodeError) as error:
        raise ControllerError(f"{place} cannot be read: {error}") from None
    wanted = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if not wanted:
        raise ControllerError(
            f"{place} names nobody who could open a backup; 'silo controller key FILE' makes a key, and writes it there"
        )
    return [_recipient(line, place) for line in wanted]


def _recipient(line: str, place: Path) -> Recipient:
    kind = pyrage.ssh if line.startswith("ssh-") else pyrage.x25519
    try:
        return kind.Recipient.from_str(line)
    except pyrage.RecipientError:
        raise ControllerError(
            f"{place}: {printable(line, 40)!r} is no recipient; a line must begin with age1, ssh-ed25519 or ssh-rsa"
        ) from None


def identities(text: str) -> Sequence[Identity]:
    """Return the keys in a text: lines that begin with AGE-SECRET-KEY-, or a private key of SSH without a passphrase.

    Raises ControllerError, which never quotes it.
    """
    wrong = ControllerError("there is no key in it; a key begins with AGE-SECRET-KEY-1, or is a private key of SSH")
    try:
        if "PRIVATE KEY" in text:
            return [pyrage.ssh.Identity.from_buffer(text.encode())]
        lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
        found = [pyrage.x25519.Identity.from_str(line) for line in lines]
    except pyrage.IdentityError:
        raise wrong from None
    if not found:
        raise wrong
    return found


def read_identities(path: Path) -> Sequence[Identity]:
    """Return the keys in a file that only its owner can read; raises ControllerError."""
    try:
        if path.stat().st_mode & 0o077:
            raise ControllerError(f"others can read {path}; set its mode to 0600")
        with path.open(encoding="utf-8") as file:
            text = file.read(LARGEST)
    except (OSError, UnicodeDecodeError) as error:
        raise ControllerError(f"{path} cannot be read: {error}") from None
    try:
        return identities(text)
    except ControllerError as error:
        raise ControllerError(f"{path}: {error}") from None


def for_this_run() -> tuple[Recipient, Identity]:
    """Return a key that nobody keeps: with it, a backup is opened again after it was written."""
    identity = pyrage.x25519.Identity.generate()
    return identity.to_public(), identity
